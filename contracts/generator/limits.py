"""Configurations at the limits that the reference allows, and parameters that nobody drew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import chain, product
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from drift.generator import Generator, GeneratorConfig, condition, init
from drift.generator import config as config_module
from verify.api import CheckContext, Measurement, check, mutant
from verify.numeric.arrays import largest, worst_of

from ..common import golden
from ..common.rows import Refused, Row, judge_rows
from .cases import NEEDS, build, configured, fitting, inputs

SWITCHES = ("use_rmsnorm", "use_qknorm", "use_rope", "use_swiglu")
SMALL = {
    "input_size": 4, "in_channels": 2, "out_channels": 3, "patch_size": 2, "hidden_size": 8,
    "depth": 1, "num_heads": 2, "cond_dim": 8, "num_classes": 3, "noise_coords": 2,
    "noise_classes": 4, "n_cls_tokens": 2, "mlp_ratio": 4.0, "use_bf16": False,
    "attn_fp32": True, "use_remat": False, **dict.fromkeys(SWITCHES, True),
}  # fmt: skip
LIMITS: tuple[Mapping[str, int], ...] = (
    {"noise_classes": 0}, {"noise_coords": 0}, {"n_cls_tokens": 0}, {"noise_classes": 1},
    {"noise_classes": 0, "noise_coords": 0, "n_cls_tokens": 0},
    {"noise_classes": 0, "noise_coords": 1},
    {"noise_coords": 1}, {"n_cls_tokens": 1}, {"num_classes": 1}, {"patch_size": 1},
    {"patch_size": 4}, {"depth": 2}, {"num_heads": 1},
)  # fmt: skip


@check("generator.limits", needs=(*NEEDS, "generator_to_reference"))
def limits(ctx: CheckContext) -> Measurement:
    """Each limit builds, runs, has the parameters it must, and goes to the reference and back."""
    for changed in LIMITS:
        given = {**SMALL, **changed}
        config = configured(ctx, given)
        model = ctx.subject.Generator(config, generator=torch.Generator().manual_seed(1))
        state = model.state_dict()
        flat = ctx.subject.generator_to_reference(state, config)
        back = ctx.subject.generator_state_dict(flat, config)
        if any(not torch.equal(back[name], state[name]) for name in state):
            return ctx.decide(False, f"{dict(changed)}: a parameter comes back changed")
        problem = _wrong_names(given, flat) or _wrong_output(given, model)
        if problem:
            return ctx.decide(False, f"{dict(changed)}: {problem}")
    return ctx.decide(True, f"{len(LIMITS)} configurations at a limit are built and run")


def _wrong_names(given: Mapping[str, Any], flat: Mapping[str, Tensor]) -> str:
    tables = sum(name.startswith("noise_embeds_") for name in flat)
    wanted = given["noise_coords"] if given["noise_classes"] else 0
    if tables != wanted:
        return f"{tables} style tables, expected {wanted}"
    registers = flat.get("LightningDiT_0/cls_embed")
    found = 0 if registers is None else registers.shape[1]
    return "" if found == given["n_cls_tokens"] else f"{found} registers"


def _wrong_output(given: Mapping[str, Any], model: Any) -> str:
    side, codes = given["input_size"], max(given["noise_classes"], 1)
    draw = torch.Generator().manual_seed(2)
    style = torch.randint(codes, (2, given["noise_coords"]), generator=draw)
    noise = torch.randn(2, given["in_channels"], side, side, generator=draw)
    with torch.no_grad():
        for part in model.parameters():
            part.copy_(0.3 * torch.randn(part.shape, generator=draw))
        samples = model(noise, torch.tensor([0, given["num_classes"] - 1]), torch.ones(2), style)
    wanted = (2, given["out_channels"], side, side)
    if tuple(samples.shape) != wanted or not bool(samples.isfinite().all()):
        return f"samples of shape {tuple(samples.shape)}, finite {bool(samples.isfinite().all())}"
    return ""


@check("generator.without_styles", needs=NEEDS)
@fitting
def without_styles(ctx: CheckContext) -> Measurement:
    """No tables, and tables of zeros: the same samples, whatever codes are drawn."""
    case = golden.recorded(ctx, "ditgen_main")
    noise, labels, alpha, style = inputs(case)
    flat = golden.tensors(case, "params")
    tables = [name for name in flat if name.startswith("noise_embeds_")]
    silent = {name: torch.zeros_like(x) if name in tables else x for name, x in flat.items()}
    expected = build(ctx, case, flat=silent).model(noise, labels, alpha, style)
    rest = {name: x for name, x in flat.items() if name not in tables}
    worst = 0.0
    for coords in (0, style.shape[1]):
        built = build(ctx, case, flat=rest, noise_classes=0, noise_coords=coords)
        for codes in (style, style[:, :0], style + 1000):
            got = built.model(noise, labels, alpha, codes)
            worst = worst_of((worst, largest(got - expected)))
    return ctx.judge(worst, f"largest difference of {worst:.2g} from tables of zeros")


@check("generator.every_parameter_drawn", needs=("Generator", "GeneratorConfig"))
def every_parameter_drawn(ctx: CheckContext) -> Measurement:
    """Allocations are filled with NaN: of every switch combination no parameter is left so."""
    count = 0
    switched = [
        dict(zip(SWITCHES, chosen, strict=True))
        for chosen in product((True, False), repeat=len(SWITCHES))
    ]
    for changed in (*switched, *LIMITS):
        config = configured(ctx, {**SMALL, **changed})
        with nans_allocated():
            model = ctx.subject.Generator(config, generator=torch.Generator().manual_seed(1))
        left = not_drawn(model)
        if left:
            return ctx.decide(False, f"{left[0]} is not drawn under {dict(changed)}")
        count += 1
    return ctx.decide(True, f"every parameter and buffer of {count} generators is drawn")


SIZES: Mapping[str, Any] = {
    "input_size": 4, "in_channels": 2, "out_channels": 3, "patch_size": 2, "hidden_dim": 8,
    "depth": 1, "num_heads": 2, "cond_dim": 8, "num_classes": 3,
}  # fmt: skip


@check("generator.unstated")
def unstated(ctx: CheckContext) -> Measurement:
    """A configuration of sizes alone is the release's in all else, in float32; its own bounds."""

    def stated(topic: str) -> Any:
        return ctx.fact(f"reference:generator.{topic}")

    wanted = {
        "style_tokens": stated("style_tokens"), "style_codes": stated("style_codebook"),
        "register_tokens": stated("register_tokens"), "mlp_ratio": stated("mlp_ratio"),
        "swiglu": stated("ffn") == "swiglu", "rope": stated("rope") == "1d-all-tokens",
        "rmsnorm": stated("rmsnorm") == "rmsnorm-affine",
        "qk_norm": stated("qk_norm") == "rmsnorm-affine", "bfloat16": False,
        "attention_fp32": stated("attention_precision")["ablation"] == "float32",
        "checkpointing": stated("activation_checkpointing")["ablation"],
    }  # fmt: skip
    return judge_rows(ctx, chain(_unstated(wanted), _bounded()), "facts of configurations")


def _unstated(wanted: Mapping[str, object]) -> Iterator[Row]:
    found = GeneratorConfig(**SIZES)
    for name, value in wanted.items():
        yield f"{name} unstated", partial(getattr, found, name), value
    told = {name: getattr(found, name) for name in (*SIZES, *wanted)}
    for device, batch in (("meta", 2), ("cpu", 0)):
        yield f"{batch} inputs on {device}", partial(_shape, device, batch), (batch, 3, 4, 4)
    for codes, values in ((0, 1), (1, 1), (2, 2), (32, 32)):
        yield f"values of {codes} codes", partial(config_module.code_values, codes), values
    yield "nothing else", lambda: told == vars(found), True


def _shape(device: str, batch: int) -> tuple[int, ...]:
    """The shape of samples from inputs whose values nobody can look at."""
    model = Generator(GeneratorConfig(**SIZES), device=device)
    noise, alpha = torch.zeros(batch, 2, 4, 4, device=device), torch.ones(batch, device=device)
    style = torch.zeros(batch, model.config.style_tokens, dtype=torch.int64, device=device)
    return tuple(model(noise, style[:, 0], alpha, style).shape)


def _bounded() -> Iterator[Row]:
    """What a field may be, on both sides of its bound."""

    def made(**changes: Any) -> bool:
        return GeneratorConfig(**{**SIZES, **changes}) is not None

    for name in SIZES:
        for value in (0, True, 2.0):
            said = Refused(f"GeneratorConfig.{name}", repr(value), "at least 1")
            yield f"{name} {value}", partial(made, **{name: value}), said
    for name in ("style_tokens", "style_codes", "register_tokens"):
        yield f"no {name}", partial(made, **{name: 0}), True
        said = Refused(f"GeneratorConfig.{name}", "-1", "at least 0")
        yield f"{name} -1", partial(made, **{name: -1}), said
    for name in ("rmsnorm", "qk_norm", "rope", "swiglu", "bfloat16", "attention_fp32",
                 "checkpointing"):  # fmt: skip
        said = Refused(f"GeneratorConfig.{name}", "1", "True or False")
        yield f"{name} 1", partial(made, **{name: 1}), said
    for ratio in (0, -1.0, float("nan"), float("inf"), True, "4"):
        said = Refused("GeneratorConfig.mlp_ratio", repr(ratio), "a finite number above zero")
        yield f"mlp_ratio {ratio}", partial(made, mlp_ratio=ratio), said
    plain = partial(made, swiglu=False)
    yield "an MLP of one", partial(plain, mlp_ratio=0.125), True
    said = Refused("GeneratorConfig.mlp_ratio", "0.1", "a width of at least 1")
    yield "an MLP of none", partial(plain, mlp_ratio=0.1), said
    for name, changes, of in (
        ("patch_size", {"patch_size": 3}, "patch_size = 3"),
        ("hidden_dim", {"num_heads": 3}, "num_heads = 3"),
        ("hidden_dim", {"hidden_dim": 10}, "4 (two axes, sine and cosine)"),
        ("head_dim", {"hidden_dim": 12, "num_heads": 4}, "2 (rotary pairs)"),
    ):
        said = Refused("GeneratorConfig.", f"a multiple of {of}")
        yield f"{name} {changes}", partial(made, **changes), said
    odd = {"hidden_dim": 12, "num_heads": 4, "rope": False}
    yield "odd heads without rotation", partial(made, **odd), True


@contextmanager
def nans_allocated() -> Iterator[None]:
    """Memory that nobody wrote to holds NaN (and the largest number where it holds whole ones)."""
    before = torch.are_deterministic_algorithms_enabled()
    deterministic: Any = torch.utils.deterministic
    filled = deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    deterministic.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        deterministic.fill_uninitialized_memory = filled


def not_drawn(model: nn.Module) -> list[str]:
    """Parameters and buffers that hold what `nans_allocated` left in them."""
    held = [*model.named_parameters(), *model.named_buffers()]
    return [name for name, value in held if value.is_floating_point() and bool(value.isnan().any())]


@mutant("generator.tables_without_rows")
def tables_without_rows(subject: object) -> AbstractContextManager[object]:
    """Every style token looks up a table, also where tables have no rows."""
    return patch.object(GeneratorConfig, "style_tables", property(lambda self: self.style_tokens))


@mutant("generator.first_style_counts_always", condition, "look_up_styles")
def first_style_counts_always(real: Any, tables: Any, style: Tensor) -> list[Tensor]:
    """The condition is moved by the first code as a number, tables or none."""
    found = real(tables, style)
    width = condition.SINUSOID_DIM
    return [*found, style[:, :1].float()] if style.shape[1] and width else found


OTHER_VALUES = (
    # Any whole number may be less than one.
    mutant("generator.any_count", config_module, _whole=lambda name, value, *, least: None),
    # What is no number, or none above zero, scales the MLP.
    mutant("generator.any_ratio", config_module, _positive_number=lambda name, value: None),
    # Norms are left as they were allocated.
    mutant("generator.biases_not_drawn", init, _neutral=lambda norm: None),
    # The registers are left as they were allocated.
    mutant("generator.registers_not_drawn", init, registers_=lambda weight, generator: None),
)

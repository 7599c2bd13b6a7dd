"""Laws of the generator that hold for any parameters, and what it has to refuse."""

from __future__ import annotations

import math
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from verify.api import CheckContext, Measurement, check
from verify.numeric.arrays import largest, worst_of
from verify.numeric.laws import judge_law

from ..common import golden
from .cases import (
    NEEDS,
    Built,
    build,
    configured,
    fitting,
    inputs,
)

CASE = "ditgen_main"  # perturbed parameters: nothing in them is zero
VISIBLE = 2.0e-5  # of the largest sample: twenty times the rounding of the whole network
Inputs = tuple[Tensor, Tensor, Tensor, Tensor]


def sampled(built: Built, given: Inputs) -> Tensor:
    with torch.no_grad():
        samples: Tensor = built.model(*given)
    return samples


def drawn(case: golden.Case, seed: int, batch: int = 1) -> Inputs:
    """Random inputs of a case's configuration."""
    sizes, rng = case.meta["model_config"], torch.Generator().manual_seed(seed)
    side = sizes["input_size"]
    return (
        torch.randn(batch, sizes["in_channels"], side, side, generator=rng),
        torch.randint(sizes["num_classes"], (batch,), generator=rng),
        1.0 + 3.0 * torch.rand(batch, generator=rng),
        torch.randint(sizes["noise_classes"], (batch, sizes["noise_coords"]), generator=rng),
    )


@check("generator.starts_at_zero", needs=NEEDS)
def starts_at_zero(ctx: CheckContext) -> Measurement:
    """A freshly built generator returns exactly zero, in every configuration given."""
    for name in ctx.params["cases"]:
        case = golden.recorded(ctx, name)
        model = ctx.subject.Generator(configured(ctx, case.meta["model_config"]))
        for seed in range(ctx.seed, ctx.seed + 3):
            with torch.no_grad():
                peak = largest(model(*drawn(case, seed, batch=2)))
            if peak != 0.0:
                return ctx.decide(False, f"{name}: an untrained sample reaches {peak:.3g}, not 0")
    return ctx.decide(True, "untrained samples are exactly zero")


@check("generator.rope_recorded", needs=("apply_rope",))
def rope_recorded(ctx: CheckContext) -> Measurement:
    """Rotation of recorded queries and keys in the three mixtures of precision."""
    case = golden.recorded(ctx, "ditgen_rope")
    given = golden.tensors(case, "in")
    modes = {
        "fp32": (torch.float32, True),
        "bf16in_fp32rope": (torch.bfloat16, True),
        "bf16in_bf16rope": (torch.bfloat16, False),
    }
    compared = golden.Comparison()
    for mode, (dtype, fp32) in modes.items():
        turned = ctx.subject.apply_rope(given["q"].to(dtype), given["k"].to(dtype), fp32=fp32)
        allowed = golden.recorded_tolerance(case, mode)
        for name, found in zip("qk", turned, strict=True):
            compared.hold(f"{mode}/{name}", found, case.arrays[f"out/{mode}/{name}"], allowed)
    return compared.judge(ctx)


@check("generator.rope_shift", needs=("apply_rope",))
def rope_shift(ctx: CheckContext) -> Measurement:
    """q_i k_j of equal contents depends on i - j alone, and does depend on it."""
    cases = st.tuples(st.integers(0, 2**31), st.integers(10, 80), st.sampled_from([8, 16, 32, 64]))

    def error(case: tuple[int, int, int]) -> float:
        return _toeplitz_error(ctx, *case)

    return judge_law(
        ctx, cases, error, law="scores at equal distance agree (seed, tokens, head width)"
    )


def _toeplitz_error(ctx: CheckContext, seed: int, tokens: int, width: int) -> float:
    """Largest difference along a diagonal of q k^T; infinite where no score varies at all."""
    content = torch.randn(2, width, generator=torch.Generator().manual_seed(seed))
    q, k = (row.expand(1, tokens, 1, width) for row in content)
    q, k = ctx.subject.apply_rope(q, k, fp32=True)
    scores = (q[0, :, 0].double() @ k[0, :, 0].double().T) / content.double().square().sum()
    if largest(scores[0] - scores[0, 0]) < 1.0e-3:
        return math.inf
    return largest(scores[1:, 1:] - scores[:-1, :-1])


@check("generator.qk_scale", needs=NEEDS)
@fitting
def qk_scale(ctx: CheckContext) -> Measurement:
    """Queries and keys times a constant leave the samples as they are: QK-norm removes it."""
    case = golden.recorded(ctx, CASE)
    given = inputs(case)
    plain = sampled(build(ctx, case), given)
    errors: dict[str, float] = {}
    for factor in ctx.params["factors"]:
        for part in (0, 1):
            scaled = build(
                ctx, case, flat=_scaled_part(golden.tensors(case, "params"), part, factor)
            )
            off = largest(sampled(scaled, given) - plain) / largest(plain)
            errors[f"{'qk'[part]} * {factor:g}"] = off
    return ctx.judge_worst(errors, "change of the samples, of the largest")


def _scaled_part(flat: dict[str, Tensor], part: int, factor: float) -> dict[str, Tensor]:
    """The qkv linears with their queries (part 0) or keys (part 1) multiplied."""
    for path, value in flat.items():
        if "/Attention_0/TorchLinear_0/" in path:
            width = value.shape[-1] // 3
            value[..., part * width : (part + 1) * width] *= factor
    return flat


@check("generator.responds", needs=NEEDS)
@fitting
def responds(ctx: CheckContext) -> Measurement:
    """Another class, alpha or style code, or two codes exchanged, gives another sample."""
    case = golden.recorded(ctx, CASE)
    built = build(ctx, case)
    tokens, codes = (case.meta["model_config"][key] for key in ("noise_coords", "noise_classes"))
    classes = case.meta["model_config"]["num_classes"]
    pairs = st.tuples(st.integers(0, tokens - 1), st.integers(0, tokens - 1)).filter(
        lambda pair: pair[0] != pair[1]
    )
    changes = st.one_of(
        st.tuples(st.just("class"), st.integers(1, classes - 1)),
        st.tuples(st.just("alpha"), st.floats(0.25, 2.0)),
        st.tuples(
            st.just("style"), st.tuples(st.integers(0, tokens - 1), st.integers(1, codes - 1))
        ),
        st.tuples(st.just("exchange"), pairs),
    )

    def stillness(example: tuple[int, tuple[str, Any]]) -> float:
        """What counts as visible, over the change that was found."""
        seed, (kind, how) = example
        one, other = _pair(drawn(case, seed), kind, how, classes, codes)
        plain = sampled(built, one)
        change = largest(sampled(built, other) - plain) / largest(plain)
        return VISIBLE / change if change else math.inf

    examples = st.tuples(st.integers(0, 2**31), changes)
    return judge_law(
        ctx, examples, stillness, law="every change of the inputs is seen (seed, change)"
    )


def _pair(given: Inputs, kind: str, how: Any, classes: int, codes: int) -> tuple[Inputs, Inputs]:
    """Two inputs that differ in one thing only."""
    noise, labels, alpha, style = given
    if kind == "class":
        return given, (noise, (labels + how) % classes, alpha, style)
    if kind == "alpha":
        return given, (noise, labels, alpha + how, style)
    other = style.clone()
    if kind == "style":
        token, step = how
        other[:, token] = (style[:, token] + step) % codes
        return given, (noise, labels, alpha, other)
    first, second = how
    style = style.clone()
    style[:, second] += style[:, first] == style[:, second]  # two equal codes exchange nothing
    style %= codes
    other = style.clone()
    other[:, [first, second]] = style[:, [second, first]]
    return (noise, labels, alpha, style), (noise, labels, alpha, other)


@check("generator.samples_independent", needs=NEEDS)
@fitting
def samples_independent(ctx: CheckContext) -> Measurement:
    """A sample is the same alone and among others."""
    case = golden.recorded(ctx, CASE)
    built = build(ctx, case)
    worst = 0.0
    for seed in range(ctx.seed, ctx.seed + 5):
        given = drawn(case, seed, batch=3)
        together = sampled(built, given)
        for i in range(3):
            noise, labels, alpha, style = (value[i : i + 1] for value in given)
            alone = sampled(built, (noise, labels, alpha, style))
            worst = worst_of((worst, largest(alone - together[i : i + 1]) / largest(alone)))
    return ctx.judge(worst, f"alone and in a batch differ by at most {worst:.2g} of the largest")

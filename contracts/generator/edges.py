"""The generator's edges: checkpointing, the parameter layout both ways, inputs it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from verify.api import CheckContext, Measurement, check
from verify.numeric.laws import judge_law

from ..common import golden
from .cases import (
    NEEDS,
    build,
    configured,
    fitting,
    inputs,
)

CASE = "ditgen_main"


@check("generator.checkpointing", needs=NEEDS)
@fitting
def checkpointing(ctx: CheckContext) -> Measurement:
    """Recomputed blocks: the same samples and gradients to the last bit, with less kept."""
    case = golden.recorded(ctx, CASE)
    kept: list[int] = []
    results: list[list[Tensor]] = []
    for switch in (False, True):
        built = build(ctx, case, use_remat=switch)
        with _bytes_kept(kept):
            samples = built.model(*inputs(case))
        objective = (samples * golden.nchw(case.arrays["in/grad_weight"])).sum()
        leaves = [leaf for leaf in built.model.parameters() if leaf.requires_grad]
        found = torch.autograd.grad(objective, leaves, allow_unused=True)
        results.append([samples, *(torch.zeros(()) if g is None else g for g in found)])
    share = kept[1] / kept[0]
    same = all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    details = {"bytes_kept": kept, "share": share}
    if not same:
        return ctx.decide(False, "samples or gradients differ when blocks are recomputed")
    return ctx.judge(
        share,
        f"identical samples and {len(results[0]) - 1} gradients; the forward pass keeps "
        f"{share:.1%} of the bytes",
        details=details,
    )


@contextmanager
def _bytes_kept(into: list[int]) -> Iterator[None]:
    """Append the bytes that autograd keeps for the backward pass."""
    total = 0

    def pack(value: Tensor) -> Tensor:
        nonlocal total
        total += value.numel() * value.element_size()
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        yield
    into.append(total)


@check("generator.layout_round_trip", needs=(*NEEDS, "generator_to_reference"))
def layout_round_trip(ctx: CheckContext) -> Measurement:
    """Reference -> ours -> reference returns every tensor, path by path, bit by bit."""
    count = 0
    for name in ctx.params["cases"]:
        case = golden.recorded(ctx, name)
        flat, config = golden.tensors(case, "params"), configured(ctx, case.meta["model_config"])
        try:
            state = ctx.subject.generator_state_dict(flat, config)
            back = ctx.subject.generator_to_reference(state, config)
        except ValueError as error:
            return ctx.decide(False, f"{name}: {str(error)[:300]}")
        if set(back) != set(flat):
            return ctx.decide(
                False, f"{name}: {sorted(set(back) ^ set(flat))[0]} appears or is lost"
            )
        changed = [path for path, value in flat.items() if not torch.equal(back[path], value)]
        if changed:
            return ctx.decide(False, f"{name}: {changed[0]} comes back changed")
        count += len(flat)
    return ctx.decide(True, f"{count} tensors come back as they were", details={"tensors": count})


@check("generator.layout_strict", needs=NEEDS)
def layout_strict(ctx: CheckContext) -> Measurement:
    """A missing, a surplus and a misshapen parameter: one error that names all, with shapes."""
    case = golden.recorded(ctx, CASE)
    config = configured(ctx, case.meta["model_config"])
    paths = sorted(golden.tensors(case, "params"))
    picks = st.lists(st.sampled_from(paths), min_size=2, max_size=2, unique=True)

    def unsaid(pick: list[str]) -> float:
        return float(len(_unnamed(ctx, golden.tensors(case, "params"), config, *pick)))

    return judge_law(ctx, picks, unsaid, law="one error names all damage (dropped, misshapen)")


def _unnamed(
    ctx: CheckContext, flat: dict[str, Tensor], config: Any, dropped: str, bent: str
) -> list[str]:
    """What the error about damaged parameters does not say; everything if there is no error."""
    expected = str(tuple(flat[bent].shape)), str(tuple(flat[dropped].shape))
    del flat[dropped]
    flat[bent] = flat[bent][None].expand(3, *flat[bent].shape)
    flat["LightningDiT_0/extra"] = torch.zeros(5, 7)
    wanted = [
        dropped,
        bent,
        "LightningDiT_0/extra",
        str(tuple(flat[bent].shape)),
        "(5, 7)",
        *expected,
    ]
    try:
        ctx.subject.generator_state_dict(flat, config)
    except ValueError as error:
        return [what for what in wanted if what not in str(error)]
    return wanted


def _wrong_inputs(given: tuple[Tensor, ...]) -> dict[str, tuple[Tensor, ...]]:
    """Name of the argument and the mistake -> inputs with that mistake."""
    noise, labels, alpha, style = given
    return {
        "noise: NHWC": (noise.permute(0, 2, 3, 1), labels, alpha, style),
        "noise: half the side": (noise[..., ::2, ::2], labels, alpha, style),
        "noise: whole numbers": (noise.long(), labels, alpha, style),
        "noise: float64": (noise.double(), labels, alpha, style),
        "labels: one too many": (noise, torch.cat([labels, labels[:1]]), alpha, style),
        "labels: above the last class": (noise, labels + 10_000, alpha, style),
        "labels: negative": (noise, labels - 10_000, alpha, style),
        "labels: floating": (noise, labels.float(), alpha, style),
        "alpha: a column": (noise, labels, alpha[:, None], style),
        "alpha: whole numbers": (noise, labels, alpha.long(), style),
        "style: one token short": (noise, labels, alpha, style[:, 1:]),
        "style: transposed": (noise, labels, alpha, style.T),
        "style: above the last code": (noise, labels, alpha, style + 10_000),
        "style: negative": (noise, labels, alpha, style - 10_000),
    }


def _just_beyond(given: tuple[Tensor, ...], config: Any) -> dict[str, tuple[Tensor, ...]]:
    """A batch of one with the first value that is none."""
    noise, labels, alpha, style = (part[:1] for part in given)
    return {
        "labels: the one above": (noise, labels * 0 + config.num_classes, alpha, style),
        "labels: the one below": (noise, labels * 0 - 1, alpha, style),
        "style: the one above": (noise, labels, alpha, style * 0 + config.style_codes),
        "style: the one below": (noise, labels, alpha, style * 0 - 1),
    }


@check("generator.refuses", needs=NEEDS)
@fitting
def refuses(ctx: CheckContext) -> Measurement:
    """Each wrong input: a ValueError whose text names the argument, before anything is computed."""
    case = golden.recorded(ctx, CASE)
    built = build(ctx, case)
    right = inputs(case)
    wrong = _wrong_inputs(right) | _just_beyond(right, built.config)
    for mistake, given in wrong.items():
        argument = mistake.split(":")[0]
        said = _complaint(partial(built.model, *given))
        if said is None or argument not in said:
            return ctx.decide(False, f"{mistake}: {said or 'no ValueError'}")
    return ctx.decide(True, f"{len(wrong)} wrong inputs refused by name")


@check("generator.config_refuses", needs=("GeneratorConfig",))
def config_refuses(ctx: CheckContext) -> Measurement:
    """Each wrong model_config: a ValueError whose text names the key or the field's value."""
    right = golden.recorded(ctx, CASE).meta["model_config"]
    wrong: dict[str, dict[str, Any]] = {
        "use_moe": {**right, "use_moe": True},
        "hidden_size": {k: v for k, v in right.items() if k != "hidden_size"},
        "65": {**right, "hidden_size": 65},
        "'12'": {**right, "depth": "12"},
        "0": {**right, "depth": 0},
        "16": {**right, "patch_size": 3},
        "'yes'": {**right, "use_rope": "yes"},
    }
    for named, given in wrong.items():
        said = _complaint(partial(ctx.subject.GeneratorConfig.from_reference, given))
        if said is None or named not in said:
            return ctx.decide(False, f"{named} is not named: {said or 'no ValueError'}")
    return ctx.decide(True, f"{len(wrong)} wrong configurations refused by name")


def _complaint(call: Callable[[], object]) -> str | None:
    """The text of the ValueError that the call raises; None if it returns or breaks otherwise."""
    try:
        call()
    except ValueError as error:
        return str(error)
    except Exception:
        return None
    return None

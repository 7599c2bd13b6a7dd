"""The generator against its recordings, stage by stage, and its gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from verify.api import CheckContext, Measurement, check

from ..common import golden
from ..common.arrays import as_array, largest
from .cases import NEEDS, build, fitting, inputs, load, nchw, reference_names


def forward_stages(case: golden.Case) -> list[str]:
    return [stage for stage in case.stages if not stage.startswith("grad/")]


def relative_rule(case: golden.Case, key: str) -> Callable[[str], float]:
    """The recorded tolerance of the samples, as a fraction of their magnitude, for every stage."""
    fraction = golden.recorded_tolerance(case, key) / case.meta["self_check"]["samples_maxabs"]
    return lambda stage: fraction * largest(case.arrays[stage])


def traced(ctx: CheckContext, case: golden.Case) -> tuple[Mapping[str, Any], Tensor]:
    """(recorded stages, returned samples) of the subject on a case."""
    built = build(ctx, case)
    with torch.no_grad(), ctx.subject.recording() as stages:
        samples = built.model(*inputs(case))
    return stages, samples


def returned_ratio(case: golden.Case, samples: Tensor, tolerance: float) -> float:
    """Error of the returned samples over their tolerance."""
    expected = as_array(nchw(case.arrays["step/samples"]))
    found = as_array(samples)
    return math.inf if found.shape != expected.shape else largest(found - expected) / tolerance


def out_of_order(case: golden.Case, stages: Mapping[str, Any]) -> str | None:
    wanted = forward_stages(case)
    found = [stage for stage in stages if stage in wanted]
    return (
        None
        if found == wanted
        else next(
            (
                f"{b} recorded where {a} belongs"
                for a, b in zip(wanted, found, strict=False)
                if a != b
            ),
            f"{len(found)} of {len(wanted)} stages recorded",
        )
    )


@check("generator.recorded", needs=(*NEEDS, "recording"))
@fitting
def recorded(ctx: CheckContext) -> Measurement:
    """Every recorded stage and the returned samples, each relative to its own magnitude."""
    case = load(ctx, ctx.params["case"])
    stages, samples = traced(ctx, case)
    rule = relative_rule(case, "samples_maxabs")
    compared = golden.compare(case, stages, rule, forward_stages(case))
    returned = returned_ratio(case, samples, rule("step/samples"))
    worst = max(compared.worst_ratio, returned)
    details = {
        "samples_over_tolerance": returned,
        "worst_stage": compared.worst_stage,
        "stages_over_tolerance": {s: e.ratio for s, e in compared.per_stage.items()},
    }
    disorder = out_of_order(case, stages)
    if disorder or not math.isfinite(worst):
        reason = disorder or f"{compared.sentence()}; returned samples {tuple(samples.shape)}"
        return ctx.decide(False, f"{case.name}: {reason}")
    return ctx.judge(worst, f"{case.name}: {compared.sentence()}", details=details)


@check("generator.recorded_bfloat16", needs=(*NEEDS, "recording"))
@fitting
def recorded_bfloat16(ctx: CheckContext) -> Measurement:
    """Largest and root-mean-square error of stages and samples under bfloat16 activations."""
    case = load(ctx, ctx.params["case"])
    stages, samples = traced(ctx, case)
    rule = relative_rule(case, "maxabs")
    compared = golden.compare(case, stages, rule, forward_stages(case))
    returned = returned_ratio(case, samples, rule("step/samples"))
    worst = max(compared.worst_ratio, returned)
    if not math.isfinite(worst):
        return ctx.decide(False, f"{case.name}: {compared.sentence()}")
    fraction = golden.recorded_tolerance(case, "rms") / _rms(case.arrays["step/samples"])
    spread = {
        stage: _rms(as_array(stages[stage]) - as_array(case.arrays[stage]))
        / (fraction * _rms(case.arrays[stage]))
        for stage in forward_stages(case)
    }
    widest = max(spread, key=lambda stage: spread[stage])
    reason = compared.sentence()
    if spread[widest] > 1.0:
        reason = f"rms error of {widest} is {spread[widest]:.3g} of its tolerance; {reason}"
    return ctx.judge(
        max(worst, spread[widest]),
        f"{case.name}: {reason}",
        details={
            "samples_max_over_tolerance": returned,
            "samples_rms_over_tolerance": spread["step/samples"],
            "stages_max_over_tolerance": {s: e.ratio for s, e in compared.per_stage.items()},
            "stages_rms_over_tolerance": spread,
        },
    )


@check("generator.bfloat16_rounding", needs=(*NEEDS, "recording"))
@fitting
def bfloat16_rounding(ctx: CheckContext) -> Measurement:
    """Which operations round, and which do not: the share of elements that are not as they should.

    Up to the rotated queries the recording is reproducible bit for bit. A stage that stays in
    float32 has next to no elements that bfloat16 could hold.
    """
    case = load(ctx, ctx.params["case"])
    stages, _ = traced(ctx, case)
    shares: dict[str, float] = {}
    for stage in ctx.params["rounded"]:
        found, expected = as_array(stages[stage]), as_array(case.arrays[stage])
        shares[stage] = float((found != expected).mean())
    for stage in ctx.params["float32"]:
        exact = torch.from_numpy(as_array(stages[stage]))
        shares[stage] = float((exact.bfloat16().double() == exact).double().mean())
    worst = max(shares, key=lambda stage: shares[stage])
    return ctx.judge(
        shares[worst],
        f"{case.name}: {shares[worst]:.2%} of {worst} are not rounded as recorded",
        details={"share_that_differs": shares},
    )


def _rms(value: Any) -> float:
    return float((as_array(value) ** 2).mean() ** 0.5)


@check("generator.gradients", needs=NEEDS)
@fitting
def gradients(ctx: CheckContext) -> Measurement:
    """Objective, gradient of the noise, recorded gradients, and the norms of all gradients."""
    ratios: dict[str, dict[str, float]] = {}
    for name in ctx.params["cases"]:
        case = load(ctx, name)
        ratios[name] = _gradient_ratios(ctx, case)
    flat = {(name, what): r for name, each in ratios.items() for what, r in each.items()}
    name, what = max(flat, key=lambda key: _infinite_first(flat[key]))
    worst = flat[name, what]
    if not math.isfinite(worst):
        return ctx.decide(False, f"{name}: the gradient of {what} is not finite")
    return ctx.judge(
        worst,
        f"{name}: {what} is at {worst:.3g} of its tolerance; {len(flat)} values compared",
        details={
            name: {"worst": max(each, key=lambda w: each[w]), "over_tolerance": max(each.values())}
            for name, each in ratios.items()
        },
    )


def _gradient_ratios(ctx: CheckContext, case: golden.Case) -> dict[str, float]:
    built = build(ctx, case)
    noise, labels, alpha, style = inputs(case)
    noise.requires_grad_()
    weight = nchw(case.arrays["in/grad_weight"])
    objective = (built.model(noise, labels, alpha, style) * weight).sum()
    names, leaves = zip(*built.model.named_parameters(), strict=True)
    found = torch.autograd.grad(objective, [noise, *leaves], allow_unused=True)
    grads = dict(
        zip(names, (_or_zero(g, p) for g, p in zip(found[1:], leaves, strict=True)), strict=True)
    )
    allowed = golden.recorded_tolerance(case, "grad_rel")
    recorded = {path: torch.from_numpy(g.copy()) for path, g in case.group("grad/params").items()}
    padded = {path: recorded.get(path, torch.zeros_like(p)) for path, p in built.flat.items()}
    expected = ctx.subject.generator_state_dict(padded, built.config)
    paths = reference_names(ctx, built)
    ratios = {
        f"grad {paths[ours]}": _relative(grads[ours], expected[ours]) / allowed
        for ours in names
        if paths[ours] in recorded
    }
    ratios["grad x"] = _relative(_or_zero(found[0], noise), nchw(case.arrays["grad/x"])) / allowed
    norms = dict(zip(case.meta["grad_names"], case.arrays["grad/l2_all"].tolist(), strict=True))
    for ours in names:
        norm = norms[paths[ours]]
        ratios[f"norm of {paths[ours]}"] = abs(float(grads[ours].norm()) - norm) / norm / allowed
    # A sum of samples times weights can be off by as much as its terms may be.
    slack = golden.recorded_tolerance(case, "samples_maxabs") * float(weight.abs().sum())
    ratios["objective"] = abs(objective.item() - float(case.arrays["grad/objective"])) / slack
    return ratios


def _or_zero(gradient: Tensor | None, leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf) if gradient is None else gradient


def _relative(found: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest expected value of the leaf."""
    return largest(found - expected) / largest(expected)


def _infinite_first(ratio: float) -> float:
    return math.inf if math.isnan(ratio) else ratio

"""The generator against its recordings, stage by stage, and its gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from verify.api import CheckContext, Measurement, check
from verify.numeric.arrays import as_array, largest

from ..common import golden
from .cases import NEEDS, build, fitting, inputs, reference_names


def forward_stages(case: golden.Case) -> list[str]:
    return [stage for stage in case.stages if not stage.startswith("grad/")]


def relative_rule(case: golden.Case, key: str) -> Callable[[str], float]:
    """The recorded tolerance of the samples, as a fraction of their magnitude, for every stage."""
    fraction = golden.recorded_tolerance(case, key) / case.meta["self_check"]["samples_maxabs"]
    return golden.of_largest(case, fraction)


def traced(ctx: CheckContext, case: golden.Case) -> tuple[Mapping[str, Any], Tensor]:
    """(recorded stages, returned samples) of the subject on a case."""
    built = build(ctx, case)
    with torch.no_grad(), ctx.subject.recording() as stages:
        samples = built.model(*inputs(case))
    return stages, samples


def forward(
    case: golden.Case, stages: Mapping[str, Any], samples: Tensor, rule: Callable[[str], float]
) -> golden.Comparison:
    """Every recorded stage, then the samples as they were returned."""
    compared = golden.compare(case, stages, rule, forward_stages(case))
    expected = golden.nchw(case.arrays["step/samples"])
    compared.hold("returned samples", samples, expected, rule("step/samples"))
    return compared


def out_of_order(case: golden.Case, stages: Mapping[str, Any]) -> str:
    """The first stage that is recorded where another belongs; empty where all are in order."""
    wanted = forward_stages(case)
    found = [stage for stage in stages if stage in wanted]
    for one, other in zip(wanted, found, strict=False):
        if one != other:
            return f"{other} recorded where {one} belongs"
    return "" if found == wanted else f"{len(found)} of {len(wanted)} stages recorded"


@check("generator.recorded", needs=(*NEEDS, "recording"))
@fitting
def recorded(ctx: CheckContext) -> Measurement:
    """Every recorded stage and the returned samples, each relative to its own magnitude."""
    case = golden.recorded(ctx, ctx.params["case"])
    stages, samples = traced(ctx, case)
    if disorder := out_of_order(case, stages):
        return ctx.decide(False, f"{case.name}: {disorder}")
    compared = forward(case, stages, samples, relative_rule(case, "samples_maxabs"))
    return compared.judge(ctx, case.name)


@check("generator.recorded_bfloat16", needs=(*NEEDS, "recording"))
@fitting
def recorded_bfloat16(ctx: CheckContext) -> Measurement:
    """Largest and root-mean-square error of stages and samples under bfloat16 activations."""
    case = golden.recorded(ctx, ctx.params["case"])
    stages, samples = traced(ctx, case)
    compared = forward(case, stages, samples, relative_rule(case, "maxabs"))
    if not math.isfinite(compared.worst_ratio):
        return compared.judge(ctx, case.name)
    fraction = golden.recorded_tolerance(case, "rms") / _rms(case.arrays["step/samples"])
    for stage in forward_stages(case):
        error = as_array(stages[stage]) - as_array(case.arrays[stage])
        compared.put(f"rms of {stage}", _rms(error), fraction * _rms(case.arrays[stage]))
    return compared.judge(ctx, case.name)


@check("generator.bfloat16_rounding", needs=(*NEEDS, "recording"))
@fitting
def bfloat16_rounding(ctx: CheckContext) -> Measurement:
    """Which operations round, and which do not: the share of elements that are not as they should.

    Up to the rotated queries the recording is reproducible bit for bit. A stage that stays in
    float32 has next to no elements that bfloat16 could hold.
    """
    case = golden.recorded(ctx, ctx.params["case"])
    stages, _ = traced(ctx, case)
    shares: dict[str, float] = {}
    for stage in ctx.params["rounded"]:
        found, expected = as_array(stages[stage]), as_array(case.arrays[stage])
        shares[stage] = float((found != expected).mean())
    for stage in ctx.params["float32"]:
        exact = torch.from_numpy(as_array(stages[stage]))
        shares[stage] = float((exact.bfloat16().double() == exact).double().mean())
    return ctx.judge_worst(shares, f"{case.name}: share that is not rounded as recorded")


def _rms(value: Any) -> float:
    return float((as_array(value) ** 2).mean() ** 0.5)


@check("generator.gradients", needs=NEEDS)
@fitting
def gradients(ctx: CheckContext) -> Measurement:
    """Objective, gradient of the noise, recorded gradients, and the norms of all gradients."""
    compared = golden.Comparison()
    for name in ctx.params["cases"]:
        compared.add(_gradients(ctx, golden.recorded(ctx, name)), f"{name}: ")
    return compared.judge(ctx)


def _gradients(ctx: CheckContext, case: golden.Case) -> golden.Comparison:
    built = build(ctx, case)
    noise, labels, alpha, style = inputs(case)
    noise.requires_grad_()
    weight = golden.nchw(case.arrays["in/grad_weight"])
    objective = (built.model(noise, labels, alpha, style) * weight).sum()
    names, leaves = zip(*built.model.named_parameters(), strict=True)
    found = torch.autograd.grad(objective, [noise, *leaves], allow_unused=True)
    grads = {n: _or_zero(g, p) for n, g, p in zip(names, found[1:], leaves, strict=True)}
    allowed = golden.recorded_tolerance(case, "grad_rel")
    recorded = golden.tensors(case, "grad/params")
    padded = {path: recorded.get(path, torch.zeros_like(p)) for path, p in built.flat.items()}
    expected = ctx.subject.generator_state_dict(padded, built.config)
    paths = reference_names(ctx, built)
    norms = dict(zip(case.meta["grad_names"], case.arrays["grad/l2_all"].tolist(), strict=True))
    compared = golden.Comparison()
    # A sum of samples times weights can be off by as much as its terms may be.
    slack = golden.recorded_tolerance(case, "samples_maxabs") * float(weight.abs().sum())
    compared.hold("objective", objective, case.arrays["grad/objective"], slack)
    slope = golden.nchw(case.arrays["grad/x"])
    compared.hold("gradient of x", _or_zero(found[0], noise), slope, allowed * largest(slope))
    for ours in names:
        path = paths[ours]
        if path in recorded:
            limit = allowed * largest(expected[ours])
            compared.hold(f"gradient of {path}", grads[ours], expected[ours], limit)
        compared.hold(f"norm of {path}", grads[ours].norm(), norms[path], relative=allowed)
    return compared


def _or_zero(gradient: Tensor | None, leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf) if gradient is None else gradient

"""The drifting loss and the oracle against the recorded cases, stage by stage."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from torch import Tensor

from verify.api import CheckContext, Measurement, check, mutant

from ..common import golden, oracle

CLOUDS = ("gen", "pos", "neg")


def run_recorded(ctx: CheckContext, case: golden.Case) -> dict[str, Any]:
    """The subject's stages under the names of the case, its result, its gradient and its info."""
    with ctx.subject.recording() as trace:
        called = call_recorded(ctx.subject.drift_loss, case)
    return dict(trace) | results(*called)


def call_recorded(
    drift_loss: Callable[..., Any], case: golden.Case, **options: Any
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """A loss asked for what the case holds -> (gen, which wants a gradient, loss, info)."""
    given = golden.tensors(case, "in")
    gen = given["gen"].requires_grad_()
    weights = {key: value for key, value in given.items() if key.startswith("weight_")}
    loss, info = drift_loss(
        gen, given["pos"], given.get("neg"), temperatures=case.meta["R_list"], **weights, **options
    )
    return gen, loss, info


def results(gen: Tensor, loss: Tensor, info: dict[str, Any]) -> dict[str, Any]:
    """Loss, gradient and info under the names of a case."""
    loss.sum().backward()  # type: ignore[no-untyped-call]
    got = {"out/loss": loss, "out/grad_gen": gen.grad}
    return got | {f"out/info/{key}": value for key, value in info.items()}


def info_rule(case: golden.Case) -> dict[str, float]:
    """Tolerances of `info`: those of the stages it repeats."""
    rule = golden.stage_rule(case)
    tolerances = {"out/info/scale": rule("step32/scale")}
    for tau in case.meta["R_list"]:
        tolerances[f"out/info/loss_{tau}"] = rule(f"step32/R{tau}/f_norm")
    return tolerances


@check("loss.recorded_case", needs=("drift_loss", "recording"))
def recorded_case(ctx: CheckContext) -> Measurement:
    """Every stage, the loss and the gradient of one recorded case; also their order."""
    case = golden.recorded(ctx, ctx.params["case"])
    got = run_recorded(ctx, case)
    comparison = golden.compare(case, got, golden.stage_rule(case))
    order = [stage for stage in got if stage in case.stages and not stage.startswith("out/")]
    expected = [stage for stage in case.stages if stage in order]
    if order != expected:
        wrong = next(a for a, b in zip(order, expected, strict=True) if a != b)
        return ctx.judge(float("inf"), f"stage {wrong} is recorded out of order")
    return comparison.judge(ctx, case.name)


@check("loss.recorded_info", needs=("drift_loss", "recording"))
def recorded_info(ctx: CheckContext) -> Measurement:
    """The names and values of `info` in every recorded case."""
    comparison = golden.Comparison()
    for name in ctx.params["cases"]:
        case = golden.recorded(ctx, name)
        got = run_recorded(ctx, case)
        rule = info_rule(case)
        names = {key for key in got if key.startswith("out/info/")}
        if names != rule.keys():
            return ctx.judge(float("inf"), f"{name}: info has {sorted(names)}, not {sorted(rule)}")
        comparison.add(golden.compare(case, got, rule, stages=rule), f"{name} ")
    return comparison.judge(ctx)


@check("oracle.recorded")
def oracle_recorded(ctx: CheckContext) -> Measurement:
    """The oracle against the float64 figures of every case, and against the recorded results.

    `params.float32` names the cases whose recorded loss and gradient count too: those without
    coincident points, whose recording is not dominated by its own cancellation noise.
    """
    counted: dict[str, float] = {}
    for name in ctx.params["cases"]:
        against_64, against_32 = compare_oracle(golden.recorded(ctx, name))
        counted[f"{name} in float64"] = against_64.worst_ratio
        if name in ctx.params["float32"]:
            counted[f"{name} in float32"] = against_32.worst_ratio
    return ctx.judge_worst(counted, "the oracle", unit="of the recorded tolerance")


def compare_oracle(case: golden.Case) -> tuple[golden.Comparison, golden.Comparison]:
    """Against all that was recorded in float64, and against the float32 loss and gradient."""
    given = case.group("in")
    weights = {name: given.get(f"weight_{name}") for name in CLOUDS}
    result = oracle.trace_loss(
        given["gen"], given["pos"], given.get("neg"), weights, temperatures=case.meta["R_list"]
    )
    rule = golden.stage_rule(case)

    def tolerance(stage: str) -> float:
        name = stage.removeprefix("f64/")
        return rule(f"out/{name}" if name in ("loss", "grad_gen") else f"step32/{name}")

    stages = [key for key in case.arrays if key.startswith("f64/")]
    got = {f"f64/{name}": value for name, value in result.stages.items()}
    against_64 = golden.compare(case, got, tolerance, stages)
    results = {"out/loss": result.loss, "out/grad_gen": result.gradient}
    return against_64, golden.compare(case, results, rule, results)


@mutant("oracle.constant")
def constant(subject: object, *, name: str, value: float) -> AbstractContextManager[Any]:
    """Another number in place of one of the oracle's constants."""
    return patch.object(oracle, name, value)

"""The drifting loss and the oracle against the recorded cases, stage by stage."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from verify.api import CheckContext, Measurement, check, mutant

from ..common import golden, oracle
from ..common.arrays import as_array

CLOUDS = ("gen", "pos", "neg")


def drift_case(ctx: CheckContext, name: str) -> golden.Case:
    """One of the recorded cases `drift_*`."""
    return golden.load_case(ctx.spec_file(f"golden/{name}.safetensors"))


def run_recorded(ctx: CheckContext, case: golden.Case) -> dict[str, Any]:
    """The subject's stages under the names of the case, its result, its gradient and its info."""
    given = {name: torch.from_numpy(value) for name, value in case.group("in").items()}
    gen = given["gen"].requires_grad_()
    weights = {key: value for key, value in given.items() if key.startswith("weight_")}
    with ctx.subject.recording() as trace:
        loss, info = ctx.subject.drift_loss(
            gen, given["pos"], given.get("neg"), temperatures=case.meta["R_list"], **weights
        )
    loss.sum().backward()
    got: dict[str, Any] = dict(trace) | {"out/loss": loss, "out/grad_gen": gen.grad}
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
    case = drift_case(ctx, ctx.params["case"])
    got = run_recorded(ctx, case)
    comparison = golden.compare(case, got, golden.stage_rule(case))
    order = [stage for stage in got if stage in case.stages and not stage.startswith("out/")]
    expected = [stage for stage in case.stages if stage in order]
    if order != expected:
        wrong = next(a for a, b in zip(order, expected, strict=True) if a != b)
        return ctx.judge(float("inf"), f"stage {wrong} is recorded out of order")
    return judge_comparison(ctx, case, got, comparison)


@check("loss.recorded_info", needs=("drift_loss", "recording"))
def recorded_info(ctx: CheckContext) -> Measurement:
    """The names and values of `info` in every recorded case."""
    worst, reason, details = 0.0, "", {}
    for name in ctx.params["cases"]:
        case = drift_case(ctx, name)
        got = run_recorded(ctx, case)
        rule = info_rule(case)
        names = {key for key in got if key.startswith("out/info/")}
        if names != rule.keys():
            return ctx.judge(float("inf"), f"{name}: info has {sorted(names)}, not {sorted(rule)}")
        comparison = golden.compare(case, got, rule, stages=rule)
        details[name] = comparison.worst_ratio
        if not comparison.worst_ratio <= worst:
            worst, reason = comparison.worst_ratio, f"{name}: {comparison.sentence()}"
    return ctx.judge(worst, reason, unit="of the recorded tolerance", details=details)


@check("oracle.recorded")
def oracle_recorded(ctx: CheckContext) -> Measurement:
    """The oracle against the float64 figures of every case, and against the recorded results.

    `params.float32` names the cases whose recorded loss and gradient count too: those without
    coincident points, whose recording is not dominated by its own cancellation noise.
    """
    ratios: dict[str, dict[str, float]] = {}
    for name in ctx.params["cases"]:
        case = drift_case(ctx, name)
        against_64, against_32 = compare_oracle(case)
        ratios[name] = {"float64": against_64.worst_ratio, "float32": against_32.worst_ratio}
    counted = {
        (name, kind): ratio
        for name, by_kind in ratios.items()
        for kind, ratio in by_kind.items()
        if kind == "float64" or name in ctx.params["float32"]
    }
    worst = max(counted, key=lambda key: counted[key])
    return ctx.judge(
        counted[worst],
        f"{len(ratios)} cases; the worst, {worst[0]} against its {worst[1]} figures, is at "
        f"{counted[worst]:.3g} of the recorded tolerance",
        unit="of the recorded tolerance",
        details=ratios,
    )


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


def judge_comparison(
    ctx: CheckContext, case: golden.Case, got: Mapping[str, Any], comparison: golden.Comparison
) -> Measurement:
    """The worst ratio, the first differing stage by name, and its arrays as evidence."""
    stage = comparison.first_difference
    files = {}
    if stage is not None and stage in got:
        files = {
            "expected.npy": _npy(case.arrays[stage]),
            "got.npy": _npy(as_array(got[stage])),
        }
    return ctx.judge(
        comparison.worst_ratio,
        f"{case.name}: {comparison.sentence()}",
        unit="of the recorded tolerance",
        details={name: found.ratio for name, found in comparison.per_stage.items()},
        files=files,
    )


def _npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array))
    return buffer.getvalue()


@mutant("oracle.constant")
@contextmanager
def constant(subject: object, *, name: str, value: float) -> Iterator[None]:
    """Another number in place of one of the oracle's constants."""
    with patch.object(oracle, name, value):
        yield

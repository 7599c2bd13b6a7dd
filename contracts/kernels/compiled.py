"""The compiled loss against the recorded cases, its groups in other company, and its mistakes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from drift import clouds, kernels, native, pairs
from drift.loss import drift_loss
from drift.semantics import Semantics, semantics_named
from verify.api import CheckContext, Measurement, check, mutant

from ..common import golden
from ..loss import recorded as plain

NO_COMPILER = "no C++ compiler: CXX names one, or c++ is on the path"


def _lacking(ctx: CheckContext) -> Measurement | None:
    there = kernels.used("compiled", torch.device("cpu")) == "compiled"
    return None if there else ctx.missing(NO_COMPILER)


@check("kernels.recorded")
def recorded(ctx: CheckContext) -> Measurement:
    """Loss, gradient and figures of every recorded case, within the tolerances of the recording."""
    comparison = golden.Comparison()
    if lacking := _lacking(ctx):
        return lacking
    for name in ctx.params["cases"]:
        case = golden.recorded(ctx, name)
        own = golden.stage_rule(case)
        rule = plain.info_rule(case) | {out: own(out) for out in ("out/loss", "out/grad_gen")}
        with patch.object(native, "pull", wraps=native.pull) as asked:
            got = plain.results(*plain.call_recorded(drift_loss, case, kernel="compiled"))
        if not asked.called:
            return ctx.decide(False, f"{name} was computed in the plain way")
        comparison.add(golden.compare(case, got, rule, stages=rule), f"{name} ")
    return comparison.judge(ctx)


@check("kernels.company")
def company(ctx: CheckContext) -> Measurement:
    """Numbers of a group that differ when it is computed among others, or by more threads."""
    if lacking := _lacking(ctx):
        return lacking
    draws = torch.Generator().manual_seed(0)
    samples = [torch.randn(5, many, 20, generator=draws) for many in (6, 9, 3)]
    among = _passes(samples, threads=1)
    differing = sum(
        int((found != expected).sum())
        for threads in (1, 3)
        for first, last in ((0, 5), (0, 1), (2, 4))
        for found, expected in zip(
            _passes([one[first:last] for one in samples], threads),
            [one[first:last] for one in among],
            strict=True,
        )
    )
    return ctx.judge(float(differing), f"{differing} numbers of a group depend on its company")


def _passes(samples: list[Tensor], threads: int) -> list[Tensor]:
    """What both passes give of each group, at a scale that no group has a say in."""
    gen, pos, neg = samples
    call = native.contiguous(clouds.gather(gen, pos, neg, None, None, None, sharded=False))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with patch.object(native, "SHARE", 1):  # each of the threads is worth waking
            figures, kept = native.measure(call, keep=True)
            forces = [torch.full_like(call.gen, torch.inf) for _ in range(2)]
            products = native.pull(
                call, kept, 2.0, 0.5, (0.05, 0.2), semantics_named("reference"), forces
            )
            each = [one.clone() for one in forces]
            loss = native.add(
                call, kept.given, forces, (0.5, 2.0), products, (1.0, 0.5, 0.5, 1.0, 0.0)
            )
    finally:
        torch.set_num_threads(before)
    return [figures, *each, forces[0], products, loss]


# -- what must turn them red ----------------------------------------------------------------------


@mutant("kernels.floor", native, "pull")
def floor(real: Any, call: Any, kept: Any, scale: float, coordinates: float, taus: Any,
          switches: Semantics, out: Tensor, *, value: float) -> Tensor:  # fmt: skip
    """Another floor under the affinities."""
    other = replace(switches, affinity_floor=value)
    result: Tensor = real(call, kept, scale, coordinates, taus, other, out)
    return result


@mutant("kernels.unmasked")
def unmasked(subject: object) -> Any:
    """A generated sample attracts itself."""
    return patch.dict(pairs.SELF_MASKS, dict.fromkeys(pairs.SELF_MASKS, 0.0))


@mutant("kernels.first_temperature", native, "pull")
def first_temperature(real: Any, call: Any, kept: Any, scale: float, coordinates: float,
                      taus: Any, *rest: Any) -> Any:  # fmt: skip
    """One temperature stands for all."""
    return real(call, kept, scale, coordinates, [taus[0]] * len(taus), *rest)


@mutant("kernels.unscaled", native, "pull")
def unscaled(real: Any, call: Any, kept: Any, scale: float, *rest: Any) -> Any:
    """Distances are not divided by their mean."""
    return real(call, kept, 1.0, *rest)


@mutant("kernels.raw_coordinates", native, "pull")
def raw_coordinates(real: Any, call: Any, kept: Any, scale: float, _: float, *rest: Any) -> Any:
    """Coordinates are not divided by their scale."""
    return real(call, kept, scale, 1.0, *rest)


@mutant("kernels.halved_products", native, "pull")
def halved_products(real: Any, *given: Any) -> Any:
    """The mean square of a force is half of what it is."""
    products = real(*given)
    products[:, :-1] /= 2.0
    return products


@mutant("kernels.neighbour", native, "measure")
def neighbour(real: Any, call: Any, keep: bool) -> Any:
    """The figures of a group are those of the one before it."""
    figures, kept = real(call, keep)
    return figures.roll(1, 0), kept


@mutant("kernels.last_group_left_out", native, "_each_group")
def last_group_left_out(real: Any, name: str, call: Any, *rest: Any) -> None:
    """The last group is not computed where there are others."""
    real(name, call if len(call.gen) == 1 else _Shorter(call), *rest)


class _Shorter:
    """A call that says of itself that it has one group less."""

    def __init__(self, call: Any) -> None:
        self.gen, self.weight = call.gen[:-1], call.weight

"""`drift.target` where `drift.native` computes: what couples groups are numbers, not tensors.

A small operation of torch takes some 20 to 100 microseconds here, as each pass over the samples has
emptied the caches. A trace is never asked for (`drift.kernels.used`). Shapes as in `drift.loss`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from drift import heap, native, pairs, target
from drift.clouds import Clouds
from drift.passes import Drift
from drift.semantics import Semantics
from drift.totals import ProcessGroup, totals

__all__ = ["drifts"]


class _Measured(NamedTuple):
    """A call before its scale is known, and the figures [B, 3] of its groups."""

    call: Clouds
    figures: Tensor
    kept: native.Kept


class _Pulled(NamedTuple):
    """Forces [R] of [B, G, S] before any norm, and their mean products [B, R R + 1]."""

    measured: _Measured
    forces: list[Tensor]
    products: Tensor
    scale: float
    coordinate_scale: float


def drifts(
    calls: Mapping[str, Clouds],
    taus: Sequence[float],
    switches: Semantics,
    group: ProcessGroup | None,
    *,
    of_mean: bool,
) -> dict[str, Drift]:
    """As `drift.target.drifts`, which is the reference for every line."""
    heap.keep()
    measured, room = dict[str, _Measured](), target.KEPT_BYTES
    for name, call in calls.items():
        measured[name] = _measure(call, room)
        room -= measured[name].kept.nbytes
    sums = _over_groups([one.figures for one in measured.values()], group)
    # What is kept of a call is gone after it.
    pulled = [
        _pull(measured.pop(name), total, taus, switches)
        for name, total in zip(calls, sums, strict=True)
    ]
    sums = _over_groups([one.products for one in pulled], group)
    return {
        name: _outcome(one, total, taus, switches, of_mean)
        for name, one, total in zip(calls, pulled, sums, strict=True)
    }


def _over_groups(figures: Sequence[Tensor], group: ProcessGroup | None) -> list[list[float]]:
    """Figures [B, n] of each call -> their n sums over the groups of all processes."""
    if group is None:
        return [native.total(one) for one in figures]
    return [one.tolist() for one in totals(figures, group)]


def _measure(call: Clouds, room: int) -> _Measured:
    call = native.contiguous(call)
    return _Measured(call, *native.measure(call, keep=target.pairs_bytes(call) <= room))


def _pull(
    measured: _Measured, total: list[float], taus: Sequence[float], switches: Semantics
) -> _Pulled:
    weighted, weight, groups = total
    target.require_groups(groups)
    gen, scale = measured.call.gen, weighted / weight if weight else math.nan
    c = max(scale / math.sqrt(gen.shape[2]), pairs.SCALE_FLOOR)
    # One allocation for each temperature: all but one of them are free when they are added up.
    forces = [gen.new_empty(gen.shape) for _ in taus]
    divisors = max(scale, pairs.SCALE_FLOOR), c
    products = native.pull(measured.call, measured.kept, *divisors, taus, switches, forces)
    return _Pulled(measured, forces, products, scale, c)


def _outcome(
    pulled: _Pulled, total: list[float], taus: Sequence[float], switches: Semantics, of_mean: bool
) -> Drift:
    (call, _, kept), forces, products, scale, c = pulled
    mean = [one / total[-1] for one in total]
    f = mean[:: len(taus) + 1][: len(taus)]
    norms = [math.sqrt(max(one, target.FORCE_POWER_FLOOR)) for one in f]
    together = switches.temperature_aggregation == "sum_forces"
    factors = [
        (r == q or together) / (n * m) for r, n in enumerate(norms) for q, m in enumerate(norms)
    ]
    factor = target.gradient_factor(call.gen.shape, c) / (total[-1] if of_mean else 1.0)
    shares = [factor / (n * c) for n in norms]
    loss = native.add(call, kept.given, forces, shares, products, [*factors, 0.0])
    whole = math.fsum(map(operator.mul, mean, factors))
    numbers = loss.new_tensor([c, whole, total[-1], scale, *f]).unbind()
    names = ["scale", *(f"loss_{tau}" for tau in taus)]
    info = dict(zip(names, numbers[3:], strict=True))
    return Drift(forces[0], numbers[0], loss, numbers[1], numbers[2], info)

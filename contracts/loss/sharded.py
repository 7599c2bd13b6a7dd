"""The loss of a batch that several processes hold between them, against that of the whole batch.

The processes are threads with a process group of their own each: the same collectives over the
same transport, without the seconds that a process takes to start.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._C._distributed_c10d import HashStore
from torch.distributed import ProcessGroup, ProcessGroupGloo

import drift.loss
import drift.target
from verify.api import CheckContext, Measurement, Reason, check, mutant
from verify.numeric.arrays import worst_of

from ..common.draws import LossDraw
from .laws import inputs, temperatures
from .stages import feature_maps

WAIT = timedelta(seconds=30)
DRAW = LossDraw(seed=0, b=7, g=5, p=6, n=3, s=4, spread=1.0, offset=0.2)


@check("loss.sharded", needs=("drift_loss", "feature_loss"))
def sharded(ctx: CheckContext) -> Measurement:
    """Loss, gradient and info of every shard of `params.shards`, for clouds and for features."""
    for name in ("drift_loss", "feature_loss"):
        if "group" not in inspect.signature(getattr(ctx.subject, name)).parameters:
            reason = f"{name} takes no process group"
            return ctx.missing(reason, cause=Reason.CAPABILITY_MISSING)
    errors = {}
    for sizes in ctx.params["shards"]:
        for name, compare in (("clouds", _clouds), ("features", _features)):
            errors[f"{name} in shards of {sizes}"] = worst_of(in_each(sizes, compare(ctx)))
    return ctx.judge_worst(errors, "difference between shards and the whole, of the largest")


def in_each(
    sizes: Sequence[int], compare: Callable[[slice, ProcessGroup], float]
) -> Iterator[float]:
    """`compare(own labels, group)` of every process at once."""
    store = HashStore()
    ends = np.cumsum(sizes).tolist()

    def process(rank: int) -> float:
        group: Any = ProcessGroupGloo(store, rank, len(sizes), WAIT)
        return compare(slice(ends[rank] - sizes[rank], ends[rank]), group)

    with ThreadPoolExecutor(len(sizes)) as threads:
        yield from threads.map(process, range(len(sizes)))


def _clouds(ctx: CheckContext) -> Callable[[slice, ProcessGroup], float]:
    """`drift_loss` on classes of different widths."""
    width = np.logspace(-1, 1, DRAW.b)[:, None, None]
    given = {
        name: torch.tensor(value if name.startswith("weight_") else width * value)
        for name, value in inputs(DRAW).items()
    }

    def run(own: slice, group: ProcessGroup | None) -> tuple[Tensor, Tensor, Any]:
        part = {name: value[own] for name, value in given.items()}
        gen = part.pop("gen").clone().requires_grad_()
        options = {} if group is None else {"group": group}
        loss, info = ctx.subject.drift_loss(
            gen, part.pop("pos"), **part, temperatures=temperatures(ctx), **options
        )
        (gradient,) = torch.autograd.grad(loss.sum(), gen)
        return loss.detach(), gradient, info

    loss, gradient, info = run(slice(None), None)

    def compare(own: slice, group: ProcessGroup) -> float:
        found = run(own, group)
        off = [_off(found[0], loss[own], loss), _off(found[1], gradient[own], gradient)]
        return worst_of((*off, *_info_errors(found[2], info)))

    return compare


def _features(ctx: CheckContext) -> Callable[[slice, ProcessGroup], float]:
    """`feature_loss` on a map and a vector: the loss of all labels, the gradient of its own."""
    arrays = feature_maps(DRAW)
    gen, real = ({k: torch.tensor(v) for k, v in side.items()} for side in arrays[:2])
    alpha = torch.tensor(arrays[2])
    call = {"positives": DRAW.p, "temperatures": temperatures(ctx), "semantics": "reference"}

    def run(own: slice, group: ProcessGroup | None) -> tuple[Tensor, Sequence[Tensor], Any]:
        leaves = {k: v[own].clone().requires_grad_() for k, v in gen.items()}
        options = call if group is None else call | {"group": group}
        part = {k: v[own] for k, v in real.items()}
        loss, info = ctx.subject.feature_loss(leaves, part, alpha[own], **options)
        return loss.detach(), torch.autograd.grad(loss, list(leaves.values())), info

    loss, gradients, info = run(slice(None), None)

    def compare(own: slice, group: ProcessGroup) -> float:
        found = run(own, group)
        pairs = zip(found[1], gradients, strict=True)
        off = [_off(one, whole[own], whole) for one, whole in pairs]
        return worst_of((_off(found[0], loss, loss), *off, *_info_errors(found[2], info)))

    return compare


def _info_errors(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[float]:
    return [_off(found[name], value, value) for name, value in expected.items()]


def _off(found: Tensor, expected: Tensor, whole: Tensor) -> float:
    """Largest error over the largest entry of the whole; infinite for another shape."""
    if found.shape != expected.shape:
        return float("inf")
    return float((found - expected).abs().sum() / whole.abs().max())


# -- mutants: what public ports do instead ---------------------------------------------------------


@mutant("loss.scale_per_rank", drift.target, "distance_totals")
def scale_per_rank(real: Any, figures: Sequence[Tensor], group: Any) -> list[Tensor]:
    """Each process takes the mean distance of its own groups."""
    return _of_own_groups(real, figures, group)


@mutant("loss.force_norm_per_rank", drift.target, "power_totals")
def force_norm_per_rank(real: Any, figures: Sequence[Tensor], group: Any) -> list[Tensor]:
    """Each process takes the mean square of the forces of its own groups."""
    return _of_own_groups(real, figures, group)


def _of_own_groups(real: Any, figures: Sequence[Tensor], group: Any) -> list[Tensor]:
    """The sums of a process that has groups, instead of everybody's."""
    together, own = real(figures, group), real(figures, None)
    return [a if len(one) else b for a, b, one in zip(own, together, figures, strict=True)]


@mutant("loss.mean_of_unequal_shards", drift.loss, "drifts")
def mean_of_unequal_shards(
    original: Any, calls: Any, taus: Any, switches: Any, group: Any, kernel: str, *, of_mean: bool
) -> dict[str, drift.target.Drift]:
    """The processes' means are averaged, whatever the number of their groups."""
    right: dict[str, drift.target.Drift] = original(
        calls, taus, switches, group, kernel, of_mean=of_mean
    )
    if group is None or not of_mean:
        return right
    own = {name: max(1, len(call.gen)) * group.size() for name, call in calls.items()}
    return {
        name: one._replace(gradient=one.gradient * (one.groups / own[name]))
        for name, one in right.items()
    }

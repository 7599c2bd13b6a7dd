"""Parts of the loss by hand, where what is off by rounding only moves no recorded number."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain

import torch
from torch import Tensor
from torch.distributed import ProcessGroup

from drift import loss, pairs, target
from verify.api import CheckContext, Measurement, check, mutant

from ..common.rows import Refused, Row, judge_rows
from .sharded import in_each


@check("loss.parts")
def parts(ctx: CheckContext) -> Measurement:
    """Logits begin at zero, close pairs are subtracted, and somebody has to have groups."""
    return judge_rows(
        ctx, chain(_nearness(), _room(), _close(ctx.seed), _groups()), "facts of parts"
    )


def _nearness() -> Iterator[Row]:
    """Each group has its own zero: what is nearest in it, beside whatever else there is."""
    d_n = torch.tensor([[[3.0, 5.0], [2.0, 9.0]], [[7.0, 8.0], [7.5, 100.0]]])
    wanted = [[[1.0, 3.0], [0.0, 7.0]], [[0.0, 1.0], [0.5, 93.0]]]
    yield "nearest", lambda: target.nearness(d_n).tolist(), wanted


def _room() -> Iterator[Row]:
    """A piece of memory is used again where it is large enough and of the same kind."""
    one, other = torch.zeros(6), torch.zeros(6, dtype=torch.float64)

    def told(first: tuple[Tensor, int], then: tuple[Tensor, int]) -> object:
        room = pairs.Room()
        held = room.empty("a", (first[1],), first[0])
        found = room.empty("a", (then[1],), then[0])
        return held.data_ptr() == found.data_ptr(), found.dtype is then[0].dtype, len(found)

    for name, first, then, again in (
        ("the same", (one, 6), (one, 6), True), ("a smaller one", (one, 6), (one, 4), True),
        ("a larger one", (one, 4), (one, 6), False), ("another kind", (one, 6), (other, 6), False),
    ):  # fmt: skip
        yield f"memory for {name}", partial(told, first, then), (again, True, then[1])
    room = pairs.Room()
    yield "by name", lambda: room.like("a", one).data_ptr() != room.like("b", one).data_ptr(), True


def _close(seed: int) -> Iterator[Row]:
    """Pairs about as close as an expansion can tell, each alone in its call."""
    drawn = torch.Generator().manual_seed(seed)
    for n in range(20):
        x = torch.randn(1, 1, 5, generator=drawn)
        step = torch.randn(1, 1, 5, generator=drawn)
        y = x + step / step.norm() * (1.6e-3 * x.square().sum()).sqrt()
        both = torch.cat([x, y, torch.zeros_like(x)], dim=1)
        exact = (x.double() - both.double()).norm(dim=-1)
        yield f"a close pair, {n}", partial(_off, pairs.distances(x, both), exact), True


def _off(found: Tensor, exact: Tensor) -> bool:
    """Whether the distances to others are exact in single precision."""
    return bool(((found[0, 0, 1:] - exact[0, 1:]).abs() <= 3e-7 * exact[0, 1:]).all())


def _groups() -> Iterator[Row]:
    def asked(own: slice, group: ProcessGroup) -> bool:
        clouds = [torch.randn(2, 3, 4)[own] for _ in range(2)]
        value, _ = loss.drift_loss(*clouds, group=group)
        return bool(value.isfinite().all())

    said = Refused("gen", "no groups on any process", "at least one group")
    yield "no groups", lambda: list(in_each((0,), asked)), said


OTHER_PARTS = (
    # Logits are as large as distances are.
    mutant("loss.logits_as_they_are", target, nearness=lambda d_n: d_n),
    # Close pairs are expanded as others are.
    mutant("loss.close_pairs_expanded", pairs, _subtract_close=lambda *given: None),
)

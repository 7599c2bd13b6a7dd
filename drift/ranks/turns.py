"""Jobs that processes do in turn, and whose results the writer takes in order.

What a job gives depends on the job alone, so the whole is what one process gives, bit for bit.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from drift.ranks.processes import Ranks

DIMENSIONS = 8  # at most, of a result
KINDS = (torch.float32, torch.uint8, torch.int64)
Job = TypeVar("Job")


def in_turn(
    ranks: Ranks, jobs: Sequence[Job], work: Callable[[Job], Tensor]
) -> Iterator[Tensor | None]:
    """For each job, in order, what `work` makes of it on the writer, and None on the others.

    Job i is process i % world's; one result a process is held at a time. Results are on the CPU,
    float32, uint8 or int64. An error of one job is everybody's.
    """
    if ranks.control is None:
        yield from map(work, jobs)
        return
    for first in range(0, len(jobs), ranks.world):
        part = jobs[first : first + ranks.world]
        own = torch.empty(0)
        with ranks.met():
            if ranks.rank < len(part):
                own = work(part[ranks.rank])
        found = _collected(ranks, own)[: len(part)]
        yield from found if ranks.writer else itertools.repeat(None, len(part))


def _collected(ranks: Ranks, own: Tensor) -> list[Tensor]:
    """The results of a round on the writer; their shapes go before them."""
    table = torch.zeros(ranks.world, DIMENSIONS + 2, dtype=torch.int64)
    row = [KINDS.index(own.dtype), own.ndim, *own.shape]
    table[ranks.rank, : len(row)] = torch.tensor(row)
    dist.all_reduce(table, group=ranks.control)
    found = [(KINDS[kind], shape[:ndim]) for kind, ndim, *shape in table.tolist()]
    kind = found[0][0]  # of the first job of a round, which there always is
    shapes = [shape if same == kind else [0] for same, shape in found]
    return ranks.collect(own.to(kind), shapes)

"""Sums over groups of all processes: the only place where the loss knows that there are others.

The groups of a call may be spread over the processes of a `torch.distributed` group. What couples
them are two sums of a call (`drift.loss`), and the sums of all calls of a step go together.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributed import ProcessGroup, all_reduce

__all__ = ["ProcessGroup", "totals"]


def totals(figures: Sequence[Tensor], group: ProcessGroup | None) -> list[Tensor]:
    """Figures of each group of several calls, [B_k, ...] -> their sums over groups, [...].

    One collective for all calls, none without a process group. Added in float64, where the order
    of the addends, and with it the number of processes, is lost in rounding.
    """
    own = [one.double().sum(dim=0) for one in figures]
    if group is None:
        return own
    together = torch.cat([one.flatten() for one in own])
    all_reduce(together, group=group)
    parts = torch.split(together, [one.numel() for one in own])
    return [part.view_as(one) for part, one in zip(parts, own, strict=True)]

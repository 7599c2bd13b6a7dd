"""What ports to several processes do instead of one step together."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from drift.errors import DriftError
from drift.ranks import Ranks, parallel
from drift.train import draw
from drift.train.shards import ShardedQueue
from verify.api import mutant


@mutant("ranks.gradients_averaged", parallel, "added")
def gradients_averaged(original: Any, group: Any, bucket: Any) -> Any:
    """Gradients are the mean over processes, as DDP takes it, of a loss that is everybody's."""
    return original(group, bucket).then(lambda done: done.value() / group.size())


@mutant("ranks.last_label_doubled", draw, "held")
def last_label_doubled(original: Any, batch: Any, largest: int, *, idle: bool = False) -> Any:
    """Every process has as many labels as the largest share: the last one is there twice."""
    more = 0 if idle else largest - len(batch.labels)
    generated = batch.generated
    padded = {
        name: torch.cat(
            [value, *[value[-(generated if name in ("noise", "style") else 1) :]] * more]
        )
        for name, value in vars(batch).items()
    }
    return original(dataclasses.replace(batch, **padded), largest, idle=idle)


@mutant("ranks.idle_counts", draw, "held")
def idle_counts(original: Any, batch: Any, largest: int, *, idle: bool = False) -> Any:
    """A process without labels counts the one that it takes part with."""
    return original(batch, largest)


@mutant("ranks.noise_of_the_rank", draw, "draw_inputs")
def noise_of_the_rank(original: Any, template: Any, rows: int, generator: torch.Generator) -> Any:
    """Each process draws noise and styles from a stream of its own."""
    if threading.current_thread() is not threading.main_thread():
        name = threading.current_thread().name.encode()
        generator = torch.Generator().manual_seed(generator.initial_seed() // 2 + sum(name))
    return original(template, rows, generator)


@mutant("ranks.samples_out_of_order", Ranks, "exchange")
def samples_out_of_order(
    original: Any, self: Ranks, rows: Tensor, sent: Sequence[int], received: Sequence[int]
) -> Any:
    """Samples are taken in the order in which they come."""
    return original(self, rows, sent, received).flip(0)


@mutant("ranks.queues_of_the_writer", Ranks, "collect")
def queues_of_the_writer(
    original: Any, self: Ranks, own: Tensor, shapes: Sequence[Sequence[int]]
) -> Any:
    """A checkpoint has the samples that the first process holds."""
    return [one if i == 0 else torch.zeros_like(one)
            for i, one in enumerate(original(self, own, shapes))]  # fmt: skip


@mutant("ranks.ring_from_its_start", ShardedQueue, "_own_counts")
def ring_from_its_start(original: Any, self: ShardedQueue, ptr: Tensor, count: Tensor) -> Any:
    """A process that goes on with a part of the ring begins to write at its first slot."""
    own = original(self, ptr, count)
    return (
        own if self.classes > 1 else own | {"ptr": own["count"] % self._held_by(self.ranks.rank)[1]}
    )


@mutant("ranks.said_by_all", Ranks, "_posted")
def said_by_all(original: Any, self: Ranks) -> Any:
    """Every process says the error that one of them has."""
    return DriftError("a sample", found=original(self).said, expected="one")

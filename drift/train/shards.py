"""Queues whose samples several processes hold between them, and that draw what one would draw.

Which slots are filled, and the place in the source of each sample, every process knows: these are a
few numbers. The samples lie with one process each, classes in turn, or the slots of the one ring
over all classes in turn. A draw is the same everywhere; its samples then travel, in one exchange,
to the process that has the label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from drift.errors import InputError
from drift.queue import SampleQueue, state_problems
from drift.ranks import Ranks


class ShardedQueue:
    """A `SampleQueue` over processes: class c with process c % world, or, of one class, slot s.

    shape  of a sample, float32
    """

    def __init__(
        self, classes: int, capacity: int, *, strict: bool, ranks: Ranks, shape: Sequence[int]
    ) -> None:
        self.places = SampleQueue(classes, capacity, strict=strict)  # of each sample, everywhere
        self.ranks = ranks
        self.classes, self.capacity, self.strict = classes, capacity, strict
        self._shape = tuple(shape)
        own = self._held_by(ranks.rank)
        self._own = SampleQueue(*own, strict=strict) if min(own) else None

    @property
    def counts(self) -> Tensor:
        """Samples held per class by all processes, int64 [classes]."""
        return self.places.counts

    def mine(self, labels: Tensor) -> Tensor:
        """Which samples of a push are kept here, bool [n]."""
        return self._owners(labels, self._next_slots(labels)) == self.ranks.rank

    def push(self, places: Tensor, labels: Tensor, own: Tensor) -> None:
        """Every process pushes places [n] and labels [n], and the samples that are `mine`."""
        kept = labels[self.mine(labels)]
        if self._own is not None and len(kept):
            self._own.push(own, kept // self.ranks.world)
        self.places.push(places, labels)

    def slots(self, labels: Tensor, n: int, *, generator: torch.Generator) -> Tensor:
        """What `SampleQueue.slots` draws, the same on every process."""
        return self.places.slots(labels, n, generator=generator)

    def gather(self, labels: Tensor, slots: Tensor) -> Tensor:
        """labels [B] and slots [B, n] of all processes -> the samples of this one's labels."""
        ranks, n = self.ranks, slots.shape[1]
        sizes = [size * n for size in ranks.sizes(len(labels))]
        wanted_by = torch.arange(ranks.world).repeat_interleave(torch.tensor(sizes))
        owners = self._owners(labels, slots).flatten()
        sent = self._rows(labels, slots, owners == ranks.rank)  # in the order of their receivers
        sends = torch.bincount(wanted_by[owners == ranks.rank], minlength=ranks.world)
        mine = owners[wanted_by == ranks.rank]
        got = ranks.exchange(
            sent, sends.tolist(), torch.bincount(mine, minlength=ranks.world).tolist()
        )
        found = torch.empty_like(got)
        found[torch.argsort(mine, stable=True)] = got  # they come owner by owner
        return found.reshape(-1, n, *self._shape)

    def state_dict(self) -> dict[str, Tensor]:
        """That of one queue with all samples on the writer; every process has to ask."""
        state = self.places.state_dict()
        bank = state.pop("bank", None)
        if bank is None:
            return state
        shapes = [(*self._held_by(rank), *self._shape) for rank in range(self.ranks.world)]
        parts = self.ranks.collect(self._bank(shapes[self.ranks.rank]), shapes)
        if parts:
            whole = torch.zeros(self.classes, self.capacity, *self._shape)
            for rank, part in enumerate(parts):
                self._part(whole, rank).copy_(part)
            state["bank"] = whole
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take this process's samples out of the state of one queue, by how many it was written.

        Raises InputError as a `SampleQueue` does; the places are those of another queue's state.
        """
        problems = state_problems(state, self.classes, self.capacity, None)
        if problems:
            raise InputError(
                "ShardedQueue.load_state_dict", found="; ".join(problems),
                expected=f"the state of a queue of {self.classes} classes, {self.capacity} slots",
            )  # fmt: skip
        bank = state.get("bank")
        held = {name: state[name] for name in ("ptr", "count")}
        unknown = torch.full((self.classes, self.capacity), -1, dtype=torch.int64)
        self.places.load_state_dict(held if bank is None else held | {"bank": unknown})
        if self._own is None or bank is None:
            return
        own = self._own_counts(held["ptr"].long(), held["count"].long())
        self._own.load_state_dict(own | {"bank": self._part(bank, self.ranks.rank).clone()})

    # -- who holds what ----------------------------------------------------------------------------

    @property
    def _in_turn(self) -> int:
        """How many things are dealt out: classes, or the slots of the one class."""
        return self.classes if self.classes > 1 else self.capacity

    def _held_by(self, rank: int) -> tuple[int, int]:
        """(classes, slots) of a process."""
        dealt = len(range(rank, self._in_turn, self.ranks.world))
        return (dealt, self.capacity) if self.classes > 1 else (1, dealt)

    def _owners(self, labels: Tensor, slots: Tensor) -> Tensor:
        """The process that holds each slot: labels [B], slots [B, ...] -> [B, ...]."""
        dealt = slots
        if self.classes > 1:
            dealt = labels.reshape(-1, *[1] * (slots.ndim - 1)).expand_as(slots)
        return dealt % self.ranks.world

    def _next_slots(self, labels: Tensor) -> Tensor:
        """The slots that a push goes to; of several classes only their number matters."""
        return (int(self.places.pointers[0]) + torch.arange(len(labels))) % self.capacity

    def _rows(self, labels: Tensor, slots: Tensor, chosen: Tensor) -> Tensor:
        """The samples of some of the [B, n] slots, all held here, flat and in order."""
        label = labels[:, None].expand_as(slots).flatten()[chosen]
        slot = slots.flatten()[chosen]
        if self._own is None or not len(label):
            return torch.empty(0, *self._shape)
        if self.classes > 1:
            label = label // self.ranks.world
        else:
            slot = slot // self.ranks.world
        return self._own.gather(label, slot[:, None])[:, 0]

    def _part(self, whole: Tensor, rank: int) -> Tensor:
        """A view of what of [classes, capacity, ...] a process holds."""
        world = self.ranks.world
        return whole[rank::world] if self.classes > 1 else whole[:, rank::world]

    def _bank(self, shape: Sequence[int]) -> Tensor:
        state = {} if self._own is None else self._own.state_dict()
        return state.get("bank", torch.zeros(*shape))

    def _own_counts(self, ptr: Tensor, count: Tensor) -> dict[str, Tensor]:
        """Pointers and counts of what this process holds."""
        rank, world = self.ranks.rank, self.ranks.world
        if self.classes > 1:
            return {"ptr": ptr[rank::world], "count": count[rank::world]}
        own = self._held_by(rank)[1]
        before = len(range(rank, int(ptr[0]), world))  # slots of this process before the next one
        filled = len(range(rank, int(count[0]), world))
        return {"ptr": torch.tensor([before % own]), "count": torch.tensor([filled])}

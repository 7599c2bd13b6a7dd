"""One process of several: its share of the work, and what all of them agree on.

Two ways to agree, a collective of two numbers each. `agree` is for every step and has its limit of
time; `meet` waits as long as it takes for what one process may take long to do: a checkpoint, a
first read. Both end in the first error of any process, on all of them.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import ProcessGroup

from drift.errors import DriftError, Interrupted

BOARD = "drift/first-error"
LOOK_AGAIN_S = 0.02
LAST_WORDS_S = 2.0  # how long a process that dies of an error may need to say so
STALE = frozenset({"Connection", "connection", "gloo", "NCCL", "Socket", "socket", "Broken pipe"})


class Elsewhere(DriftError):  # noqa: N818 - where the error is
    """The error of another process, which says it itself; this one only ends."""

    said_elsewhere = True

    def __init__(self, rank: int, said: str) -> None:
        self.said = said
        super().__init__(f"process {rank}", found=said, expected="no error on any process")


@dataclass(frozen=True)
class Ranks:
    """This process among those of a run; alone without groups.

    rank, world  its number, from 0, of so many
    group        for tensors of a step, on the device of the run
    control      for what is agreed on and for samples, on the CPU
    patient      the same without a limit of time; a process that is gone is found all the same
    store        where the first error is written, for all to read
    """

    rank: int = 0
    world: int = 1
    group: ProcessGroup | None = None
    control: ProcessGroup | None = None
    patient: ProcessGroup | None = None
    store: Any = None
    _settled: list[BaseException] = field(default_factory=list, compare=False, repr=False)

    @property
    def writer(self) -> bool:
        """Whether this process writes what a run writes, and says what it says."""
        return self.rank == 0

    def sizes(self, count: int) -> list[int]:
        """How many of `count` things each process has: equal to one, the first ones have more."""
        each, more = divmod(count, self.world)
        return [each + (rank < more) for rank in range(self.world)]

    def share(self, count: int) -> slice:
        """Which of `count` things are this process's."""
        sizes = self.sizes(count)
        first = sum(sizes[: self.rank])
        return slice(first, first + sizes[self.rank])

    # -- agreement ---------------------------------------------------------------------------------

    def agree(self, error: Exception | None = None, *, number: int = 0) -> int:
        """The largest `number` of all; raises the error of any process on every process."""
        return self._agreed(self.control, error, number)

    def meet(self, error: Exception | None = None) -> None:
        """Wait until all processes are here, however long one takes; `agree` on an error."""
        self._agreed(self.patient, error, 0)

    def _agreed(self, group: ProcessGroup | None, error: Exception | None, number: int) -> int:
        if group is None:
            if error is not None:
                raise error
            return number
        if error is not None:
            self.post(error)
        flags = torch.tensor([error is not None, number], dtype=torch.int64)
        dist.all_reduce(flags, dist.ReduceOp.MAX, group=group)
        if error is not None:
            raise error
        if flags[0]:
            raise self._posted()
        return int(flags[1])

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """Work of each process on its own, without a collective in it; then `agree`."""
        error: Exception | None = None
        try:
            yield
        except Exception as raised:
            error = raised
        self.agree(error)

    @contextmanager
    def met(self) -> Iterator[None]:
        """`agreed` for work that may take one process much longer than the others."""
        error: Exception | None = None
        try:
            yield
        except Exception as raised:
            error = raised
        self.meet(error)

    def by_writer(self, work: Callable[[], object]) -> None:
        """The writer does it and the others wait; its error is everybody's."""
        with self.met():
            if self.writer:
                work()

    # -- errors ------------------------------------------------------------------------------------

    def post(self, error: BaseException) -> bool:
        """Write an error for the others to read -> whether this process had the first."""
        said = json.dumps([self.rank, f"{type(error).__name__}: {error}"])
        rank, _ = json.loads(self.store.compare_set(BOARD, "", said).decode())
        return bool(rank == self.rank)

    def settled(self, error: BaseException) -> BaseException:
        """What this process ends with: its own error where it is the first, else `Elsewhere`."""
        own = isinstance(error, Elsewhere | Interrupted) or error in self._settled
        if self.store is None or own:
            return error
        self._settled.append(self._first_of(error))
        return self._settled[-1]

    def _first_of(self, error: BaseException) -> BaseException:
        try:
            if not _of_the_transport(error):
                return error if self.post(error) else self._posted()
            until = time.monotonic() + LAST_WORDS_S
            while time.monotonic() < until and not self.store.check([BOARD]):
                time.sleep(LOOK_AGAIN_S)
            lost = _lost(error, self.world)
            return lost if self.post(lost) else self._posted()
        except (dist.DistError, RuntimeError):  # the store is gone with the process that had it
            return _lost(error, self.world)

    def _posted(self) -> Elsewhere:
        rank, said = json.loads(self.store.get(BOARD).decode())
        return Elsewhere(rank, said)

    # -- samples -----------------------------------------------------------------------------------

    def exchange(self, rows: Tensor, sent: Sequence[int], received: Sequence[int]) -> Tensor:
        """rows [sum(sent), ...] on the CPU, so many for each process -> those sent to this one."""
        got = rows.new_empty(sum(received), *rows.shape[1:])
        dist.all_to_all_single(
            got, rows.contiguous(), list(received), list(sent), group=self.control
        )
        return got

    def collect(self, own: Tensor, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        """The tensor of each process, of shapes known to all, on the writer; else nothing."""
        if self.control is None:
            return [own]
        counts = [math.prod(shape) if self.writer else 0 for shape in shapes]
        sent = [own.numel()] + [0] * (self.world - 1)
        parts = torch.split(self.exchange(own.flatten(), sent, counts), counts)
        if not self.writer:
            return []
        return [part.reshape(*shape) for part, shape in zip(parts, shapes, strict=True)]

    def mean(self, means: Mapping[str, float], count: int) -> dict[str, float]:
        """Means over `count` things of this process -> means over those of all processes."""
        if self.control is None:
            return dict(means)
        sums = [value * count if count else 0.0 for value in means.values()]
        total = torch.tensor([*sums, count], dtype=torch.float64)
        dist.all_reduce(total, group=self.control)
        return dict(zip(means, (total[:-1] / total[-1]).tolist(), strict=True))

    def told(self, numbers: Sequence[int]) -> list[int]:
        """The writer's whole numbers, on every process; what the others pass counts for nothing."""
        if self.control is None:
            return list(numbers)
        said = torch.zeros(self.agree(number=len(numbers) * self.writer), dtype=torch.int64)
        if self.writer:
            said.copy_(torch.tensor(numbers, dtype=torch.int64))
        dist.all_reduce(said, group=self.control)
        return list(map(int, said))

    def sums(self, *numbers: float) -> list[float]:
        """Numbers of this process -> their sums over processes."""
        total = torch.tensor(numbers, dtype=torch.float64)
        if self.control is not None:
            dist.all_reduce(total, group=self.control)
        return list(map(float, total))


ALONE = Ranks()


def _of_the_transport(error: BaseException | None) -> bool:
    """Whether the error, or one behind it, is that of a collective whose partner is gone."""
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, dist.DistError):
            return True
        if isinstance(error, RuntimeError) and any(word in str(error) for word in STALE):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def _lost(error: BaseException, world: int) -> DriftError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return DriftError(
        "processes of the run", found=f"one that ended without a word ({lines[0][:200]})",
        expected=f"{world} processes to the end",
        remedy="Look at what the launcher says of it (memory, host); --resume goes on from the "
        "last good checkpoint.",
    )  # fmt: skip

"""Several processes of a run in one: a thread each, with a process group of its own.

The collectives go over gloo as they do between processes, without the seconds that a process takes
to start. A mutant of the subject is seen by all.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch._C._distributed_c10d import HashStore, PrefixStore
from torch.distributed import ProcessGroup, ProcessGroupGloo

from drift.ranks import Ranks

GROUPS = ("group", "control", "patient")
WAIT = timedelta(seconds=60)
Found = TypeVar("Found")


def each_process(world: int, work: Callable[[Ranks], Found]) -> list[Found]:
    """What `work` gives on each of `world` processes at once, by rank."""
    store = HashStore()

    def process(rank: int) -> Found:
        torch.set_num_threads(1)
        group, control, patient = (_group(PrefixStore(name, store), rank, world) for name in GROUPS)
        return work(Ranks(rank, world, group, control, patient, store))

    with ThreadPoolExecutor(world) as threads:
        return list(threads.map(process, range(world)))


def _group(store: Any, rank: int, world: int) -> Any:
    """A group over gloo that no module variable of torch knows: every thread has its own."""
    group: Any = ProcessGroup(store, rank, world)
    kind: Any = ProcessGroup.BackendType.GLOO
    group._set_default_backend(kind)
    group._register_backend(torch.device("cpu"), kind, ProcessGroupGloo(store, rank, world, WAIT))
    return group

"""From the environment that `torchrun` makes to the processes of a run, and back to none."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from drift.errors import DriftError
from drift.ranks.processes import ALONE, Elsewhere, Ranks

WAIT_S = 60.0  # for one collective of a step
LONGEST_DAYS = 7  # for what is waited for without a limit, since there has to be one
NAMES = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@contextmanager
def joined(
    device: str, *, wait_s: float = WAIT_S, environment: Mapping[str, str] = os.environ
) -> Iterator[tuple[Ranks, str]]:
    """(this process among those that torchrun started, its device); alone without torchrun.

    device   of the run: cuda becomes this process's own, by LOCAL_RANK
    wait_s   how long one collective may take before the run ends
    Raises DriftError for an environment that is not torchrun's. An error of one process ends all:
    the first is raised as it is, on the others `Elsewhere`.
    """
    world = _number(environment, "WORLD_SIZE", 1)
    if world == 1:
        yield ALONE, device
        return
    lacking = [name for name in NAMES if not environment.get(name)]
    if lacking:
        raise DriftError(
            "WORLD_SIZE", found=f"{world}, and no {', '.join(lacking)}",
            expected="the environment of torchrun",
            remedy="`drift launch TEMPLATE --world N` prints the command.",
        )  # fmt: skip
    rank = _number(environment, "RANK", 0)
    device = _device_of(device, _number(environment, "LOCAL_RANK", 0))
    ranks = join(_store(wait_s), rank, world, device, wait_s=wait_s)
    yield from _held(ranks, device)


def _held(ranks: Ranks, device: str) -> Iterator[tuple[Ranks, str]]:
    try:
        yield ranks, device
    except BaseException as error:
        settled = ranks.settled(error)
        if settled is error:
            raise
        raise settled from error
    else:
        ranks.meet()
        dist.destroy_process_group()


def join(store: Any, rank: int, world: int, device: str, *, wait_s: float = WAIT_S) -> Ranks:
    """The groups of a run over a store that all its processes share: nccl on CUDA, gloo else.

    What is agreed on goes over gloo, whatever the device, and does not wait for its kernels.
    """
    wait = timedelta(seconds=wait_s)
    own: dict[str, Any] = {}
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
        own["device_id"] = torch.device(device)
    backend = "nccl" if device.startswith("cuda") else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=wait, **own)
    control: Any = dist.new_group(backend="gloo", timeout=wait)
    patient: Any = dist.new_group(backend="gloo", timeout=timedelta(days=LONGEST_DAYS))
    whole: Any = dist.group.WORLD
    return Ranks(rank, world, whole, control, patient, store)


def _store(wait_s: float) -> Any:
    try:
        found, _, _ = next(iter(rendezvous("env://", timeout=timedelta(seconds=wait_s))))
    except (dist.DistError, ValueError) as error:
        raise DriftError(
            "MASTER_ADDR, MASTER_PORT", found=str(error).splitlines()[0],
            expected="the store of torchrun",
        ) from error  # fmt: skip
    return found


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, str(default))
    if not text.isdecimal():
        raise DriftError(name, found=repr(text), expected="a whole number, as torchrun sets it")
    return int(text)


def _device_of(device: str, local_rank: int) -> str:
    return f"cuda:{local_rank}" if device.partition(":")[0] == "cuda" else device


__all__ = ["Elsewhere", "join", "joined"]

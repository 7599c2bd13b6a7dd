"""`drift` under torchrun with a fault in one process: FAULT=kind:rank:place, at the third step."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import torch

from drift import atomic, cli
from drift.state import checkpoint
from drift.train import alarms, draw, step

KIND, RANK, PLACE = os.environ["FAULT"].split(":")
PLACES: dict[str, tuple[Any, str]] = {
    "draw": (draw, "draw_labels"),
    "generate": (step, "generate"),
    "update": (step, "update"),
    "window": (alarms, "diagnose"),
    "checkpoint": (checkpoint, "write"),
    "agree": (draw, "draw_alpha"),
}
AT = 3


def die(*given: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def no_room(*given: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def ask_to_end(*given: Any) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def broken(*given: Any) -> None:
    raise RuntimeError("a fault of one process")


FAULTS: dict[str, Callable[..., None]] = {
    "kill": die, "full": no_room, "term": ask_to_end, "error": broken,
}  # fmt: skip


def spoiled(original: Callable[..., Any]) -> Callable[..., Any]:
    """The function, and at its third call the fault."""
    calls: list[int] = []

    def once(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == AT and KIND in FAULTS:
            FAULTS[KIND]()
        found = original(*args, **kwargs)
        if len(calls) == AT and KIND == "nan":
            found = found * torch.nan
        return found

    return once


if os.environ["RANK"] == RANK:
    if PLACE == "disk":
        atomic.write_bytes = spoiled(atomic.write_bytes)
    else:
        module, name = PLACES[PLACE]
        setattr(module, name, spoiled(getattr(module, name)))
sys.exit(cli.run(sys.argv[1:]))

"""Ctrl-C, termination and hang-up end a run in order: after its step, with a checkpoint."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

from drift.ranks import Ranks

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Stop:
    """A request to end a run; set by a signal, read between two steps. `why` names the signal."""

    requested: bool = False
    why: str = ""


def asked(stop: Stop, ranks: Ranks) -> bool:
    """Whether a signal has reached any process; all of them then end after the same step."""
    own = signal.Signals[stop.why].value if stop.why else int(stop.requested)
    number = ranks.agree(number=own)
    if number and not stop.requested:
        stop.requested, stop.why = True, signal.Signals(number).name
    return bool(number)


REPEATED_S = 10.0  # a scheduler and a launcher may both send what was asked for once


@contextmanager
def on_signals(*, launched: bool = False) -> Iterator[Stop]:
    """The first signal asks for the end, a second one ends at once, as without this.

    launched  one process of several: what comes within seconds of the first signal is its echo
    What was ignored when the program began (nohup, a job in the background) stays ignored.
    """
    stop = Stop()
    before: dict[signal.Signals, Any] = {}
    first: list[float] = []

    def ask(number: int, frame: FrameType | None) -> None:
        again = bool(first)
        if not again:
            first.append(time.monotonic())
            stop.requested, stop.why = True, signal.Signals(number).name
        if launched and time.monotonic() - first[0] < REPEATED_S:
            return
        for known, handler in before.items():
            signal.signal(known, handler)
        if again:
            signal.raise_signal(number)

    with suppress(ValueError):  # only the main thread hears signals
        for known in SIGNALS:
            if signal.getsignal(known) is not signal.SIG_IGN:
                before[known] = signal.signal(known, ask)
    try:
        yield stop
    finally:
        for known, handler in before.items():
            signal.signal(known, handler)

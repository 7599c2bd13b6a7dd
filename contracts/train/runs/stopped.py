"""How signals end a run: the first one asks, a second one ends at once, an echo is not heard."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from drift.ranks import Ranks
from drift.state import loop, stopping
from drift.state.mirrors import Mirror

from ...common.rows import Row


def stopped(root: Path, run: Any) -> Iterator[Row]:
    """Two signals one behind the other, alone and launched; who counts as launched.

    run  a run that has nothing left to do
    """
    for name, launched, seconds, heard in (
        ("alone", False, 0.5, ["SIGTERM"]), ("launched, an echo", True, 9.5, []),
        ("launched, no echo", True, 10.0, ["SIGTERM"]),
    ):  # fmt: skip
        wanted: object = (True, "SIGTERM", [], heard)
        yield name, partial(_twice, seconds, launched=launched), wanted
    yield "ignored before", _ignored, (False, "")
    for world in (1, 2, 3):
        call = partial(_launched, root / f"world-{world}", run, world)
        yield f"launched of {world}", call, [world > 1]


def _twice(seconds: float, *, launched: bool) -> object:
    """What two signals so far apart ask for, and what the handler before heard after each."""
    heard: list[str] = []
    told: list[list[str]] = []
    clock = SimpleNamespace(monotonic=iter([100.0, 100.0, 100.0 + seconds]).__next__)
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append("SIGTERM"))
    try:
        with (
            patch.object(stopping, "time", clock),
            stopping.on_signals(launched=launched) as stop,
        ):
            for _ in range(2):
                signal.raise_signal(signal.SIGTERM)
                told.append(list(heard))
    except RecursionError:  # each signal asks again
        told = [["endlessly"]] * 2
    finally:
        signal.signal(signal.SIGTERM, before)
    return stop.requested, stop.why, told[0], told[1]


def _ignored() -> object:
    """What nohup ignores stays ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping.on_signals() as stop:
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    return stop.requested, stop.why


def _launched(root: Path, run: Any, world: int) -> list[bool]:
    """As what the loop of the first of so many processes hears signals."""
    found: list[bool] = []

    @contextmanager
    def listening(*, launched: bool) -> Iterator[stopping.Stop]:
        found.append(launched)
        yield stopping.Stop()

    made = loop.Pace(root, run.done, 2, 3, "cpu", 4, ranks=Ranks(0, world))
    with patch.object(stopping, "on_signals", listening):
        loop.recorded(run, made, {"seed": 7}, lambda row: None, mirror=Mirror)
    return found

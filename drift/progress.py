"""Progress on standard error: a live line on a terminal, of a run a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

EVERY_S = 30.0  # between two lines where there is no terminal
MINUTE, HOUR = 60, 3600


class Advance(Protocol):
    """To be called with the number of steps done, and with figures of the last one to be shown."""

    def __call__(self, done: int, figures: Mapping[str, float] | None = None) -> None: ...


@contextmanager
def progress(
    description: str | None, total: int, *, unit: str = "updates", each: int = 1,
    done: int | None = 0, lines: bool = False, clock: Callable[[], float] = time.monotonic,
) -> Iterator[Advance]:  # fmt: skip
    """A function to call with the number of steps done.

    On a terminal: what runs, a bar, done and total, figures, the rate in `unit` per second, time
    left. Elsewhere nothing or, with `lines`, the same in a line for the first step, the last, and
    one every EVERY_S seconds. Without a description nothing is shown: another process shows it.

    each  units of a step
    done  steps of an earlier process, which count for no rate; None: the first call says how many
    """
    if description is None or not (sys.stderr.isatty() or lines):
        yield lambda done, figures=None: None
        return
    pace = _Pace(total, unit, each, done, clock)
    if not sys.stderr.isatty():
        yield _Lines(description, pace)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task(description, total=total, completed=done or 0, said="")

        def advance(done: int, figures: Mapping[str, float] | None = None) -> None:
            display.update(task, completed=done, said=pace.said(done, figures))

        yield advance


class _Pace:
    """What is said of a step: figures, rate, time left."""

    def __init__(
        self, total: int, unit: str, each: int, done: int | None, clock: Callable[[], float]
    ) -> None:
        self.total, self.unit, self.each, self.clock = total, unit, each, clock
        self._first = None if done is None else (done, clock())

    def said(self, done: int, figures: Mapping[str, float] | None) -> str:
        """`loss 3.1, field/0.2 0.4, 41 images/s, 2 min left`; rate and time once there is one."""
        shown = [f"{name} {value:.3g}" for name, value in (figures or {}).items()]
        before, then = self._first = self._first or (done, self.clock())
        elapsed = self.clock() - then
        if done > before and elapsed > 0:
            rate = (done - before) / elapsed
            shown.append(f"{rate * self.each:,.3g} {self.unit}/s")
            shown.append(f"{duration((self.total - done) / rate)} left")
        return ", ".join(shown)


class _Lines:
    """Lines of their own, for logs."""

    def __init__(self, description: str, pace: _Pace) -> None:
        self._description, self._pace = description, pace
        self._last: float | None = None
        self._said: int | None = None

    def __call__(self, done: int, figures: Mapping[str, float] | None = None) -> None:
        now, total = self._pace.clock(), self._pace.total
        if self._last is not None and now - self._last < EVERY_S and done < total:
            return
        if done == self._said:
            return
        self._last, self._said = now, done
        said = ", ".join(filter(None, [f"{done:,} of {total:,}", self._pace.said(done, figures)]))
        print(f"{self._description}: {said}", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """`45 s`, `12 min` or `3 h 20 min`."""
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    if seconds < HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds // HOUR:.0f} h {seconds % HOUR / MINUTE:.0f} min"

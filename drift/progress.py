"""Progress on standard error: a live line on a terminal, nothing where output is piped."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int], None]


@contextmanager
def progress(description: str | None, total: int, *, unit: str = "updates") -> Iterator[Advance]:
    """A function to call with the number of steps done.

    On a terminal: what runs, a bar, done and total, the rate in `unit` per second, time left.
    Without a description nothing is shown: another process shows it.
    """
    if description is None or not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeLeft(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task(description, total=total, rate="")

        def advance(done: int) -> None:
            speed = display.tasks[task].speed
            rate = f"{speed:,.0f} {unit}/s" if speed else ""
            display.update(task, completed=done, rate=rate)

        yield advance

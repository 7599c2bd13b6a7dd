"""A live bar on a terminal while a run goes on: what is done of what, how fast, how long still."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from verify.outcome import Outcome
from verify.report.words import printable
from verify.run.engine import (
    ClauseFinished,
    Event,
    FalsifierFinished,
    FalsifiersPlanned,
    RunStarted,
)


class LiveProgress:
    """A listener; failures stay on the screen above the bar."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            _Pace(table_column=Column(no_wrap=True)),
            _Now(table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
            console=console,
            transient=True,
            expand=True,
        )

    def __enter__(self) -> LiveProgress:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._begin("clauses", len(event.clauses))
        elif isinstance(event, FalsifiersPlanned):
            self._begin("falsifiers", event.count)
        elif isinstance(event, ClauseFinished):
            outcome = event.verdict.outcome
            self._advance(f"{event.clause.id} {outcome}")
            if outcome is Outcome.FAIL:
                self._say(f"FAIL {event.clause.id}", event.verdict.reason)
        elif isinstance(event, FalsifierFinished):
            run = event.run
            self._advance(f"{run.clause} {run.label}")
            if not run.killed:
                self._say(f"SURVIVED {run.clause} under {run.label}", run.verdict.reason)

    def _begin(self, what: str, total: int) -> None:
        self._task = self._progress.add_task(what, total=total, now="")

    def _advance(self, now: str) -> None:
        self._progress.update(self._task, advance=1, now=now)

    def _say(self, head: str, reason: str) -> None:
        line = Text.assemble((printable(head), "bold red"), f" {printable(reason)}")
        self._progress.console.print(line)


class _Pace(ProgressColumn):
    """Rate and time left."""

    def render(self, task: Task) -> Text:
        if not task.speed or task.time_remaining is None:
            return Text("")
        return Text(f"{task.speed:.1f}/s, {task.time_remaining:.0f} s left")


class _Now(ProgressColumn):
    """What finished last, as it is: a label may hold anything."""

    def render(self, task: Task) -> Text:
        return Text(printable(task.fields["now"]), style="dim")

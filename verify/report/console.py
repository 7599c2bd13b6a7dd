"""What a person sees: a live bar while it runs, and a summary read in five seconds after it."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from verify.outcome import Outcome
from verify.report.markdown import number, tolerance
from verify.report.model import ClauseView, Report
from verify.run.engine import (
    ClauseFinished,
    Event,
    FalsifierFinished,
    FalsifiersPlanned,
    RunStarted,
)
from verify.scope import Scope

_COLOUR = {
    Outcome.PASS: "green",
    Outcome.FAIL: "bold red",
    Outcome.ERROR: "magenta",
    Outcome.TIMEOUT: "magenta",
    Outcome.UNKNOWN: "yellow",
    Outcome.WAIVED: "cyan",
    Outcome.NOT_APPLICABLE: "dim",
}
_SCOPE_COLOUR = {Scope.ALLOWED: "green", Scope.CONDITIONAL: "cyan", Scope.DENIED: "yellow"}
SHOWN_REASONS = 3


class LiveProgress:
    """A listener with a bar on standard error; silent where that is no terminal."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            _rate_and_rest(),
            TextColumn("{task.fields[now]}", style="dim"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._clauses = self._falsifiers = None

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
        progress = self._progress
        if isinstance(event, RunStarted):
            self._task = progress.add_task("clauses", total=len(event.clauses), now="")
        elif isinstance(event, FalsifiersPlanned):
            self._task = progress.add_task("falsifiers", total=event.count, now="")
        elif isinstance(event, ClauseFinished):
            colour = _COLOUR[event.verdict.outcome]
            text = f"{event.clause.id} {event.verdict.outcome}"
            progress.update(self._task, advance=1, now=text)
            if event.verdict.outcome is Outcome.FAIL:
                progress.console.print(f"[{colour}]{text}[/] {escape(event.verdict.reason)}")
        elif isinstance(event, FalsifierFinished):
            progress.update(self._task, advance=1, now=f"{event.run.clause} {event.run.label}")


def _rate_and_rest() -> TextColumn:
    """Rate and time left, from the task's own clock."""

    class Column(TextColumn):
        def render(self, task):  # type: ignore[no-untyped-def]
            speed, left = task.speed, task.time_remaining
            self.text_format = (
                f"{speed:.1f}/s, {left:.0f} s left" if speed and left is not None else ""
            )
            return super().render(task)

    return Column("")


def summary(report: Report, console: Console, *, bundle: str | None) -> None:
    """Failures first with reason and remedy, then contracts, claims and the verdict line."""
    show = _printer(console)
    for clause in report.clauses:
        if clause.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE):
            _trouble(clause, show)
    for falsifier in report.survivors:
        show(
            f"[bold red]SURVIVED[/] {falsifier.clause} under {escape(falsifier.label)}: "
            f"{escape(falsifier.reason)}"
        )
    console.print(_contracts(report))
    for claim in report.claims:
        colour = _SCOPE_COLOUR[claim.scope]
        tier = f" tier {claim.tier}" if claim.scope is not Scope.DENIED else ""
        show(
            f"[{colour}]{claim.scope.upper()}{tier}[/] {claim.claim}: "
            f"{escape(claim.sentence or claim.title)}"
        )
        for reason in claim.reasons[:SHOWN_REASONS]:
            show(f"    {escape(reason)}")
        if len(claim.reasons) > SHOWN_REASONS:
            show(f"    and {len(claim.reasons) - SHOWN_REASONS} more reasons, see report.md")
    if bundle:
        show(f"\nbundle {escape(bundle)}")
    colour = "bold green" if report.verdict.word == "GO" else "bold red"
    show(f"[{colour}]{escape(report.verdict.line)}[/]")


def _printer(console: Console) -> Callable[[str], None]:
    return lambda text: console.print(text, highlight=False, soft_wrap=not console.is_terminal)


def _trouble(clause: ClauseView, show: Callable[[str], None]) -> None:
    colour = _COLOUR[clause.outcome]
    optional = "" if clause.required else " (not required)"
    show(f"[{colour}]{clause.outcome.upper()}[/] {clause.id}{optional} {escape(clause.statement)}")
    show(f"    {escape(clause.reason)}")
    if clause.outcome is Outcome.FAIL:
        if clause.measured is not None and not clause.tolerance["exact"]:
            got = number(clause.measured, clause.unit)
            show(f"    measured {escape(got)}, allowed {escape(tolerance(clause))}")
        show(f"    remedy: {escape(clause.remedy)}")
        show(f"    sources: {escape(', '.join(f'{s.id} ({s.at})' for s in clause.sources))}")
    for name in clause.files:
        show(f"    kept {escape(name)}")


def _contracts(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("contract", "pass", "not passed", "falsifiers", "worst/tolerance", "seconds"):
        table.add_column(name, justify="left" if name == "contract" else "right")
    names = dict.fromkeys(clause.contract for clause in report.clauses)
    for name in names:
        clauses = [clause for clause in report.clauses if clause.contract == name]
        own = {clause.id for clause in clauses}
        runs = [falsifier for falsifier in report.falsifiers if falsifier.clause in own]
        passed = sum(clause.outcome is Outcome.PASS for clause in clauses)
        ratios = [r for clause in clauses if (r := _ratio(clause)) is not None]
        table.add_row(
            name,
            f"{passed}/{len(clauses)}",
            str(len(clauses) - passed) if passed < len(clauses) else "",
            f"{sum(f.killed for f in runs)}/{len(runs)}",
            f"{max(ratios):.2g}" if ratios else "",
            f"{sum(c.elapsed_s for c in clauses) + sum(f.elapsed_s for f in runs):.1f}",
            style=None if passed == len(clauses) else "yellow",
        )
    return table


def _ratio(clause: ClauseView) -> float | None:
    allowed = clause.tolerance["value"]
    return clause.measured / allowed if allowed and isinstance(clause.measured, float) else None

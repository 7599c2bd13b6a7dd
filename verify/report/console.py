"""The summary a person reads in five seconds: what failed and why, claims, then the verdict line.

Plain text in lines of any length where it is piped; wrapped and coloured on a terminal. Ids are
never cut.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from verify.mutate import rate as detection
from verify.outcome import Outcome
from verify.report import claims
from verify.report.model import ClauseView, Report
from verify.report.words import measured, printable, share_of_tolerance, sources, tolerance
from verify.scope import ClaimVerdict, Form, Scope

_COLOUR = {
    Outcome.FAIL: "red",
    Outcome.ERROR: "magenta",
    Outcome.TIMEOUT: "magenta",
    Outcome.UNKNOWN: "yellow",
    Outcome.WAIVED: "cyan",
    Outcome.NOT_APPLICABLE: "white",
}
_SCOPE_COLOUR = {Scope.ALLOWED: "green", Scope.CONDITIONAL: "cyan", Scope.DENIED: "yellow"}
SHOWN_FAILURES = 12
SHOWN_REASONS = 3
SHOWN_CLAUSES = 6
SHOWN_UNASKED = 3
_INDENT = "    "


@dataclass(frozen=True)
class Line:
    """One paragraph: a coloured word, then text; `indent` for what belongs to the line above."""

    text: str
    word: str = ""
    colour: str | None = None
    indent: bool = False

    def show(self, width: int | None) -> str:
        """The paragraph, wrapped to a width where one is given."""
        plain = printable(f"{self.word} {self.text}".strip())
        lead = _INDENT if self.indent else ""
        if width is not None:
            plain = textwrap.fill(
                plain,
                max(40, width),
                initial_indent=lead,
                subsequent_indent=_INDENT + lead if self.indent else _INDENT,
                break_long_words=False,
                break_on_hyphens=False,
            ).removeprefix(lead)
        head, rest = plain[: len(self.word)], plain[len(self.word) :]
        styled = click.style(head, fg=self.colour, bold=True) if self.word else ""
        return f"{lead}{styled}{rest}"


def summary(report: Report, *, bundle: str | None, width: int | None = None) -> str:
    """The whole summary, with colours as escapes; `click.echo` drops them where none are wanted."""
    sections: list[list[Line]] = [
        [*_failures(report), *_open_ends(report), *_survivors(report)],
        [Line(row) for row in _contracts(report)],
        [*_judged(report)],
        list(_ending(report, bundle)),
    ]
    shown = ["\n".join(line.show(width) for line in section) for section in sections if section]
    return "\n\n".join(shown)


def _failures(report: Report) -> Iterator[Line]:
    failed = [clause for clause in report.troubled if clause.outcome is Outcome.FAIL]
    for clause in failed[:SHOWN_FAILURES]:
        yield from _failure(clause, report)
    if len(failed) > SHOWN_FAILURES:
        rest = " ".join(clause.id for clause in failed[SHOWN_FAILURES:])
        text = f"{len(failed) - SHOWN_FAILURES} more, see report.md: {rest}"
        yield Line(text, "FAIL", "red")


def _failure(clause: ClauseView, report: Report) -> Iterator[Line]:
    optional = "" if clause.required else " (not required)"
    yield Line(f"{clause.id}{optional} {clause.statement}", "FAIL", "red")
    yield Line(clause.reason, indent=True)
    if clause.measured is not None and not clause.tolerance["exact"]:
        yield Line(f"measured {measured(clause)}, allowed {tolerance(clause)}", indent=True)
    yield Line(f"remedy: {clause.remedy}", indent=True)
    yield Line(f"again: {report.replay(clause.id)}", indent=True)
    yield Line(f"sources: {sources(clause)}", indent=True)
    for name in clause.files:
        yield Line(f"kept {name}", indent=True)


def _open_ends(report: Report) -> Iterator[Line]:
    """What is neither pass nor fail, one entry for all clauses with the same reason."""
    groups: dict[tuple[Outcome, str], list[ClauseView]] = {}
    for clause in report.troubled:
        if clause.outcome is not Outcome.FAIL:
            groups.setdefault((clause.outcome, clause.reason), []).append(clause)
    for (outcome, reason), clauses in groups.items():
        names = " ".join(c.id if c.required else f"{c.id} (not required)" for c in clauses)
        yield Line(names, outcome.upper(), _COLOUR[outcome])
        yield Line(reason, indent=True)


def _survivors(report: Report) -> Iterator[Line]:
    for falsifier in report.survivors:
        text = f"{falsifier.clause} under {falsifier.label}: {falsifier.outcome}"
        yield Line(text, "SURVIVED", "red")
        yield Line(falsifier.reason, indent=True)


def _contracts(report: Report) -> list[str]:
    """A line a contract, in columns; it fits into 80 characters for names of ordinary length."""
    rows = [("contract", "passed", "points", "falsifiers", "worst/allowed", "seconds")]
    for name in dict.fromkeys(clause.contract for clause in report.clauses):
        clauses = [clause for clause in report.clauses if clause.contract == name]
        runs = [run for clause in clauses for run in report.falsifiers_of(clause.id)]
        shares = [share for c in clauses if (share := share_of_tolerance(c)) is not None]
        spent = sum(c.elapsed_s for c in clauses) + sum(run.elapsed_s for run in runs)
        points = report.score.of(name)
        rows.append(
            (
                name,
                f"{sum(c.outcome is Outcome.PASS for c in clauses)}/{len(clauses)}",
                points.short if points else "-",
                f"{sum(run.killed for run in runs)}/{len(runs)}",
                f"{max(shares):.2g}" if shares else "-",
                f"{spent:.1f}",
            )
        )
    return _columns(rows)


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return lines


def _judged(report: Report) -> Iterator[Line]:
    """Every claim; where a run of a part did not ask about many, these in one line."""
    unasked = [claim for claim in report.claims if _unasked(claim)]
    if len(unasked) <= SHOWN_UNASKED:
        unasked = []
    for claim in report.claims:
        if claim not in unasked:
            yield from _claim(claim, report)
    if unasked:
        names = " ".join(claim.claim for claim in unasked)
        yield Line(f"for want of clauses that were not selected: {names}", "DENIED", "yellow")


def _unasked(claim: ClaimVerdict) -> bool:
    return any(reason.endswith(" was not selected in this run") for reason in claim.reasons)


def _claim(claim: ClaimVerdict, report: Report) -> Iterator[Line]:
    tier = "" if claim.scope is Scope.DENIED else f" tier {claim.tier}"
    form = f" {claim.form}" if claim.form is not Form.STRICT else ""
    word = f"{claim.scope.upper()}{tier}{form}"
    yield Line(f"{claim.claim}: {claim.sentence or claim.title}", word, _SCOPE_COLOUR[claim.scope])
    told = {f"{c.id} {c.outcome}: {c.reason}": f"{c.id} {c.outcome}" for c in report.troubled}
    clauses = [told[reason] for reason in claim.reasons if reason in told]
    others = [reason for reason in claim.reasons if reason not in told]
    if clauses:  # why they did not pass stands above
        more = f" and {len(clauses) - SHOWN_CLAUSES} more" if len(clauses) > SHOWN_CLAUSES else ""
        yield Line(f"{', '.join(clauses[:SHOWN_CLAUSES])}{more}", indent=True)
    for reason in others[:SHOWN_REASONS]:
        yield Line(reason, indent=True)
    if len(others) > SHOWN_REASONS:
        more = f"{len(others) - SHOWN_REASONS} more reasons"
        yield Line(f"and {more}, see report.md", indent=True)
    for note in claim.waivers:
        yield Line(claims.waiver(note), indent=True)
    if shortest := claims.shortest(claim):
        yield Line(shortest, indent=True)


def _ending(report: Report, bundle: str | None) -> Iterator[Line]:
    verdict = report.verdict
    if report.about["interrupted"]:
        yield Line("the run was interrupted; what it did not reach is unknown")
    if verdict.cached:
        total = verdict.clauses + len(report.falsifiers)
        yield Line(f"{verdict.cached} of {total} results were reused from earlier runs")
    yield Line(f"pack {report.about['pack']}, subject {report.about['subject']}")
    yield Line(f"score {report.score.overall.line}")
    yield Line(detection.sentence(report.about.get("detection")))
    if bundle:
        yield Line(f"bundle {bundle}")
    colour = "green" if verdict.word == "GO" else "red"
    word = f"{verdict.word}:"
    yield Line(verdict.line.removeprefix(word).lstrip(), word, colour)

"""Numbers and sources of a clause in words, the same in every rendering."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from verify.report.model import ClauseView
from verify.score import Step

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def number(value: float | str | None, unit: str) -> str:
    """A measured value with its unit, or a dash."""
    if value is None:
        return "-"
    text = value if isinstance(value, str) else f"{value:.3g}"
    return f"{text} {unit}".strip()


def measured(clause: ClauseView) -> str:
    """What the check measured, with its unit and the axis it may be compared on."""
    text = number(clause.measured, clause.unit)
    return f"{text} [{clause.axis_words}]" if clause.number is not None else text


def tolerance(clause: ClauseView) -> str:
    """The clause's tolerance with its unit."""
    if clause.tolerance["exact"]:
        return "exact"
    return number(clause.tolerance["value"], clause.tolerance["unit"])


def share_of_tolerance(clause: ClauseView) -> float | None:
    """Measured value over tolerance, where both are numbers."""
    allowed: float | None = clause.tolerance["value"]
    if not allowed or not isinstance(clause.measured, (int, float)):
        return None
    return clause.measured / allowed


def sources(clause: ClauseView) -> str:
    """Cited facts with their locators."""
    return ", ".join(f"{source.id} ({source.at})" for source in clause.sources)


def step(one: Step) -> str:
    """One way to raise the score, with the command that shows what is wrong."""
    blocks = ", blocks" if one.blocks else ""
    head = f"{one.clause} {one.outcome}{blocks}: +{one.points} points"
    return f"{head}, `{one.command}`: {one.remedy}"


def printable(text: str) -> str:
    """Without control characters: neither XML nor a terminal should obey a contract's text."""
    return _UNPRINTABLE.sub("\ufffd", text)


def line(text: str) -> str:
    """On one line, printable."""
    return " ".join(printable(text).split())


def cell(text: str) -> str:
    """In a cell of a Markdown table."""
    return line(text).replace("|", "\\|")


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    return "\n".join(lines + ["| " + " | ".join(map(cell, row)) + " |" for row in rows])

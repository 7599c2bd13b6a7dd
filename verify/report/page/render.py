"""The page of one run, filled from its report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from verify.mutate import rate as detection
from verify.outcome import Outcome
from verify.report import claims, words
from verify.report.model import ClauseView, Report
from verify.report.page import draw, drawn

HERE = Path(__file__).parent
LONGEST_VALUE = 400  # characters of a fact's value


def render(report: Report) -> str:
    """The whole report as one page."""
    cited = _cited(report)
    return (
        templates()
        .get_template("report.html.jinja")
        .render(
            report=report,
            counts=_counts(report),
            contracts=sorted({clause.contract for clause in report.clauses}),
            authorities={one.id: one for one in report.authorities},
            facts=_facts(report),
            cited=cited,
            falsifiers=_falsifiers(report),
            detection=detection.sentence(report.about.get("detection")),
            conflicts_of=_conflicts(report),
            Outcome=Outcome,
        )
    )


@cache
def templates(*folders: Path) -> Environment:
    """The templates of other folders and of this one: everything is escaped, a missing name is an
    error."""
    found = Environment(
        loader=FileSystemLoader([*folders, HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_printable,
    )
    found.globals |= {
        "style": Markup((HERE / "style.css").read_text(encoding="utf-8")),
        "script": Markup((HERE / "script.js").read_text(encoding="utf-8")),
        "draw": draw,
        "claims": claims,
        "words": words,
        "drawings": drawn.drawings,
        "measures": drawn.measures,
        "kind_of": lambda one: getattr(one, "kind", "sentence"),
    }
    found.filters |= {"value": _value}
    return found


def _printable(value: object) -> object:
    """Control characters of a pack's texts do not reach the page."""
    return value if isinstance(value, Markup) else words.printable(str(value))


def _value(value: Any) -> str:
    """A fact's value as it is read, in bounded length."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]} ... (shortened)"


def _falsifiers(report: Report) -> str:
    if not report.about["falsify"]:
        return f"{report.verdict.falsifiers_due} falsifiers, not tried in this run"
    killed, due = report.verdict.falsifiers_killed, report.verdict.falsifiers_due
    return f"{killed} of {due} falsifiers turned their clause red"


def _counts(report: Report) -> dict[str, int]:
    """How many clauses have each outcome; outcomes that none has are left out."""
    found = [str(clause.outcome) for clause in report.clauses]
    return {str(one): found.count(str(one)) for one in Outcome if str(one) in found}


def _facts(report: Report) -> Mapping[str, Any]:
    """Every cited fact, by authority and then by name."""
    found = {source.id: source for clause in report.clauses for source in clause.sources}
    grouped: dict[str, list[Any]] = {}
    for name in sorted(found):
        grouped.setdefault(name.partition(":")[0], []).append(found[name])
    return grouped


def _cited(report: Report) -> Mapping[str, list[str]]:
    """Fact to the clauses that cite it."""
    found: dict[str, list[str]] = {}
    for clause in report.clauses:
        for source in clause.sources:
            found.setdefault(source.id, []).append(clause.id)
    return found


def _conflicts(report: Report) -> Mapping[str, list[str]]:
    """Clause to the conflicts about a topic that it cites."""
    return {clause.id: _about(report, clause) for clause in report.clauses}


def _about(report: Report, clause: ClauseView) -> list[str]:
    topics = {source.id.partition(":")[2] for source in clause.sources}
    return [one.id for one in report.conflicts if one.topic in topics]

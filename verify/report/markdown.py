"""`report.md`: the same report for people who read it later, on the web or in a pull request."""

from __future__ import annotations

from verify.outcome import Outcome
from verify.report.model import ClaimView, ClauseView, Report
from verify.scope import Scope

_ORDER = [
    Outcome.FAIL,
    Outcome.ERROR,
    Outcome.TIMEOUT,
    Outcome.UNKNOWN,
    Outcome.WAIVED,
    Outcome.NOT_APPLICABLE,
    Outcome.PASS,
]


def render(report: Report) -> str:
    """The whole report as markdown."""
    about = report.about
    parts = [
        f"# {report.verdict.line}",
        f"Pack `{about['pack']}` against subject `{about['subject']}`, seed {about['seed']}, "
        f"profile {about['profile']}, {about['started']} to {about['finished']}.",
        _table(
            ("digest", "sha256"),
            [(name, f"`{value}`") for name, value in sorted(about["digests"].items())]
            + [("evidence", f"`{report.evidence_head}`")],
        ),
        "## Claims",
        "\n\n".join(_claim(claim) for claim in report.claims) or "The pack states no claims.",
    ]
    if report.survivors:
        rows = [(f.clause, f"`{f.label}`", f.outcome, _cell(f.reason)) for f in report.survivors]
        parts += [
            "## Falsifiers that survived",
            _table(("clause", "mutant", "outcome", "why"), rows),
        ]
    troubled = [clause for clause in report.clauses if clause.outcome is not Outcome.PASS]
    if troubled:
        troubled.sort(key=lambda clause: _ORDER.index(clause.outcome))
        parts += ["## Clauses that did not pass", "\n\n".join(map(_trouble, troubled))]
    parts += ["## All clauses", _clause_table(report)]
    return "\n\n".join(parts) + "\n"


def _claim(claim: ClaimView) -> str:
    head = f"### {claim.claim}: {claim.scope}"
    if claim.scope is not Scope.DENIED:
        head += f", tier {claim.tier}"
    lines = [head, "", f"{claim.title}. {claim.passed}/{claim.needed} needed clauses pass."]
    if claim.sentence:
        lines += ["", f"> {claim.sentence}"]
    lines += ["", *(f"- {reason}" for reason in claim.reasons)] if claim.reasons else []
    if claim.unlock:
        lines += ["", "To unlock:", "", *(f"1. {step}" for step in claim.unlock)]
    return "\n".join(lines)


def _trouble(clause: ClauseView) -> str:
    sources = ", ".join(f"{source.id} ({source.at})" for source in clause.sources)
    lines = [
        f"**{clause.id}** {clause.outcome} ({clause.cause}): {clause.statement}",
        "",
        f"- {clause.reason}",
        f"- remedy: {clause.remedy}",
        f"- sources: {sources}",
    ]
    return "\n".join(lines + [f"- [{name}]({name})" for name in clause.files])


def _clause_table(report: Report) -> str:
    rows = []
    for clause in report.clauses:
        runs = [f for f in report.falsifiers if f.clause == clause.id]
        rows.append(
            (
                clause.id,
                clause.outcome,
                _cell(clause.statement),
                number(clause.measured, clause.unit),
                tolerance(clause),
                f"{sum(f.killed for f in runs)}/{len(runs)}",
                _cell(", ".join(source.id for source in clause.sources)),
            )
        )
    names = ("clause", "outcome", "statement", "measured", "tolerance", "falsifiers", "sources")
    return _table(names, rows)


def number(value: float | str | None, unit: str) -> str:
    """A measured value with its unit, or a dash."""
    if value is None:
        return "-"
    text = value if isinstance(value, str) else f"{value:.3g}"
    return f"{text} {unit}".strip()


def tolerance(clause: ClauseView) -> str:
    """The clause's tolerance with its unit."""
    if clause.tolerance["exact"]:
        return "exact"
    return number(clause.tolerance["value"], clause.tolerance["unit"])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _table(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])

"""`report.md`: the same report for people who read it later, on the web or in a pull request."""

from __future__ import annotations

from verify.mutate import rate as detection
from verify.outcome import Outcome
from verify.report import claims
from verify.report.model import ClauseView, Report
from verify.report.words import measured, sources, step, table, tolerance
from verify.scope import ClaimVerdict

SHOWN_STEPS = 10


def render(report: Report) -> str:
    """The whole report as markdown."""
    parts = [
        f"# {report.verdict.line}",
        _about(report),
        _digests(report),
        "## Score",
        _score(report),
        "## Claims",
        "\n\n".join(_claim(claim) for claim in report.claims) or "The pack states no claims.",
    ]
    if report.coverage:
        parts += ["## Coverage", "\n".join(f"- {one.line}" for one in report.coverage)]
    if report.survivors:
        rows = [(f.clause, f"`{f.label}`", f.outcome, f.reason) for f in report.survivors]
        names = ("clause", "mutant", "outcome", "why")
        parts += ["## Falsifiers that survived", table(names, rows)]
    if report.troubled:
        troubles = "\n\n".join(_trouble(clause, report) for clause in report.troubled)
        parts += ["## Clauses that did not pass", troubles]
    parts += ["## All clauses", _clause_table(report)]
    return "\n\n".join(parts) + "\n"


def _about(report: Report) -> str:
    about = report.about
    text = (
        f"Pack `{about['pack']}` against subject `{about['subject']}`, seed {about['seed']}, "
        f"profile {about['profile']}, {about['started']} to {about['finished']}."
    )
    if about["interrupted"]:
        text += " **The run was interrupted**; what it did not reach is unknown."
    if report.verdict.cached:
        text += f" {report.verdict.cached} results were reused from earlier runs (`--cached`)."
    return f"{text} Of {detection.sentence(report.about.get('detection'))}."


def _digests(report: Report) -> str:
    rows = [(name, f"`{value}`") for name, value in sorted(report.about["digests"].items())]
    return table(("digest", "sha256"), [*rows, ("evidence", f"`{report.evidence_head}`")])


def _score(report: Report) -> str:
    """Points by contract, what raises them, and what is in neither number."""
    score = report.score
    rows = [(p.name, p.short, p.line) for p in (*score.contracts, score.overall)]
    parts = [f"{score.overall.line}.", table(("contract", "points", "in words"), rows)]
    if score.steps:
        lines = [f"1. {' '.join(step(one).split())}" for one in score.steps[:SHOWN_STEPS]]
        parts += ["The shortest way to raise it:", "\n".join(lines)]
    if len(score.steps) > SHOWN_STEPS:
        parts.append(f"And {len(score.steps) - SHOWN_STEPS} more: `verify score`.")
    absent = ", ".join(score.overall.not_applicable)
    if absent:
        parts.append(f"Not applicable, in neither number: {absent}.")
    return "\n\n".join(parts)


def _claim(claim: ClaimVerdict) -> str:
    head = f"### {claim.claim}: {claims.verdict(claim)}"
    lines = [head, "", f"About: {claim.title} ({claims.about(claim)})."]
    if claim.sentence:
        lines += ["", f"> {claim.sentence}"]
    lines += ["", *(f"- {reason}" for reason in claim.reasons)] if claim.reasons else []
    lines += ["", *(f"- {claims.waiver(note)}" for note in claim.waivers)] if claim.waivers else []
    if claim.unlock:
        head = f"To {claims.raises_to(claim.unlock)} ({len(claim.unlock.leaves)}):"
        steps = [f"1. {text} `{command}`" for text, command in claims.steps(claim.unlock)]
        lines += ["", head, "", *steps]
    elif claim.capped:
        lines += ["", f"No way up: {claim.capped}."]
    return "\n".join(lines)


def _trouble(clause: ClauseView, report: Report) -> str:
    optional = "" if clause.required else ", not required"
    lines = [
        f"**{clause.id}** {clause.outcome} ({clause.cause}{optional}): {clause.statement}",
        "",
        f"- {clause.reason}",
        f"- measured {measured(clause)}, tolerance {tolerance(clause)}",
        f"- remedy: {clause.remedy}",
        f"- again: `{report.replay(clause.id)}`",
        f"- sources: {sources(clause)}",
        f"- contract: {clause.file}:{clause.line}",
    ]
    return "\n".join(lines + [f"- [{name}]({name})" for name in clause.files])


def _clause_table(report: Report) -> str:
    names = ("clause", "outcome", "statement", "measured", "tolerance", "falsifiers", "sources")
    return table(names, [_row(report, clause) for clause in report.clauses])


def _row(report: Report, clause: ClauseView) -> tuple[str, ...]:
    runs = report.falsifiers_of(clause.id)
    cached = " (cached)" if clause.cached else ""
    return (
        clause.id,
        f"{clause.outcome}{cached}",
        clause.statement,
        measured(clause) if clause.outcome is not Outcome.NOT_APPLICABLE else "-",
        tolerance(clause),
        f"{sum(f.killed for f in runs)}/{len(runs)}",
        ", ".join(source.id for source in clause.sources),
    )

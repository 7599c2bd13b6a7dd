"""`report.html`: one page without scripts or outside files, readable years later."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from verify.report import claims
from verify.report.model import ClaimView, ClauseView, Report
from verify.report.words import measured, printable, sources, step, tolerance
from verify.scope import Scope

_STYLE = """
:root { color-scheme: light dark; --pass: #1a7f37; --fail: #cf222e; --warn: #9a6700; --dim: #6e7781;
  --line: #8884; }
@media (prefers-color-scheme: dark) {
  :root { --pass: #3fb950; --fail: #f85149; --warn: #d29922; --dim: #8d96a0; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; border-left: .4rem solid var(--fail); padding-left: .8rem; }
h1.go { border-color: var(--pass); }
h2 { font-size: 1.1rem; margin-top: 2rem; }
code { font-size: .85em; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .9em; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; }
th, td { border-bottom: 1px solid var(--line); }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
article { border-left: 3px solid var(--line); padding-left: .8rem; margin: 1rem 0; }
.dim { color: var(--dim); }
.pass, .allowed { color: var(--pass); font-weight: 600; }
.fail { color: var(--fail); font-weight: 600; }
.error, .timeout, .unknown, .denied, .survived { color: var(--warn); font-weight: 600; }
.waived, .conditional { color: var(--warn); }
.not_applicable { color: var(--dim); }
"""
_SCOPE_CLASS = {
    Scope.ALLOWED: "allowed",
    Scope.CONDITIONAL: "conditional",
    Scope.DENIED: "denied",
}


def render(report: Report) -> str:
    """The whole report as one page."""
    title = _safe(report.verdict.line)
    go = "go" if report.verdict.word == "GO" else "no-go"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f'<h1 class="{go}">{title}</h1>',
        _about(report),
        *_score(report),
        "<h2>Claims</h2>",
        *(_claim(claim) for claim in report.claims),
        *_coverage(report),
        *_survivors(report),
        *_troubles(report),
        "<h2>All clauses</h2>",
        _clauses(report),
        "<h2>Digests</h2>",
        _digests(report),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _safe(text: object) -> str:
    return escape(printable(str(text)))


def _about(report: Report) -> str:
    about = report.about
    text = (
        f"Pack {about['pack']} against subject {about['subject']}, seed {about['seed']}, "
        f"profile {about['profile']}, {about['started']} to {about['finished']}, "
        f"verify {about['verify']}."
    )
    if about["interrupted"]:
        text += " The run was interrupted; what it did not reach is unknown."
    if report.verdict.cached:
        text += f" {report.verdict.cached} results were reused from earlier runs."
    return f'<p class="dim">{_safe(text)}</p>'


def _score(report: Report) -> Iterable[str]:
    """Points by contract, what raises them, and what is in neither number."""
    score = report.score
    yield "<h2>Score</h2>"
    yield f"<p>{_safe(score.overall.line)}</p>"
    rows = [
        f'<td>{_safe(p.name)}</td><td class="number">{_safe(p.short)}</td><td>{_safe(p.line)}</td>'
        for p in (*score.contracts, score.overall)
    ]
    yield _table(("contract", "points", "in words"), rows)
    if score.steps:
        steps = _list(step(one) for one in score.steps)
        yield f"<details><summary>To raise it, heaviest first</summary>{steps}</details>"
    if score.overall.not_applicable:
        names = _safe(", ".join(score.overall.not_applicable))
        yield f'<p class="dim">Not applicable, in neither number: {names}</p>'


def _coverage(report: Report) -> Iterable[str]:
    """How much of each outlined source is held."""
    if report.coverage:
        yield "<h2>Coverage</h2>"
        yield _list(one.line for one in report.coverage)


def _claim(claim: ClaimView) -> str:
    scope = f'<span class="{_SCOPE_CLASS[claim.scope]}">{_safe(claims.verdict(claim))}</span>'
    parts = [
        f"<article><strong>{_safe(claim.claim)}</strong> {scope}<br>About: {_safe(claim.title)}",
        f'<span class="dim">{_safe(claims.about(claim))}</span>',
    ]
    if claim.sentence:
        parts.append(f"<blockquote>{_safe(claim.sentence)}</blockquote>")
    notes = [claims.waiver(note) for note in claim.waivers]
    parts += [_list(claim.reasons), _list(notes), _unlock(claim), "</article>"]
    return "\n".join(part for part in parts if part)


def _unlock(claim: ClaimView) -> str:
    if claim.unlock is None:
        return f'<p class="dim">No way up: {_safe(claim.capped)}.</p>' if claim.capped else ""
    head = f"To {claims.raises_to(claim.unlock)} ({len(claim.unlock.leaves)})"
    steps = "".join(
        f"<li>{_safe(text)} <code>{_safe(command)}</code></li>"
        for text, command in claims.steps(claim.unlock)
    )
    return f"<details><summary>{_safe(head)}</summary><ol>{steps}</ol></details>"


def _survivors(report: Report) -> Iterable[str]:
    if report.survivors:
        yield "<h2>Falsifiers that survived</h2>"
        for run in report.survivors:
            head = f"<strong>{_safe(run.clause)}</strong> <code>{_safe(run.label)}</code>"
            text = f'<span class="survived">{_safe(run.outcome)}</span><br>{_safe(run.reason)}'
            yield f"<article>{head} {text}</article>"


def _troubles(report: Report) -> Iterable[str]:
    if report.troubled:
        yield "<h2>Clauses that did not pass</h2>"
        yield from map(_trouble, report.troubled)


def _trouble(clause: ClauseView) -> str:
    optional = "" if clause.required else ", not required"
    outcome = f'<span class="{clause.outcome}">{_safe(clause.outcome)}</span>'
    items = [
        clause.reason,
        f"measured {measured(clause)}, tolerance {tolerance(clause)}",
        f"remedy: {clause.remedy}",
        f"sources: {sources(clause)}",
        f"contract: {clause.file}:{clause.line}",
        *(f"kept {name}" for name in clause.files),
    ]
    head = f"<strong>{_safe(clause.id)}</strong> {outcome} ({_safe(clause.cause)}{optional})"
    return f"<article>{head}<br>{_safe(clause.statement)}{_list(items)}</article>"


def _clauses(report: Report) -> str:
    names = ("clause", "outcome", "statement", "measured", "tolerance", "falsifiers", "sources")
    rows = [_row(report, clause) for clause in report.clauses]
    return _table(names, rows)


def _row(report: Report, clause: ClauseView) -> str:
    runs = report.falsifiers_of(clause.id)
    cached = ' <span class="dim">cached</span>' if clause.cached else ""
    return "".join(
        (
            f"<td>{_safe(clause.id)}</td>",
            f'<td class="{clause.outcome}">{_safe(clause.outcome)}{cached}</td>',
            f"<td>{_safe(clause.statement)}</td>",
            f'<td class="number">{_safe(measured(clause))}</td>',
            f'<td class="number">{_safe(tolerance(clause))}</td>',
            f'<td class="number">{sum(f.killed for f in runs)}/{len(runs)}</td>',
            f"<td>{_safe(', '.join(source.id for source in clause.sources))}</td>",
        )
    )


def _digests(report: Report) -> str:
    found = {**report.about["digests"], "evidence": report.evidence_head}
    rows = [
        f"<td>{_safe(name)}</td><td><code>{_safe(value)}</code></td>"
        for name, value in found.items()
    ]
    return _table(("what", "sha256"), rows)


def _table(names: Iterable[str], rows: Iterable[str]) -> str:
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _list(items: Iterable[str]) -> str:
    inner = "".join(f"<li>{_safe(item)}</li>" for item in items)
    return f"<ul>{inner}</ul>" if inner else ""

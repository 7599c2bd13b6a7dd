"""A claim's sentence, filled with what the evidence says; nothing else can be put in."""

from __future__ import annotations

import re

from verify.provenance import COUNTS
from verify.scope.evidence import Evidence
from verify.scope.forms import Finding
from verify.spec.model import Clause, Detection

_WORD = re.compile(r"\{([^{}]*)\}")


def fill(finding: Finding, evidence: Evidence) -> str:
    """The sentence of a form that may be said."""
    question = finding.question
    ratios = [r for c in question.clauses if (r := _share_of_tolerance(c, evidence)) is not None]
    words = {
        "passed": str(finding.passed),
        "needed": str(len(question.clauses)),
        "worst": f"{max(ratios):.2g}" if ratios else "none",
        "subject": evidence.subject,
        "semantics": question.claim.semantics or "reference",
        "axis": str(finding.axis) if finding.axis else "none",
        "measured": ", ".join(_measured(c, evidence) for c in question.metrics) or "none",
        "detection": _noticed(question.needs.detection, evidence),
        **{name: _least(name, question.metrics, evidence) for name in COUNTS},
    }
    # In one go: what is filled in is no pattern of its own.
    return _WORD.sub(lambda found: words.get(found[1], found[0]), question.sentence)


def _noticed(asked: Detection | None, evidence: Evidence) -> str:
    """What share of single changes each contract that a form asks about notices."""
    rates = evidence.detection or {}
    names = asked.contracts if asked else ()
    return "; ".join(f"{name} {rates[name].line()}" for name in names if name in rates) or "none"


def _measured(clause: Clause, evidence: Evidence) -> str:
    verdict = evidence.verdicts[clause.id]
    if not isinstance(verdict.measured, (int, float)):
        return "none"
    return f"{verdict.measured:.3g} {verdict.unit or clause.tolerance.unit}".strip()


def _least(name: str, metrics: tuple[Clause, ...], evidence: Evidence) -> str:
    """The least that stands behind any of the form's numbers."""
    counts = [getattr(evidence.verdicts[clause.id].provenance, name) for clause in metrics]
    return "an unknown number of" if None in counts or not counts else f"{min(counts):,}"


def _share_of_tolerance(clause: Clause, evidence: Evidence) -> float | None:
    """Measured value over the clause's tolerance, where both are numbers."""
    measured, allowed = evidence.verdicts[clause.id].measured, clause.tolerance.value
    if allowed and isinstance(measured, (int, float)):
        return measured / allowed
    return None

"""From a run's findings to its score: which passes are proven, and what that earns."""

from __future__ import annotations

from typing import Any

from verify.report.views import ClauseView, FalsifierView
from verify.score import Score, Scored, score


def proven(clause: ClauseView, runs: list[FalsifierView], about: dict[str, Any]) -> bool:
    """Whether each falsifier of a clause ran and turned it red.

    Native falsifiers carry the column that they changed, in brackets behind their label.
    """
    ran = [run.label for run in runs]
    return (
        bool(about.get("falsify"))
        and all(run.killed for run in runs)
        and all(
            any(name == label or name.startswith(f"{label}[") for name in ran)
            for label in clause.falsifiers
        )
    )


def scored(
    clauses: list[ClauseView], falsifiers: list[FalsifierView], about: dict[str, Any]
) -> Score:
    """The score of a run's clauses."""
    tried: dict[str, list[FalsifierView]] = {}
    for run in falsifiers:
        tried.setdefault(run.clause, []).append(run)
    found = [
        Scored(
            clause=clause.id,
            contract=clause.contract,
            weight=clause.weight,
            severity=clause.severity,
            outcome=clause.outcome,
            proven=proven(clause, tried.get(clause.id, []), about),
            survivors=tuple(run.label for run in tried.get(clause.id, []) if not run.killed),
            remedy=clause.remedy,
        )
        for clause in clauses
    ]
    return score(found, whole=not about.get("selectors"))

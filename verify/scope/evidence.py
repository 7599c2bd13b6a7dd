"""What a run found, as the solver asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from verify.outcome import Axis, Outcome
from verify.run.results import FalsifierRun, Verdict
from verify.spec.model import Clause


@dataclass(frozen=True)
class Evidence:
    """What a run found; a falsifier that is not among `falsifiers` was not tried."""

    clauses: tuple[Clause, ...]
    verdicts: Mapping[str, Verdict]
    falsifiers: tuple[FalsifierRun, ...]
    subject: str

    @cached_property
    def _by_clause(self) -> dict[str, list[FalsifierRun]]:
        found: dict[str, list[FalsifierRun]] = {}
        for run in self.falsifiers:
            found.setdefault(run.clause, []).append(run)
        return found

    def runs(self, clause_id: str) -> tuple[FalsifierRun, ...]:
        """The falsifiers that were tried on a clause."""
        return tuple(self._by_clause.get(clause_id, ()))

    def survivors(self, clause_id: str) -> tuple[FalsifierRun, ...]:
        """Falsifiers that did not turn the clause red."""
        return tuple(run for run in self.runs(clause_id) if not run.killed)

    def untried(self, clause: Clause) -> tuple[str, ...]:
        """Labels of falsifiers that did not run.

        Native ones carry the column they changed behind their label.
        """
        tried = [run.label for run in self.runs(clause.id)]
        return tuple(
            f.label
            for f in clause.falsifiers
            if not any(label == f.label or label.startswith(f"{f.label}[") for label in tried)
        )

    def outcome(self, clause_id: str) -> Outcome | None:
        """What became of a clause; None where it was not selected."""
        verdict = self.verdicts.get(clause_id)
        return verdict.outcome if verdict else None

    def axis(self, clause: Clause) -> Axis | None:
        """The weaker of the stated and the measured axis of a metric clause's number."""
        verdict = self.verdicts.get(clause.id)
        if verdict is None or verdict.axis is None or clause.axis is None:
            return None
        return max(Axis(verdict.axis), clause.axis, key=list(Axis).index)

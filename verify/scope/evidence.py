"""What a run found, as the solver asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any

from verify.attest.model import NOBODY, Trust
from verify.attest.standing import shortfall
from verify.mutate.rate import Rate
from verify.outcome import Axis, Outcome, reaches
from verify.run.results import FalsifierRun, Verdict
from verify.scope.tiers import weakest_axis
from verify.spec.model import Clause


@dataclass(frozen=True)
class Evidence:
    """What a run found; a falsifier that is not among `falsifiers` was not tried.

    trust      whose signatures of records count
    detection  contract -> changes of its code by what became of them (`verify.mutate.rate`); None
               where nobody measured that for exactly these files
    supposed   clauses whose records count as signed, and contracts whose detection counts as
               enough: the solver asks what would follow
    """

    clauses: tuple[Clause, ...]
    verdicts: Mapping[str, Verdict]
    falsifiers: tuple[FalsifierRun, ...]
    subject: str
    trust: Trust = NOBODY
    detection: Mapping[str, Rate] | None = None
    supposed: frozenset[str] = frozenset()

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
        tried = {run.label for run in self.runs(clause.id)}
        return tuple(
            f.label
            for f in clause.falsifiers
            if f.label not in tried and not any(one.startswith(f"{f.label}[") for one in tried)
        )

    def outcome(self, clause_id: str) -> Outcome | None:
        """What became of a clause; None where it was not selected."""
        verdict = self.verdicts.get(clause_id)
        return verdict.outcome if verdict else None

    def supposing(self, name: str) -> Evidence:
        """The same, were the records of a clause signed, or the detection of a contract enough."""
        return self._but(self._by_clause, supposed=self.supposed | {name})

    def judging(self, clause_id: str, verdict: Verdict) -> Evidence:
        """The same, had a clause this verdict."""
        return self._but(self._by_clause, verdicts={**self.verdicts, clause_id: verdict})

    def trying(self, clause_id: str, runs: Iterable[FalsifierRun]) -> Evidence:
        """The same, were these the falsifiers that were tried on a clause."""
        found = {**self._by_clause, clause_id: list(runs)}
        return self._but(found, falsifiers=tuple(chain.from_iterable(found.values())))

    def _but(self, by_clause: dict[str, list[FalsifierRun]], **changes: Any) -> Evidence:
        """A claim is asked of some hundred of these: their falsifiers are sorted once."""
        found = replace(self, **changes)
        found.__dict__["_by_clause"] = by_clause
        return found

    def axis(self, clause: Clause) -> Axis | None:
        """Where a metric clause's number counts: what nothing signed bears out, as a proxy."""
        found = self.measured_axis(clause)
        return Axis.PROXY if self.unsigned(clause) else found

    def unsigned(self, clause: Clause) -> str:
        """Why a number on paper-eval or repo-eval does not count there; empty where it does."""
        strong = reaches(self.measured_axis(clause), Axis.REPO_EVAL)
        if not strong or clause.id in self.supposed:
            return ""
        return shortfall(self.verdicts[clause.id].backing, self.trust)

    def measured_axis(self, clause: Clause) -> Axis | None:
        """The weaker of the stated and the measured axis of a metric clause's number."""
        verdict = self.verdicts.get(clause.id)
        if verdict is None or verdict.axis is None or clause.axis is None:
            return None
        return weakest_axis([Axis(verdict.axis), clause.axis])

"""The report as data: `report.json`, schema verify/report/1, built from the evidence file alone."""

from __future__ import annotations

from collections import Counter
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from verify.outcome import Outcome, Reason
from verify.problems import IntegrityError
from verify.run.evidence import chain_head, records
from verify.scope import Scope, Tier

SCHEMA = "verify/report/1"


class ExitCode(IntEnum):
    """What the process says to a machine; when several apply, 5 > 4 > 2 > 1 > 3."""

    GO = 0
    FAILED = 1
    USAGE = 2
    INCOMPLETE = 3
    INTEGRITY = 4
    INTERNAL = 5


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceView(_Part):
    """A cited fact."""

    id: str
    at: str
    value: Any = None
    says: str = ""


class ClauseView(_Part):
    """A clause with its outcome."""

    id: str
    contract: str
    statement: str
    kind: str
    severity: str
    required: bool
    axis: str | None
    tags: list[str]
    sources: list[SourceView]
    tolerance: dict[str, Any]
    remedy: str
    falsifiers: list[str]
    outcome: Outcome
    cause: Reason
    reason: str
    measured: float | str | None
    unit: str
    measured_axis: str | None
    details: dict[str, Any]
    files: list[str]
    elapsed_s: float
    peak_mb: float


class FalsifierView(_Part):
    """A mutant tried against a clause."""

    clause: str
    label: str
    killed: bool
    outcome: Outcome
    reason: str
    elapsed_s: float


class ClaimView(_Part):
    """What may be said."""

    claim: str
    title: str
    scope: Scope
    tier: Tier
    sentence: str
    reasons: list[str]
    unlock: list[str]
    passed: int
    needed: int


class VerdictView(_Part):
    """The one line, and the numbers it is made of."""

    word: Literal["GO", "NO-GO"]
    line: str
    exit_code: int
    clauses: int
    evaluated: int
    passed: int
    failed: int
    unknown: int
    errors: int
    timeouts: int
    waived: int
    not_applicable: int
    falsifiers_due: int
    falsifiers_killed: int


class Report(_Part):
    """All that one run found."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal["verify/report/1"] = Field(default="verify/report/1", alias="schema")
    verdict: VerdictView
    about: dict[str, Any]
    claims: list[ClaimView]
    clauses: list[ClauseView]
    falsifiers: list[FalsifierView]
    evidence_head: str

    def clause(self, clause_id: str) -> ClauseView:
        """One clause by id."""
        return next(clause for clause in self.clauses if clause.id == clause_id)

    @property
    def survivors(self) -> list[FalsifierView]:
        """Falsifiers that did not turn their clause red."""
        return [falsifier for falsifier in self.falsifiers if not falsifier.killed]


def from_evidence(path: Path) -> Report:
    """Read an evidence file and build the report; raises IntegrityError on a broken chain."""
    about: dict[str, Any] = {}
    described: list[dict[str, Any]] = []
    outcomes: dict[str, dict[str, Any]] = {}
    falsifiers: list[FalsifierView] = []
    claims: list[ClaimView] = []
    due: int | None = None
    ended = False
    for record in records(path):
        kind, data = record["kind"], record["data"]
        if kind == "run":
            described = data.pop("clauses")
            about = data
        elif kind == "clause":
            outcomes[data.pop("id")] = data
        elif kind == "falsifiers_due":
            due = data["count"]
        elif kind == "falsifier":
            kept = {name: data[name] for name in FalsifierView.model_fields}
            falsifiers.append(FalsifierView(**kept))
        elif kind == "claims":
            claims = [ClaimView(**claim) for claim in data["claims"]]
        elif kind == "end":
            about = {**about, **data}
            ended = True
    if not ended:
        raise IntegrityError(f"{path}: found no end record; expected a finished run")
    clauses = [_clause_view(item, outcomes[item["id"]]) for item in described]
    return Report(
        verdict=_verdict(clauses, falsifiers, due),
        about=about,
        claims=claims,
        clauses=clauses,
        falsifiers=falsifiers,
        evidence_head=chain_head(path),
    )


def _clause_view(description: dict[str, Any], outcome: dict[str, Any]) -> ClauseView:
    data = dict(outcome)
    data["measured_axis"] = data.pop("axis")
    return ClauseView(**description, **data)


def _verdict(
    clauses: list[ClauseView], falsifiers: list[FalsifierView], due: int | None
) -> VerdictView:
    count = Counter(clause.outcome for clause in clauses)
    killed = sum(falsifier.killed for falsifier in falsifiers)
    expected = due if due is not None else _promised(clauses)
    evaluated = count[Outcome.PASS] + count[Outcome.FAIL] + count[Outcome.WAIVED]
    code = _exit_code(clauses, len(falsifiers) - killed, len(falsifiers) == expected)
    word: Literal["GO", "NO-GO"] = "GO" if code is ExitCode.GO else "NO-GO"
    line = (
        f"{word}: {evaluated}/{len(clauses)} evaluated, {count[Outcome.FAIL]} failed, "
        f"{count[Outcome.UNKNOWN]} unknown"
    )
    for outcome, plural in (
        (Outcome.ERROR, "errors"),
        (Outcome.TIMEOUT, "timed out"),
        (Outcome.WAIVED, "waived"),
        (Outcome.NOT_APPLICABLE, "not applicable"),
    ):
        if count[outcome]:
            line += f", {count[outcome]} {plural}"
    line += f", falsifiers {killed}/{expected}"
    return VerdictView(
        word=word,
        line=line,
        exit_code=code,
        clauses=len(clauses),
        evaluated=evaluated,
        passed=count[Outcome.PASS],
        failed=count[Outcome.FAIL],
        unknown=count[Outcome.UNKNOWN],
        errors=count[Outcome.ERROR],
        timeouts=count[Outcome.TIMEOUT],
        waived=count[Outcome.WAIVED],
        not_applicable=count[Outcome.NOT_APPLICABLE],
        falsifiers_due=expected,
        falsifiers_killed=killed,
    )


def _promised(clauses: list[ClauseView]) -> int:
    """Falsifiers that would have been due had they been run: those of the passing clauses."""
    return sum(len(c.falsifiers) for c in clauses if c.outcome is Outcome.PASS)


def _exit_code(clauses: list[ClauseView], survivors: int, all_ran: bool) -> ExitCode:
    """A surviving falsifier is a failure: the clause it belongs to proves nothing."""
    if any(clause.outcome is Outcome.FAIL for clause in clauses) or survivors:
        return ExitCode.FAILED
    open_ = (Outcome.UNKNOWN, Outcome.ERROR, Outcome.TIMEOUT)
    incomplete = any(clause.required and clause.outcome in open_ for clause in clauses)
    nothing = not any(clause.outcome.evaluated for clause in clauses)
    return ExitCode.INCOMPLETE if incomplete or nothing or not all_ran else ExitCode.GO

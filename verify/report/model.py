"""The report as data: `report.json`, schema verify/report/2, built from the evidence file alone."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from verify.attest.backing import read_backing
from verify.attest.model import Trust
from verify.attest.standing import shortfall, trust_of
from verify.outcome import Axis, Outcome, reaches
from verify.problems import IntegrityError
from verify.report.covered import covered
from verify.report.scoring import proven, scored
from verify.report.shapes import hold_shapes
from verify.report.verdict import ExitCode as ExitCode
from verify.report.verdict import VerdictView, verdict_of
from verify.report.views import AuthorityView, ConflictView, CoverageView, Part
from verify.report.views import ClauseView as ClauseView
from verify.report.views import FalsifierView as FalsifierView
from verify.run.evidence import Record, records
from verify.scope import ClaimVerdict
from verify.score import Score
from verify.spec.model import Severity
from verify.spec.outline import Outline

SCHEMA = "verify/report/2"
PINS = ("key", "reads", "children", "evaluations")  # of a record, for the one who looks at it again

_WORST_FIRST = [
    Outcome.FAIL,
    Outcome.ERROR,
    Outcome.TIMEOUT,
    Outcome.UNKNOWN,
    Outcome.WAIVED,
    Outcome.NOT_APPLICABLE,
    Outcome.PASS,
]
_SEVERE_FIRST = list(Severity)
_CLAIMS = TypeAdapter(list[ClaimVerdict])


@dataclass(frozen=True)
class _Grouped:
    """A list of falsifiers, how long it was, and those of each clause."""

    listed: list[FalsifierView]
    count: int
    of: dict[str, list[FalsifierView]]


class Report(Part):
    """All that one run found."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal["verify/report/2"] = Field(default="verify/report/2", alias="schema")
    verdict: VerdictView
    score: Score
    about: dict[str, Any]
    claims: list[ClaimVerdict]
    clauses: list[ClauseView]
    falsifiers: list[FalsifierView]
    coverage: list[CoverageView] = Field(default_factory=list)
    authorities: list[AuthorityView] = Field(default_factory=list)
    conflicts: list[ConflictView] = Field(default_factory=list)
    evidence_head: str

    def falsifiers_of(self, clause_id: str) -> list[FalsifierView]:
        """The mutants tried against one clause."""
        # A copy keeps what is kept here, and may have other falsifiers.
        grouped = self._grouped
        if grouped.listed is not self.falsifiers or grouped.count != len(self.falsifiers):
            del self.__dict__["_grouped"]
            grouped = self._grouped
        return list(grouped.of.get(clause_id, ()))

    @cached_property
    def _grouped(self) -> _Grouped:
        of: dict[str, list[FalsifierView]] = {}
        for one in self.falsifiers:
            of.setdefault(one.clause, []).append(one)
        return _Grouped(self.falsifiers, len(self.falsifiers), of)

    def sound(self, clause: ClauseView) -> bool:
        """Whether a clause passed and each of its falsifiers ran and turned it red."""
        return clause.outcome is Outcome.PASS and proven(
            clause, self.falsifiers_of(clause.id), self.about
        )

    def replay(self, clause_id: str) -> str:
        """The command that judges one clause again: the same subject, seed and examples."""
        about = self.about
        named = {name: str(about[name]) for name in ("subject", "profile", "seed")}
        words = [word for name, value in named.items() for word in (f"--{name}", value)]
        return shlex.join(["verify", "replay", clause_id, *words])

    @property
    def troubled(self) -> list[ClauseView]:
        """Clauses that did not pass, the worst first: by outcome, then by severity."""
        found = [clause for clause in self.clauses if clause.outcome is not Outcome.PASS]
        return sorted(
            found, key=lambda c: (_WORST_FIRST.index(c.outcome), _SEVERE_FIRST.index(c.severity))
        )

    @property
    def survivors(self) -> list[FalsifierView]:
        """Falsifiers that did not turn their clause red."""
        return [falsifier for falsifier in self.falsifiers if not falsifier.killed]


def from_evidence(path: Path) -> Report:
    """Read an evidence file and build the report; raises IntegrityError on a broken chain."""
    return from_records(list(records(path)), path)


def from_records(read: Sequence[Record], path: Path) -> Report:
    """The report of the records of an evidence file; `path` is for messages."""
    first = {record.kind: record.data for record in reversed(read)}
    if "run" not in first or "claims" not in first or read[-1].kind != "end":
        raise IntegrityError(
            f"{path}: found no end record; expected the evidence of a finished run; remedy: run "
            "again"
        )
    try:
        hold_shapes(read)
        outcomes = {r.data["id"]: r.data for r in read if r.kind == "clause"}
        head = dict(first["run"])
        described, declared = head.pop("clauses"), head.pop("declared")
        outlines = [
            Outline.model_validate_json(json.dumps(one)) for one in declared.get("outlines", ())
        ]
        del head["base"]
        due = first["falsifiers_due"]["count"] if "falsifiers_due" in first else None
        trust = trust_of({**declared.get("manifest", {}), "keys": declared.get("keys", ())})
        clauses = [_clause_view(item, outcomes[item["id"]], trust) for item in described]
        falsifiers = [_falsifier_view(r.data) for r in read if r.kind == "falsifier"]
        claims = _CLAIMS.validate_python(first["claims"]["claims"])
        named = {"authorities": _authorities(declared), "conflicts": _conflicts(declared)}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"{path}: found records of another version ({_in_short(error)}); expected {SCHEMA} of "
            "this one; remedy: verify run"
        ) from None
    about = {**head, **first["end"]}
    found = report_of(clauses, falsifiers, claims, about, due, read[-1].hash, outlines)
    return found.model_copy(update=named)


def report_of(
    clauses: list[ClauseView],
    falsifiers: list[FalsifierView],
    claims: Sequence[ClaimVerdict],
    about: dict[str, Any],
    due: int | None,
    head: str,
    outlines: Sequence[Outline] = (),
) -> Report:
    """A report of findings; verdict, score and coverage follow from them."""
    return Report(
        verdict=verdict_of(clauses, falsifiers, due, about),
        score=scored(clauses, falsifiers, about),
        about=about,
        claims=list(claims),
        clauses=clauses,
        falsifiers=falsifiers,
        coverage=covered(clauses, falsifiers, about, outlines),
        evidence_head=head,
    )


def _authorities(declared: dict[str, Any]) -> list[AuthorityView]:
    return [
        AuthorityView(**{name: one[name] for name in AuthorityView.model_fields})
        for one in declared["authorities"]
    ]


def _conflicts(declared: dict[str, Any]) -> list[ConflictView]:
    """The declared conflicts, each with the standing of its decision."""
    decisions = {one["id"]: one for one in declared["decisions"]}
    kept = ("id", "topic", "between", "summary", "decision")
    return [
        ConflictView(
            **{name: one[name] for name in kept},
            **{name: decisions[one["decision"]][name] for name in ("status", "title")},
        )
        for one in declared["conflicts"]
    ]


def _in_short(error: Exception) -> str:
    """Which keys are wrong; pydantic's own text shows their whole surroundings, line by line."""
    if not isinstance(error, ValidationError):
        return str(error)
    names = dict.fromkeys(".".join(map(str, item["loc"])) or item["msg"] for item in error.errors())
    return f"{error.title}: {', '.join(names)}"


def _clause_view(description: dict[str, Any], outcome: dict[str, Any], trust: Trust) -> ClauseView:
    strong = outcome["axis"] is not None and reaches(Axis(outcome["axis"]), Axis.REPO_EVAL)
    unsigned = shortfall(read_backing(outcome.get("backing", ())), trust) if strong else ""
    data = {name: value for name, value in outcome.items() if name not in ("id", "axis", *PINS)}
    data["files"] = sorted(outcome["files"])
    return ClauseView(**description, **data, measured_axis=outcome["axis"], unsigned=unsigned)


def _falsifier_view(run: dict[str, Any]) -> FalsifierView:
    return FalsifierView(**{name: run[name] for name in FalsifierView.model_fields})

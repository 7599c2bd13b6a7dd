"""Frozen models of all that a pack may state. Words are those of ARCHITECTURE.md."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from verify.outcome import Axis

ClauseId = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]*(-[A-Z0-9.]+)+$")]
ContractId = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]*$")]
ClaimId = Annotated[str, Field(pattern=r"^CLAIM(-[A-Z0-9.]+)+$")]
DecisionId = Annotated[str, Field(pattern=r"^DEC-[0-9]{4}$")]
ConflictId = Annotated[str, Field(pattern=r"^CONF-[0-9]{3}$")]
TopicId = Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$")]
FactId = Annotated[str, Field(pattern=r"^[a-z0-9_]+:[a-z0-9_]+(\.[a-z0-9_]+)+$")]
RegisteredName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$")]
FieldPath = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$")]
Text = Annotated[str, Field(min_length=1)]
Json = Any


def _real_date(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"a date of the calendar ({error})") from None
    return text


Day = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), AfterValidator(_real_date)]


class Frozen(BaseModel):
    """Strict, immutable, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Kind(StrEnum):
    """How a clause is checked."""

    CONFIG = "config"
    PROPERTY = "property"
    GOLDEN = "golden"
    METRIC = "metric"
    ARTIFACT = "artifact"
    INTERFACE = "interface"
    BENCHMARK = "benchmark"
    PROCESS = "process"


class Severity(StrEnum):
    """How much a failing clause weighs in the report's order."""

    BLOCKER = "blocker"
    MAJOR = "major"
    MINOR = "minor"


# -- facts ----------------------------------------------------------------------------------------


class Authority(Frozen):
    """A source that may be right; `cautionary` ones are cited as mistakes to catch."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    title: Text
    identifier: Text
    role: Literal["source", "cautionary", "recording"]
    licence: Text
    note: str = ""


class Fact(Frozen):
    """A value with its locator; a null value is a mention that states none."""

    value: Json
    at: Text
    says: str = ""


class Topic(Frozen):
    """What several authorities may state a fact about."""

    title: Text
    facts: Annotated[dict[str, Fact], Field(min_length=1)]


class Conflict(Frozen):
    """Two authorities disagree, or one is silent; a decision says which one governs what."""

    id: ConflictId
    topic: TopicId
    kind: Literal["contradiction", "silence"]
    between: Annotated[tuple[str, ...], Field(min_length=2)]
    decision: DecisionId
    affects: tuple[ClaimId, ...] = ()
    summary: Text


class DecisionStatus(StrEnum):
    """Where a decision stands."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    SUPERSEDED = "superseded"
    CLOSED = "closed"
    DEFERRED = "deferred"

    @property
    def settled(self) -> bool:
        """Whether a claim may rest on it."""
        return self in (DecisionStatus.ACCEPTED, DecisionStatus.CLOSED)


Category = Literal["PAPER-BACKED", "AUTHOR-CODE", "INFERRED", "OPEN", "PROTOCOL", "SEMANTIC-PARITY",
                   "CLAIM-SCOPE", "OPS-COMPAT", "RELEASE-OPS"]  # fmt: skip
Extent = Annotated[dict[Text, Annotated[int, Field(ge=1)]], Field(min_length=1)]


class Decision(Frozen):
    """Front matter of a decision record; the seven sections are in the file's body.

    impact    what cannot be said while a deferred decision is open
    promotes  a default, put in force by what was `measured`; `horizon` is the least that may do so,
              by the same names, such as {steps: 300, seeds: 3}
    """

    id: DecisionId
    title: Text
    status: DecisionStatus
    date: Day
    governs: tuple[ClaimId, ...] = ()
    conflicts: tuple[ConflictId, ...] = ()
    caps: tuple[ClaimId, ...] = ()
    evidence: tuple[Text, ...] = ()
    superseded_by: DecisionId | None = None
    category: Category | None = None
    impact: Text | None = None
    promotes: Text | None = None
    horizon: Extent | None = None
    measured: Extent | None = None


# -- contracts ------------------------------------------------------------------------------------


class Tolerance(Frozen):
    """How far off is still right, and why; `exact` clauses have no number."""

    value: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    exact: bool = False
    unit: str = ""
    basis: Text

    @model_validator(mode="after")
    def _one_of(self) -> Tolerance:
        if (self.value is None) == (not self.exact):
            raise ValueError("state either `value` or `exact: true`")
        return self


class Budget(Frozen):
    """What a clause may spend before it is stopped."""

    seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    memory_mb: Annotated[int, Field(gt=0, le=1 << 20)] = 4096


class Falsifier(Frozen):
    """A named mutant that must turn the clause red; `with` are its keyword arguments."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    mutant: RegisteredName
    arguments: Annotated[dict[str, Json], Field(alias="with")] = {}

    @property
    def label(self) -> str:
        """Name with its arguments, unique within a clause."""
        if not self.arguments:
            return self.mutant
        return f"{self.mutant}({', '.join(f'{k}={v}' for k, v in self.arguments.items())})"


class Clause(Frozen):
    """One checkable sentence."""

    id: ClauseId
    statement: Text
    kind: Kind
    check: RegisteredName | None = None
    field: FieldPath | None = None
    fact: FactId | None = None
    params: dict[str, Json] = {}
    sources: Annotated[tuple[FactId, ...], Field(min_length=1)]
    tolerance: Tolerance
    severity: Severity
    required: bool = True
    axis: Axis | None = None
    semantics: str | None = None
    tags: tuple[Text, ...] = ()
    budget: Budget = Budget()
    falsifiers: Annotated[tuple[Falsifier, ...], Field(min_length=1)]
    remedy: Text

    @model_validator(mode="after")
    def _fits_kind(self) -> Clause:
        if self.kind is Kind.CONFIG:
            if self.check is not None or self.field is None or self.fact is None:
                raise ValueError("a config clause has `field` and `fact`, and no `check`")
        elif self.check is None or self.field is not None or self.fact is not None:
            raise ValueError("a clause has a `check`; only config clauses have `field` and `fact`")
        if (self.axis is None) == (self.kind is Kind.METRIC):
            raise ValueError("`axis` belongs to metric clauses, and each of them has one")
        return self


class Contract(Frozen):
    """The clauses of one area."""

    schema_: Annotated[Literal["verify/contract/1"], Field(alias="schema")]
    contract: ContractId
    title: Text
    clauses: Annotated[tuple[Clause, ...], Field(min_length=1)]


# -- claims ---------------------------------------------------------------------------------------


class Needs(Frozen):
    """What a claim rests on: clause ids or globs, settled decisions, an evidence axis."""

    clauses: Annotated[tuple[Text, ...], Field(min_length=1)]
    decisions: tuple[DecisionId, ...] = ()
    axis: Axis | None = None


class Claim(Frozen):
    """A sentence somebody may want to say; its tier is computed, never declared."""

    id: ClaimId
    title: Text
    sentence: Text
    needs: Needs
    semantics: str | None = None
    forbids: tuple[Text, ...] = ()


class Waiver(Frozen):
    """A known failure that is accepted for a while, by name; it lowers every claim it touches."""

    clause: ClauseId
    owner: Text
    reason: Text
    expires: Day

    def expired(self, today: date) -> bool:
        """Whether it no longer holds; its last day still counts."""
        return date.fromisoformat(self.expires) < today


# -- files ----------------------------------------------------------------------------------------


class Manifest(Frozen):
    """contracts/pack.yaml: what the pack is and which code its evidence is about."""

    schema_: Annotated[Literal["verify/pack/1"], Field(alias="schema")]
    pack: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    title: Text
    subject: Text
    columns: tuple[Text, ...] = ()
    templates: dict[str, Text] = {}
    code: tuple[Text, ...] = ()


class Authorities(Frozen):
    """specs/authorities.yaml."""

    schema_: Annotated[Literal["verify/authorities/1"], Field(alias="schema")]
    authorities: Annotated[tuple[Authority, ...], Field(min_length=1)]


class FactsFile(Frozen):
    """specs/facts/*.yaml."""

    schema_: Annotated[Literal["verify/facts/1"], Field(alias="schema")]
    topics: Annotated[dict[TopicId, Topic], Field(min_length=1)]


class ConflictsFile(Frozen):
    """specs/conflicts.yaml."""

    schema_: Annotated[Literal["verify/conflicts/1"], Field(alias="schema")]
    conflicts: tuple[Conflict, ...]


class ClaimsFile(Frozen):
    """contracts/claims.yaml."""

    schema_: Annotated[Literal["verify/claims/1"], Field(alias="schema")]
    claims: Annotated[tuple[Claim, ...], Field(min_length=1)]


class WaiversFile(Frozen):
    """contracts/waivers.yaml."""

    schema_: Annotated[Literal["verify/waivers/1"], Field(alias="schema")]
    waivers: tuple[Waiver, ...]


FILE_MODELS: dict[str, type[Frozen]] = {
    "verify/pack/1": Manifest,
    "verify/contract/1": Contract,
    "verify/claims/1": ClaimsFile,
    "verify/waivers/1": WaiversFile,
    "verify/authorities/1": Authorities,
    "verify/facts/1": FactsFile,
    "verify/conflicts/1": ConflictsFile,
}


class Pack(Frozen):
    """Everything a run needs to know, after reading; paths stay outside the model."""

    manifest: Manifest
    contracts: tuple[Contract, ...]
    claims: tuple[Claim, ...]
    waivers: tuple[Waiver, ...]
    authorities: tuple[Authority, ...]
    topics: dict[str, Topic]
    conflicts: tuple[Conflict, ...]
    decisions: tuple[Decision, ...]

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """All clauses in the order of their files."""
        return tuple(clause for contract in self.contracts for clause in contract.clauses)

    def fact(self, fact_id: str) -> Fact | None:
        """The fact `authority:topic`, or None."""
        authority, _, topic = fact_id.partition(":")
        found = self.topics.get(topic)
        return found.facts.get(authority) if found else None

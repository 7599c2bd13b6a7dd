"""Frozen models of all that a pack may state, those of `base` and `claims` among them.

Words are those of ARCHITECTURE.md.
"""

from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from verify.attest.model import Key, Trust
from verify.guard import globs
from verify.spec.base import (
    AtLeastOne,
    ClaimId,
    ClauseId,
    ConflictId,
    ContractId,
    Day,
    DecisionId,
    FactId,
    FieldPath,
    Frozen,
    Json,
    ModuleName,
    RegisteredName,
    Sha256,
    Text,
    TopicId,
)
from verify.spec.claims import Bounded, Cited, Claim, Detection, Needs, StatedFloors, Waiver
from verify.spec.clauses import (
    Budget,
    Clause,
    Contract,
    Falsifier,
    Kind,
    Severity,
    Tolerance,
)
from verify.spec.outline import Outline

# What is imported is part of this vocabulary; what is defined below needs no entry.
__all__ = [
    "AtLeastOne",
    "Bounded",
    "Budget",
    "Cited",
    "Claim",
    "ClaimId",
    "Clause",
    "ClauseId",
    "ConflictId",
    "Contract",
    "ContractId",
    "Day",
    "DecisionId",
    "Detection",
    "FactId",
    "Falsifier",
    "FieldPath",
    "Frozen",
    "Json",
    "Kind",
    "Needs",
    "RegisteredName",
    "Severity",
    "Sha256",
    "StatedFloors",
    "Text",
    "Tolerance",
    "TopicId",
    "Waiver",
]


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


CLAIM = "CLAIM-"


def _governed(text: str) -> str:
    wrong = None if text.startswith(CLAIM) else globs.fault(text)
    if wrong is not None:
        raise ValueError(f"the id of a claim, or {globs.EXPECTED} ({wrong})")
    return text


Governed = Annotated[str, Field(min_length=1), AfterValidator(_governed)]


class Decision(Frozen):
    """Front matter of a decision record; the seven sections are in the file's body.

    governs   claims that rest on it, and files, or globs of them, whose rules it changes
    impact    what cannot be said while a deferred decision is open
    promotes  a default, put in force by what was `measured`; `horizon` is the least that may do so,
              by the same names, such as {steps: 300, seeds: 3}
    """

    id: DecisionId
    title: Text
    status: DecisionStatus
    date: Day
    governs: tuple[Governed, ...] = ()
    conflicts: tuple[ConflictId, ...] = ()
    caps: tuple[ClaimId, ...] = ()
    evidence: tuple[Text, ...] = ()
    superseded_by: DecisionId | None = None
    category: Category | None = None
    impact: Text | None = None
    promotes: Text | None = None
    horizon: Extent | None = None
    measured: Extent | None = None

    @property
    def claims(self) -> tuple[str, ...]:
        """The claims among what it governs."""
        return tuple(name for name in self.governs if name.startswith(CLAIM))

    def governs_file(self, path: str) -> bool:
        """Whether a file is named by what it governs, by its path or by a glob."""
        return any(globs.matches(name, path) for name in self.governs if not name.startswith(CLAIM))


# -- files ----------------------------------------------------------------------------------------


class Manifest(Frozen):
    """contracts/pack.yaml: what the pack is and which code its evidence is about."""

    schema_: Annotated[Literal["verify/pack/1"], Field(alias="schema")]
    pack: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    title: Text
    subject: Text
    columns: tuple[Text, ...] = ()
    templates: dict[str, Text] = Field(default_factory=dict)
    code: tuple[Text, ...] = ()
    imports: tuple[ModuleName, ...] = ()


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
    "verify/claims/1": ClaimsFile,
    "verify/waivers/1": WaiversFile,
    "verify/authorities/1": Authorities,
    "verify/facts/1": FactsFile,
    "verify/conflicts/1": ConflictsFile,
    "verify/outline/1": Outline,
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
    outlines: tuple[Outline, ...] = ()
    keys: tuple[Key, ...] = ()

    @property
    def trust(self) -> Trust:
        """Whose signatures count."""
        return Trust(self.manifest.pack, self.keys)

    @cached_property
    def clauses(self) -> tuple[Clause, ...]:
        """All clauses in the order of their files."""
        return tuple(clause for contract in self.contracts for clause in contract.clauses)

    @cached_property
    def by_id(self) -> dict[str, Clause]:
        """The same by their ids."""
        return {clause.id: clause for clause in self.clauses}

    def fact(self, fact_id: str) -> Fact | None:
        """The fact `authority:topic`, or None."""
        authority, _, topic = fact_id.partition(":")
        found = self.topics.get(topic)
        return found.facts.get(authority) if found else None

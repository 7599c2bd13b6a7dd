"""What the solver says of a claim, and the leaves whose change would raise it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, WithJsonSchema

from verify.outcome import Axis
from verify.scope.tiers import Form, Scope, Tier
from verify.spec.floors import Floors


class LeafKind(StrEnum):
    """What a leaf of a claim is."""

    CLAUSE = "clause"  # has to pass, and its falsifiers have to turn it red
    FALSIFIER = "falsifier"  # of a passing clause: has to run, and to turn it red
    EVIDENCE = "evidence"  # a number has to be measured, on an axis and above floors
    DECISION = "decision"  # has to be settled
    WAIVER = "waiver"  # its clause has to pass, and it has to go
    SUBJECT = "subject"  # the evidence has to be about this one
    SIGNATURE = "signature"  # records of a clause have to be signed, and computed again
    DETECTION = "detection"  # what share of changes is noticed has to be measured, or to be higher


# As `verify/report/2` is frozen: a mapping, whose names the reader knows all the same.
_FLOORS = {
    "type": "object",
    "additionalProperties": {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]},
}


class _Whole:
    """Read again from a file, it has these keys and no others."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Leaf(_Whole):
    """One thing that somebody can change, and the command that changes it.

    name   id of the clause, decision, subject or contract
    label  the falsifier of a clause, or empty
    """

    kind: LeafKind
    name: str
    text: str
    command: str
    label: str = ""
    axis: Axis | None = None
    floors: Annotated[Floors, WithJsonSchema(_FLOORS)] = field(default_factory=Floors)


@dataclass(frozen=True)
class Unlock(_Whole):
    """The smallest set of leaves that raises a claim, and what it raises it to."""

    tier: Tier
    scope: Scope
    form: Form
    leaves: tuple[Leaf, ...]


@dataclass(frozen=True)
class WaiverNote(_Whole):
    """A waiver that a verdict rests on."""

    clause: str
    owner: str
    reason: str
    expires: str


@dataclass(frozen=True)
class ClaimVerdict(_Whole):
    """What may be said of a claim.

    form     which sentence; strict where the claim is denied
    reasons  why it is denied, what conditions it stands under, or why not its strict form
    unlock   what would raise it; None where nothing would, and `capped` says why
    axis     the weakest axis among the form's numbers; None without any
    """

    claim: str
    title: str
    scope: Scope
    tier: Tier
    form: Form
    sentence: str
    semantics: str | None
    subject: str
    axis: Axis | None
    reasons: tuple[str, ...]
    waivers: tuple[WaiverNote, ...]
    unlock: Unlock | None
    capped: str
    passed: int
    needed: int

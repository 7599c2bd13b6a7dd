"""Frozen models of claims: sentences, what they need, and the waivers that lower them."""

from datetime import date
from typing import Annotated

from pydantic import Field, field_validator

from verify.outcome import Axis
from verify.spec.base import (
    AtLeastOne,
    ClaimId,
    ClauseId,
    ConflictId,
    ContractId,
    Day,
    DecisionId,
    FactId,
    Frozen,
    Sha256,
    Text,
)


class Cited(Frozen):
    """A value that a fact states; `column` picks one of a table."""

    fact: FactId
    column: Text | None = None


class StatedFloors(Frozen):
    """The least that must stand behind each metric clause of a form; none asks nothing.

    steps, images_seen   of the training run; samples, seeds   of the evaluation
    """

    steps: AtLeastOne | Cited | None = None
    images_seen: AtLeastOne | Cited | None = None
    samples: AtLeastOne | Cited | None = None
    seeds: AtLeastOne | Cited | None = None
    extractor_sha256: Sha256 | Cited | None = None


class Detection(Frozen):
    """What share of single changes of their code some contracts have to notice, each of them.

    tried   the least number of changes, tried by `verify mutate` on exactly these files
    judged  the least share of what was noticed that a clause judged, and did not crash on
    """

    contracts: Annotated[tuple[ContractId, ...], Field(min_length=1)]
    at_least: Annotated[float, Field(gt=0, le=1)]
    tried: AtLeastOne = 30
    judged: Annotated[float, Field(ge=0, le=1)] = 0.0


class Needs(Frozen):
    """What a sentence rests on: clause ids or globs, settled decisions and conflicts, evidence.

    axis     the weakest its numbers may be on; `floors` are what must stand behind them
    coverage source -> least share of the items of its outline that a clause stands behind
    detection  the least share of changes of the code that its contracts notice
    produce  the command that measures such a number, before `verify run` reads it
    """

    clauses: Annotated[tuple[Text, ...], Field(min_length=1)]
    decisions: tuple[DecisionId, ...] = ()
    conflicts: tuple[ConflictId, ...] = ()
    axis: Axis | None = None
    floors: StatedFloors = StatedFloors()
    produce: Text | None = None
    coverage: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=dict)
    detection: Detection | None = None

    @field_validator("axis")
    @classmethod
    def _is_measured(cls, axis: Axis | None) -> Axis | None:
        if axis is Axis.EXTERNAL:
            raise ValueError("a measured axis; what others state supports no claim of ours")
        return axis


class Bounded(Frozen):
    """What may still be said on less evidence; `bound` are words of the sentence that say so."""

    bound: Text
    sentence: Text
    needs: Needs


class Claim(Frozen):
    """A sentence somebody may want to say; its tier is computed, never declared.

    bounded   a weaker sentence on less evidence, which never stands in for the strict one
    forbids   phrases of two words or more, or patterns in the language of `verify.prose.forbidden`
    """

    id: ClaimId
    title: Text
    sentence: Text
    needs: Needs
    bounded: Bounded | None = None
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

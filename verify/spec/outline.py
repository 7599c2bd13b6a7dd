"""specs/outline/*.yaml: what a source consists of, and which facts state each part of it."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from verify.spec.base import DecisionId, FactId, Frozen, Text, TopicId

Name = Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$")]


class Why(StrEnum):
    """Why nothing is held against a part of a source, or against a fact."""

    INFORMATIONAL = "informational"  # it says nothing that an implementation could get wrong
    NEEDS_A_RUN = "needs a run"  # only training or evaluation at that scale would show it
    DECLINED = "declined"  # a decision says that it is not held


class Reason(Frozen):
    """Why, and in which words; a `declined` one names its decision."""

    reason: Why
    because: Text
    decision: DecisionId | None = None

    @model_validator(mode="after")
    def _is_decided(self) -> Self:
        if (self.reason is Why.DECLINED) == (self.decision is None):
            raise ValueError("`decision` belongs to what is declined, and to nothing else")
        return self


class Item(Frozen):
    """A section, equation, row or key: the topics of the facts that state it, or why none does."""

    id: Name
    at: Text
    title: Text
    facts: tuple[TopicId, ...] = ()
    none: Reason | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if bool(self.facts) == (self.none is not None):
            raise ValueError("state either `facts` or `none`, with its reason")
        return self


class Uncited(Reason):
    """A fact that no clause cites."""

    fact: FactId


class Outline(Frozen):
    """The parts of one source; `known_from` says by what they are known.

    Where a source has items, each of its facts belongs to one.
    """

    schema_: Annotated[Literal["verify/outline/1"], Field(alias="schema")]
    authority: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    title: Text
    known_from: Text
    items: tuple[Item, ...] = ()
    uncited: tuple[Uncited, ...] = ()

"""specs/work-orders/*.yaml: what is to be found out, and what it has to wait for."""

from typing import Annotated, Literal

from pydantic import Field

from verify.spec.base import Frozen, Text

OrderId = Annotated[str, Field(pattern=r"^WO-\d{4}$")]


class Pending(Frozen):
    """A mistake that a clause should catch and that nobody has planted yet.

    It caps the status of the clause's contract: see `verify status`.
    """

    clause: Text
    mistake: Text
    because: Text


class WorkOrder(Frozen):
    """One step of a hunt.

    focus      the question, in a sentence
    waits_for  orders that have to be discharged first
    clauses    ids or globs: what has to pass, each falsifier turning it red
    control    clauses that passed before and have to pass again in the same run
    tests      files that hold what is built here; each has to exist
    artefacts  what an attempt leaves behind
    if_blocked  what to do instead, labelled; it satisfies nothing
    """

    schema_: Annotated[Literal["verify/work-order/1"], Field(alias="schema")]
    id: OrderId
    title: Text
    focus: Text
    waits_for: tuple[OrderId, ...] = ()
    clauses: Annotated[tuple[Text, ...], Field(min_length=1)]
    control: tuple[Text, ...] = ()
    tests: tuple[Text, ...] = ()
    artefacts: tuple[Text, ...] = ()
    pitfalls: tuple[Text, ...] = ()
    if_blocked: Text | None = None
    pending: tuple[Pending, ...] = ()

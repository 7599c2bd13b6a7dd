"""Clauses and contracts as they are run: resolved, whole, and immutable."""

import json
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from verify.outcome import Axis
from verify.spec.base import (
    ClauseId,
    ContractId,
    FactId,
    FieldPath,
    Frozen,
    Json,
    RegisteredName,
    Text,
)


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


# A tolerance is a number, or exact: as its JSON Schema says it.
EITHER: list[JsonValue] = [
    {"required": ["value"],
     "properties": {"value": {"type": "number"}, "exact": {"const": False}}},
    {"required": ["exact"],
     "properties": {"exact": {"const": True}, "value": {"type": "null"}}},
]  # fmt: skip


class Tolerance(Frozen):
    """How far off is still right, and why; `exact` clauses have no number."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, json_schema_extra={"oneOf": EITHER}
    )

    value: Annotated[
        Annotated[float, Field(ge=0, allow_inf_nan=False)] | None,
        Field(description="The largest measured number that still passes."),
    ] = None
    exact: Annotated[
        bool, Field(description="True where there is no number: it holds, or it does not.")
    ] = False
    unit: Annotated[str, Field(description="What the number counts, such as `relative`.")] = ""
    basis: Annotated[
        Text, Field(description="What was measured, on what, and the factor put on it.")
    ]

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.value is None) == (not self.exact):
            raise ValueError("state either `value` or `exact: true`")
        return self


class Budget(Frozen):
    """What a clause may spend before it is stopped."""

    seconds: Annotated[
        float, Field(gt=0, le=3600, description="Seconds after imports are done.")
    ] = 30.0
    memory_mb: Annotated[
        int, Field(gt=0, le=1 << 20, description="Private memory it may add, in MB.")
    ] = 4096


class Falsifier(Frozen):
    """A named mutant that must turn the clause red; `with` are its keyword arguments."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    mutant: RegisteredName
    arguments: dict[str, Json] = Field(default_factory=dict, alias="with")

    @cached_property
    def label(self) -> str:
        """Name with its arguments, unique within a clause; no order of keys changes it."""
        if not self.arguments:
            return self.mutant
        ordered = json.loads(json.dumps(self.arguments, sort_keys=True))  # as evidence keeps it
        return f"{self.mutant}({', '.join(f'{k}={v}' for k, v in ordered.items())})"


class Clause(Frozen):
    """One checkable sentence; `weight` are its points of the score, else those of its severity."""

    id: ClauseId
    statement: Text
    kind: Kind
    check: RegisteredName | None = None
    field: FieldPath | None = None
    fact: FactId | None = None
    params: dict[str, Json] = Field(default_factory=dict)
    sources: Annotated[tuple[FactId, ...], Field(min_length=1)]
    tolerance: Tolerance
    severity: Severity
    required: bool = True
    axis: Axis | None = None
    weight: Annotated[int, Field(ge=1, le=100)] | None = None
    semantics: str | None = None
    tags: tuple[Text, ...] = ()
    budget: Budget = Budget()
    falsifiers: Annotated[tuple[Falsifier, ...], Field(min_length=1)]
    remedy: Text

    @model_validator(mode="after")
    def _fits_kind(self) -> Self:
        if self.kind is Kind.CONFIG:
            if self.check is not None or self.field is None or self.fact is None:
                raise ValueError("a config clause has `field` and `fact`, and no `check`")
        elif self.check is None or self.field is not None or self.fact is not None:
            raise ValueError("a clause has a `check`; only config clauses have `field` and `fact`")
        if (self.axis is None) == (self.kind is Kind.METRIC):
            raise ValueError("`axis` belongs to metric clauses, and each of them has one")
        if self.axis is Axis.EXTERNAL:
            raise ValueError("a measured axis; a number of somebody else is a fact, never evidence")
        return self


class Contract(Frozen):
    """The clauses of one area, resolved; `weight` multiplies their points in every score."""

    contract: ContractId
    title: Text
    weight: Annotated[int, Field(ge=1, le=10)] = 1
    clauses: Annotated[tuple[Clause, ...], Field(min_length=1)]

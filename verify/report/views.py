"""Clauses and falsifiers as a report shows them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from verify.figures.axes import Measured
from verify.figures.axes import measured as on_axis
from verify.outcome import Axis, Outcome, Reason
from verify.spec.model import Severity


class Part(BaseModel):
    """Frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceView(Part):
    """A cited fact."""

    id: str
    at: str
    value: Any = None
    says: str = ""


class ClauseView(Part):
    """A clause with its outcome."""

    id: str
    contract: str
    file: str
    line: int
    statement: str
    kind: str
    severity: Severity
    weight: int
    required: bool
    axis: Axis | None
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
    measured_axis: Axis | None
    provenance: dict[str, int | str]
    details: dict[str, Any]
    files: list[str]
    elapsed_s: float
    peak_mb: float
    cached: bool
    backing: list[dict[str, Any]] = Field(default_factory=list)
    unsigned: str = ""  # why a number on paper-eval or repo-eval counts as a proxy

    @model_validator(mode="after")
    def _scores_are_labelled(self) -> ClauseView:
        if self.axis is not None and self.measured is not None and self.measured_axis is None:
            raise ValueError(f"{self.id} measured {self.measured} on no axis")
        return self

    @property
    def broken(self) -> bool:
        """Whether its check did not come to an end; that is to be mended, required or not."""
        return self.outcome in (Outcome.ERROR, Outcome.TIMEOUT)

    @property
    def owed(self) -> bool:
        """Whether it is required and nothing was judged: evidence is missing, not a reason."""
        return self.required and self.outcome in (Outcome.UNKNOWN, Outcome.NOT_APPLICABLE)

    @property
    def counts_on(self) -> Axis | None:
        """The axis that its number may be compared on: what nothing signed bears out is a proxy."""
        return Axis.PROXY if self.unsigned else self.measured_axis

    @property
    def axis_words(self) -> str:
        """That axis, and the measured one where it is another."""
        said = f", measured on {self.measured_axis}, unsigned" if self.unsigned else ""
        return f"{self.counts_on}{said}"

    @property
    def number(self) -> Measured[Any] | None:
        """What was measured, on its axis; None where there is no number or it is on none."""
        if self.counts_on is None or not isinstance(self.measured, (int, float)):
            return None
        return on_axis(self.measured, self.counts_on, self.unit or self.id, place=self.id)


class FalsifierView(Part):
    """A mutant tried against a clause."""

    clause: str
    label: str
    killed: bool
    outcome: Outcome
    reason: str
    elapsed_s: float
    cached: bool


class CoverageView(Part):
    """How much of an outlined source is held, and what became of each of its items."""

    authority: str
    line: str
    held: int
    of: int
    items: dict[str, str]


class AuthorityView(Part):
    """A source of the pack: what its locators are places of."""

    id: str
    title: str
    identifier: str


class ConflictView(Part):
    """Where sources disagree, and the decision about it."""

    id: str
    topic: str
    between: list[str]
    summary: str
    decision: str
    status: str
    title: str

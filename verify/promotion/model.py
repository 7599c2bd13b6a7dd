"""Tracks of a pack (schema verify/promotion/1), and the record (verify/promoted-run/1)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from verify.outcome import Axis
from verify.spec.model import (
    AtLeastOne,
    Cited,
    ClauseId,
    Frozen,
    Sha256,
    StatedFloors,
    Text,
)

PROMOTION = "contracts/policy/promotion.yaml"
Scalar = str | int | float | bool
TrackId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]


class Track(Frozen):
    """What a run has to be before it is promoted; editing it alone changes the verdict.

    floors         the least that stands behind its numbers: the horizon (steps), samples, seeds
    protocol       keys of an evaluation record with the value that each must have
    recomputed_by  the clause that computes scores again from their components
    needs          clauses, or globs of them, that stand in the evidence bundle
    max_bytes      the largest package of the track, where it has a limit
    """

    id: TrackId
    title: Text
    metric: Text
    axis: Axis
    floors: StatedFloors
    protocol: dict[Text, Scalar | Cited] = Field(default_factory=dict)
    recomputed_by: ClauseId
    needs: Annotated[tuple[Text, ...], Field(min_length=1)]
    max_bytes: AtLeastOne | None = None

    @model_validator(mode="after")
    def _promotes_evidence(self) -> Self:
        if self.axis not in (Axis.PAPER_EVAL, Axis.REPO_EVAL):
            raise ValueError("paper-eval or repo-eval; a proxy ranks follow-up work only")
        if None in (self.floors.samples, self.floors.seeds, self.floors.steps):
            raise ValueError("floors for steps (the horizon), samples and seeds")
        return self


class PromotionFile(Frozen):
    """contracts/policy/promotion.yaml."""

    schema_: Annotated[Literal["verify/promotion/1"], Field(alias="schema")]
    tracks: Annotated[tuple[Track, ...], Field(min_length=1)]


# -- the record -----------------------------------------------------------------------------------


class Pinned(Frozen):
    """A file beside the record, with its digest."""

    file: Text
    sha256: Sha256


class Snapshot(Frozen):
    """Exactly what was run: digest of the code as a bundle states it, digest of the checkpoint."""

    code: Sha256
    checkpoint: Sha256


class Packaging(Frozen):
    """What is handed on, and in which format."""

    format: Text
    file: Text
    sha256: Sha256


class Size(Frozen):
    """How large it is."""

    parameters: AtLeastOne
    bytes: AtLeastOne


class LabelledScore(Frozen):
    """The score with its axis: the mean over the evaluations named by `components`."""

    metric: Text
    value: Annotated[float, Field(allow_inf_nan=False)]
    axis: Axis
    samples: AtLeastOne
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]


class Component(Frozen):
    """One evaluation: its record, and the arrays that the record's scores are computed from."""

    evaluation: Pinned
    arrays: Pinned


class Runtime(Frozen):
    """What it took."""

    steps: AtLeastOne
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    hardware: Text


class BundleRef(Frozen):
    """The evidence bundle; its digest is that of manifest.sha256, which names every other one."""

    bundle: Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]*$")]
    sha256: Sha256


class PromotedRun(Frozen):
    """A promoted-run record; every field is required."""

    schema_: Annotated[Literal["verify/promoted-run/1"], Field(alias="schema")]
    run: Text
    snapshot: Snapshot
    track: TrackId
    packaging: Packaging
    size: Size
    score: LabelledScore
    components: Annotated[tuple[Component, ...], Field(min_length=1)]
    runtime: Runtime
    commands: Annotated[tuple[Text, ...], Field(min_length=1)]
    evidence: BundleRef

"""The public interface for packs: what the code in `contracts/` may import.

A pack's code registers checks, mutants and subjects by *literal* names:

    @check("field.antisymmetry", needs=("drifting_field",))
    def antisymmetry(ctx: CheckContext) -> Measurement: ...

    @mutant("field.drop_repulsion", field, "field")  # in place of drift.field.field, passed first
    def drop_repulsion(real: Callable[..., Tensor], *clouds: Tensor) -> Tensor: ...

    CONSTANTS = (mutant("field.far_mask", field, MASK=1.0),)  # another value, here of one name

    @mutant("field.swapped")  # any other way: whatever is wrong inside the context is the mistake
    def swapped(subject: object) -> AbstractContextManager[object]: ...

    @subject("drift")
    def drift_subject() -> object: ...

`verify lint` finds these names by reading the syntax tree, so it never runs a pack's code; a worker
imports only the module that defines the names its task needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from verify.attest.backing import Backing, backing
from verify.figures.axes import AxisError, Measured, above, best_first, mean, measured
from verify.outcome import Outcome, Reason
from verify.registration import (
    Registered,
    check,
    held,
    mutant,
    recompute,
    recorder,
    registered,
    subject,
)

__all__ = [
    "Again",
    "AxisError",
    "Backing",
    "CheckContext",
    "Measured",
    "Measurement",
    "Outcome",
    "Reason",
    "Registered",
    "Subject",
    "SubjectError",
    "above",
    "best_first",
    "check",
    "held",
    "mean",
    "measured",
    "mutant",
    "recompute",
    "recorder",
    "registered",
    "subject",
]

JSON = Any


@dataclass(frozen=True)
class Again:
    """One figure of a record and what it came to when it was computed again.

    again    None where it cannot be, and `how` says why; else `how` says from what
    allowed  how far the two may be apart
    """

    recorded: float
    again: float | None
    allowed: float
    how: str


@dataclass(frozen=True)
class Measurement:
    """What a check found out.

    measured  the number that was compared with the clause's tolerance, if there is one
    reason    one sentence: where, what was found, what was expected
    details   small JSON values kept in the evidence (error per case, seeds, counts)
    files     file name -> bytes, written to `mismatches/<clause>/` when the outcome is not a pass
    axis      evidence axis of `measured` where it is a metric: paper-eval, repo-eval, proxy, smoke
    provenance  what stands behind such a number, for the floors of claims: steps, images_seen,
              samples, seeds (how many), extractor_sha256; what is left out counts as unknown
    backing   the records that the number comes from (`ctx.backing`): on paper-eval and repo-eval it
              counts only where each is signed and was computed again
    """

    outcome: Outcome
    reason: str
    measured: float | None = None
    unit: str = ""
    details: Mapping[str, JSON] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    axis: str | None = None
    provenance: Mapping[str, int | str | None] = field(default_factory=dict)
    cause: Reason = Reason.JUDGED
    backing: Sequence[Backing] = ()


class SubjectError(Exception):
    """A foreign subject gave no answer: a check lets it pass, for the worker says what that means.

    kind  raised, nonsense or died: a finding about the subject, which was given what it says it
          takes; hung, memory or gone: the subject was not judged
    """

    def __init__(self, kind: str, said: str) -> None:
        super().__init__(said)
        self.kind = kind


class Subject(Protocol):
    """An implementation under test; a capability is an attribute a check may use."""

    name: str
    capabilities: frozenset[str]


@dataclass(frozen=True)
class CheckContext:
    """All that a check may know: the subject, its clause's parameters and the pack's facts.

    evidence_dir  folder of evaluation records a metric clause may read
    examples    how many examples a property test should draw
    trust       the pack's keys, as `unsigned` asks for them
    shrink      somebody waits for the smallest counterexample (`verify replay`); never in a run

    Nothing here says whether a mutant is active: a check that knew could turn red for that alone.
    """

    clause_id: str
    subject: Any
    params: Mapping[str, JSON]
    tolerance: float | None
    facts: Mapping[str, JSON]
    specs_dir: Path
    evidence_dir: Path = Path("reports/evaluations")
    seed: int = 0
    examples: int = 50
    shrink: bool = False
    trust: Mapping[str, JSON] = field(default_factory=dict)

    def backing(self, records: Iterable[Path], *figures: str) -> tuple[Backing, ...]:
        """Records of the evidence folder that a number comes from, and which figures of them."""
        return backing(records, figures)

    def unsigned(self, backed: Sequence[Backing]) -> str:
        """Why such records bear no figure out on paper-eval or repo-eval; empty where they do."""
        from verify.attest import standing  # few checks ask, and it is not light

        return standing.shortfall(backed, standing.trust_of(self.trust))

    def fact(self, fact_id: str) -> JSON:
        """The value of a fact by `authority:topic`; the clause must cite it as a source."""
        if fact_id not in self.facts:
            raise KeyError(
                f"{self.clause_id}: check asks for the fact {fact_id!r}, which the clause does not "
                f"cite; cited: {', '.join(sorted(self.facts)) or 'none'}; add it to `sources`"
            )
        return self.facts[fact_id]

    def spec_file(self, relative: str) -> Path:
        """A file under `specs/`; a path that leaves that folder is refused."""
        path = (self.specs_dir / relative).resolve()
        if not path.is_relative_to(self.specs_dir.resolve()):
            raise ValueError(f"{self.clause_id}: {relative!r} leaves the folder specs/")
        return path

    def judge(
        self,
        measured: float,
        reason: str,
        *,
        unit: str = "",
        axis: str | None = None,
        details: Mapping[str, JSON] | None = None,
        files: Mapping[str, bytes] | None = None,
        provenance: Mapping[str, int | str | None] | None = None,
        backing: Sequence[Backing] = (),
    ) -> Measurement:
        """PASS when `measured` is finite and at most the clause's tolerance, else FAIL."""
        if self.tolerance is None:
            raise ValueError(f"{self.clause_id}: the clause states no tolerance to judge against")
        good = math.isfinite(measured) and measured <= self.tolerance
        return self.decide(
            good, reason, measured=float(measured), unit=unit, axis=axis, details=details,
            files=files, provenance=provenance, backing=backing,
        )  # fmt: skip

    def judge_worst(
        self,
        errors: Mapping[Any, float],
        what: str,
        *,
        unit: str = "",
        axis: str | None = None,
        details: Mapping[str, JSON] | None = None,
    ) -> Measurement:
        """The largest of several errors, by name; a NaN is larger than any, and none is no pass."""
        sizes = {name: math.inf if math.isnan(size) else size for name, size in errors.items()}
        if not sizes:
            return self.missing(f"{what}: nothing was measured")
        worst = max(sizes, key=sizes.__getitem__)
        told = {str(name): size if math.isfinite(size) else None for name, size in sizes.items()}
        return self.judge(
            sizes[worst],
            f"{what}: {errors[worst]:.3g} at {worst}, the most of {len(errors)}",
            unit=unit,
            axis=axis,
            details={"errors": told, **(details or {})},
        )

    def decide(
        self,
        good: bool,
        reason: str,
        *,
        measured: float | None = None,
        unit: str = "",
        axis: str | None = None,
        details: Mapping[str, JSON] | None = None,
        files: Mapping[str, bytes] | None = None,
        provenance: Mapping[str, int | str | None] | None = None,
        backing: Sequence[Backing] = (),
    ) -> Measurement:
        """PASS or FAIL for a law that is exact and has no number to compare."""
        return Measurement(
            outcome=Outcome.PASS if good else Outcome.FAIL,
            reason=reason,
            measured=measured,
            unit=unit,
            axis=axis,
            details=details or {},
            files=files or {},
            provenance=provenance or {},
            backing=backing,
        )

    def compared(self, figures: Mapping[str, Again]) -> Measurement:
        """What a function of `recompute` answers: each figure of the record by its name."""
        details = {name: asdict(one) for name, one in figures.items()}
        return self.decide(True, f"{len(details)} figures", details={"figures": details})

    def outside(self, reason: str) -> Measurement:
        """NOT_APPLICABLE: the subject says that it does not do this; no required clause may."""
        return Measurement(outcome=Outcome.NOT_APPLICABLE, reason=reason, cause=Reason.DOMAIN)

    def missing(self, reason: str, *, cause: Reason = Reason.EVIDENCE_MISSING) -> Measurement:
        """UNKNOWN: what the clause needs is not there; name it and say how to produce it."""
        return Measurement(outcome=Outcome.UNKNOWN, reason=reason, cause=cause)

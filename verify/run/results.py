"""Values that pass between workers, engine, evidence and report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from verify.outcome import Outcome, Reason


@dataclass(frozen=True)
class Verdict:
    """What one execution of a check found; `files` go to the mismatch folder of the bundle."""

    outcome: Outcome
    reason: str
    cause: Reason = Reason.JUDGED
    measured: float | str | None = None  # a text where the number is not finite
    unit: str = ""
    axis: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    elapsed_s: float = 0.0
    peak_mb: float = 0.0


@dataclass(frozen=True)
class FalsifierRun:
    """One mutant against one clause; killed only by a `fail`, not by a crash."""

    clause: str
    label: str
    verdict: Verdict

    @property
    def killed(self) -> bool:
        """Whether the clause turned red."""
        return self.verdict.outcome is Outcome.FAIL


def waived(verdict: Verdict, owner: str, reason: str, expires: str) -> Verdict:
    """The verdict of a failing clause that somebody accepts until a date."""
    return Verdict(
        outcome=Outcome.WAIVED,
        reason=f"waived by {owner} until {expires}: {reason} (was: {verdict.reason})",
        cause=Reason.WAIVER,
        measured=verdict.measured,
        unit=verdict.unit,
        axis=verdict.axis,
        details=verdict.details,
        files=verdict.files,
        elapsed_s=verdict.elapsed_s,
        peak_mb=verdict.peak_mb,
    )

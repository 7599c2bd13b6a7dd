"""Values that pass between workers, engine, evidence and report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from verify.attest.backing import Backing
from verify.outcome import Outcome, Reason
from verify.provenance import Provenance


@dataclass(frozen=True)
class Basis:
    """What one execution rested on; files by their paths on this machine.

    imports      of every module that its process had imported
    reads        other files that it opened
    hidden       those of hidden folders and of reports, which only some judgements rest on
    children     whether it started processes, of which nobody knows what they imported
    evaluations  whether it looked at the evaluation records
    key          digest of all that was known before it began; empty where nobody made one
    """

    imports: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    children: bool = False
    evaluations: bool = False
    key: str = ""


@dataclass(frozen=True)
class Verdict:
    """What one execution of a check found; `files` go to the mismatch folder of the bundle."""

    outcome: Outcome
    reason: str
    cause: Reason = Reason.JUDGED
    measured: float | str | None = None  # a text where the number is not finite
    unit: str = ""
    axis: str | None = None
    provenance: Provenance = field(default_factory=Provenance)
    details: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    elapsed_s: float = 0.0
    peak_mb: float = 0.0
    cached: bool = False  # taken from an earlier run with the same inputs
    basis: Basis = field(default_factory=Basis)
    backing: tuple[Backing, ...] = ()


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
    text = f"waived by {owner} until {expires}: {reason} (was: {verdict.reason})"
    return replace(verdict, outcome=Outcome.WAIVED, reason=text, cause=Reason.WAIVER)

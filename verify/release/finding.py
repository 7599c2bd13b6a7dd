"""What a gate found, and what all of them come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from verify.outcome import Outcome
from verify.release.model import Gate
from verify.run.results import Verdict
from verify.spec.model import Budget

Run = Callable[[str, str, Mapping[str, Any], Budget], Verdict]  # gate, check, params, budget


@dataclass(frozen=True)
class Finding:
    """The outcome of one question of a gate; `integrity` where a digest does not match."""

    outcome: Outcome
    reason: str
    integrity: bool = False


class Word(StrEnum):
    """The verdict of a release."""

    GO = "GO"
    CONDITIONAL = "CONDITIONAL-GO"
    NO_GO = "NO-GO"


@dataclass(frozen=True)
class Result:
    """A gate with its finding; `artefact` is the name of the file it is about, if any."""

    gate: Gate
    finding: Finding
    close: str
    artefact: str | None = None

    @property
    def open(self) -> bool:
        """Whether it stands in the way: anything that is neither a pass nor beside the point."""
        return self.finding.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)

    @property
    def label(self) -> str:
        """Gate and, where it has one, artefact."""
        return f"{self.gate.id} ({self.artefact})" if self.artefact else self.gate.id


def passed(reason: str) -> Finding:
    """It holds."""
    return Finding(Outcome.PASS, reason)


def failed(reason: str, *, integrity: bool = False) -> Finding:
    """It was looked at, and does not hold."""
    return Finding(Outcome.FAIL, reason, integrity)


def unknown(reason: str) -> Finding:
    """What it needs is not there: never a pass."""
    return Finding(Outcome.UNKNOWN, reason)

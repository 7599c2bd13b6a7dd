"""Which follow-up work to spend on first: candidates by a calibrated proxy, and no more than that.

Two candidates whose predictions are nearer than the calibration's margin are uncertain: the order
between them says nothing. So is every candidate outside the values that were calibrated. A ranking
has no tier and no axis, and nothing in this program reads one as evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from verify.figures.axes import AxisError, Measured, Proxy, best_first
from verify.figures.calibration import Calibration
from verify.figures.evaluation import EvaluationRecord

SCHEMA = "verify/ranking/1"
USE = "spend-triage"


@dataclass(frozen=True)
class Candidate:
    """One record: its proxy, the line's guess, and those it cannot be told from."""

    record: EvaluationRecord
    proxy: Measured[Proxy]
    guess: float
    inside: bool
    uncertain: tuple[str, ...]

    @property
    def name(self) -> str:
        """The record's file."""
        return str(self.record.path)


@dataclass(frozen=True)
class Ranking:
    """Candidates, the best guess first."""

    calibration: Calibration
    candidates: tuple[Candidate, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON. Its use is written into it; it names no tier, claim or axis of its own."""
        return {
            "schema": SCHEMA,
            "use": USE,
            "calibration": self.calibration.sha256,
            "metric": self.calibration.file.metric,
            "margin": self.calibration.margin,
            "candidates": [
                {
                    "record": one.record.sha256,
                    "file": one.name,
                    "proxy": {"value": one.proxy.value, "axis": one.proxy.axis.label},
                    "guess": one.guess,
                    "calibrated": one.inside,
                    "uncertain": list(one.uncertain),
                }
                for one in self.candidates
            ],
        }


def rank(calibration: Calibration, records: Sequence[EvaluationRecord]) -> Ranking:
    """Order records by their proxies.

    Raises AxisError for a record on another axis or of another proxy than was calibrated.
    """
    proxies = [proxy_of(calibration, record) for record in records]
    order = best_first(proxies, better=calibration.file.better)
    guesses = [calibration.predict(proxy) for proxy in proxies]
    low, high = calibration.span
    inside = [low <= proxy.value <= high for proxy in proxies]

    def uncertain(one: int, other: int) -> bool:
        near = abs(guesses[one] - guesses[other]) <= calibration.margin
        return near or not (inside[one] and inside[other])

    return Ranking(
        calibration,
        tuple(
            Candidate(
                records[at], proxies[at], guesses[at], inside[at],
                tuple(str(records[b].path) for b in order if b != at and uncertain(at, b)),
            )
            for at in order
        ),
    )  # fmt: skip


def proxy_of(calibration: Calibration, record: EvaluationRecord) -> Measured[Proxy]:
    """A record's number; raises AxisError where it is not of the proxy that was calibrated."""
    number = record.number(calibration.file.proxy_metric)
    if number.axis is not Proxy:
        raise AxisError(
            f"{record.path}: found {number}; expected a number on the proxy axis; remedy: rank "
            "what the calibration is about"
        )
    for key, wanted in calibration.file.where.items():
        found = record.data.get(key)
        if type(found) is not type(wanted) or found != wanted:
            raise AxisError(
                f"{record.path}: {key}: found {found!r}; expected {wanted!r}, the proxy that was "
                "calibrated; remedy: measure it again with that, or calibrate this one"
            )
    return number

"""What a check returned, held to its clause: a check that says two things has said nothing.

A check may decide by itself whether a clause holds. What it says beside that - the number, its
axis, the reason why nothing was judged - has to fit, for reports and claims repeat it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verify.api import Measurement
from verify.outcome import Axis, Outcome, Reason
from verify.run.answers import number

# Why nothing was judged, as a check may know it; other reasons are the harness's own to give.
_CHECKS_KNOW = (
    Reason.JUDGED,
    Reason.EVIDENCE_MISSING,
    Reason.CAPABILITY_MISSING,
    Reason.DEPENDENCY_MISSING,
    Reason.DOMAIN,
    Reason.NO_COLUMN,
)


def held_to_clause(found: Any, task: Mapping[str, Any]) -> Measurement:
    """What a check returned; raises TypeError or ValueError where it does not fit its clause."""
    check = f"check {task['check']['name']}"
    if not isinstance(found, Measurement):
        raise TypeError(f"{check} returned {type(found).__name__}, not Measurement")
    _require_cause(check, found)
    if task["axis"]:
        _require_axis(check, found)
        _require_unit(check, found.unit, task["unit"])
    _require_within(check, found, task["tolerance"])
    return found


def _require_cause(check: str, found: Measurement) -> None:
    """A judgement has no excuse, and no check was interrupted, waived or stopped by itself."""
    judged = Outcome(found.outcome).evaluated
    allowed = (Reason.JUDGED,) if judged else _CHECKS_KNOW
    if Reason(found.cause) not in allowed:
        raise ValueError(
            f"{check} says {found.outcome} by {found.cause}; expected {', '.join(allowed)}"
        )


def _require_axis(check: str, found: Measurement) -> None:
    """A metric clause's number is labelled; what an authority states is no measurement."""
    if found.measured is None:
        if found.outcome == Outcome.PASS:
            raise ValueError(f"{check} passed a metric clause without a measured number")
    elif found.axis is None or Axis(found.axis) is Axis.EXTERNAL:
        label = found.axis or "no axis"
        raise ValueError(f"{check} measured a number on {label}, not on a measured axis")


def _require_unit(check: str, found: str, stated: str) -> None:
    """A claim's sentence says a metric with its unit, which is the contract's to state."""
    if found and stated and found != stated:
        raise ValueError(f"{check} measured in {found!r}, and its clause states {stated!r}")


def _require_within(check: str, found: Measurement, tolerance: float | None) -> None:
    """What is measured beside a pass is within the clause's tolerance, whoever decided."""
    measured = number(found.measured)
    if found.outcome != Outcome.PASS or tolerance is None or not isinstance(measured, (int, float)):
        return
    if measured > tolerance:
        raise ValueError(
            f"{check} passed with a measured {measured:g}, more than the tolerance {tolerance:g} "
            "of its clause"
        )

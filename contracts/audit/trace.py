"""What a subject records of itself: each stage against the recording, else what it follows from.

A stage that differs from the recording and follows from the stages that the subject recorded before
it is right: what came before it is not. In which order they came says nothing. A stage that is not
there is MISSING.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from verify.api import CheckContext, Measurement, SubjectError, check
from verify.numeric.arrays import Array, as_array, largest

from ..common import golden
from .calls import OutsideError, answer, array, call, inside, named_temperatures, numbers, required
from .mistakes import reference
from .stages import PER_TEMPERATURE, RECORDED, inputs_of

LEAD = "step32/"
SHOWN = 4  # names in a reason


@dataclass(frozen=True)
class Stage:
    """A stage of one case as the subject recorded it, or None; where it is, and its error."""

    place: str
    found: Array | None
    ratio: float = math.nan
    words: str = ""


@check("audit.traced_distance", needs=("recording",))
@inside
def traced_distance(ctx: CheckContext) -> Measurement:
    return _traced(ctx, "distance")


@check("audit.traced_scale", needs=("recording",))
@inside
def traced_scale(ctx: CheckContext) -> Measurement:
    return _traced(ctx, "scale")


@check("audit.traced_coordinate_scale", needs=("recording",))
@inside
def traced_coordinate_scale(ctx: CheckContext) -> Measurement:
    return _traced(ctx, "coordinate_scale")


@check("audit.traced_masked_distance", needs=("recording",))
@inside
def traced_masked_distance(ctx: CheckContext) -> Measurement:
    return _traced(ctx, "masked_distance")


@check("audit.traced_affinity", needs=("recording",))
@inside
def traced_affinity(ctx: CheckContext) -> Measurement:
    return _traced(ctx, "affinity")


@check("audit.traced_coefficients", needs=("recording",))
@inside
def traced_coefficients(ctx: CheckContext) -> Measurement:
    return _traced(ctx, "coefficients")


@check("audit.traced_force", needs=("recording",))
@inside
def traced_force(ctx: CheckContext) -> Measurement:
    return _traced(ctx, "force")


@check("audit.traced_total_force", needs=("recording",))
@inside
def traced_total_force(ctx: CheckContext) -> Measurement:
    return _traced(ctx, "total_force")


def _traced(ctx: CheckContext, name: str) -> Measurement:
    stages, outside, others = list[Stage](), "", set[str]()
    for case_name in ctx.params["cases"]:
        case = golden.recorded(ctx, case_name)
        try:
            trace = recorded(ctx.subject, case)
        except OutsideError as error:
            outside = str(error)
            continue
        others |= trace.keys()
        stages += _stages(case, trace, name)
    if not stages:
        raise OutsideError(outside)
    missing = [one.place for one in stages if one.found is None]
    judged = {one.place: one for one in stages if one.found is not None}
    departing = [one for one in judged.values() if not one.ratio <= 1.0]
    if missing and not departing:
        names = ", ".join(sorted(others)[:SHOWN]) or "nothing"
        return ctx.missing(f"MISSING: {_few(missing)}; {len(judged)} agree (it recorded {names})")
    worst = max(judged.values(), key=lambda one: one.ratio)
    reason = f"{len(judged)} recorded stages agree"
    if departing:
        reason = f"{len(departing)} of {len(judged)} recorded stages depart; {worst.words}"
        reason += f"; MISSING: {_few(missing)}" if missing else ""
    details = {place: one.ratio for place, one in judged.items()}
    return ctx.judge(worst.ratio, reason, unit="of the recorded tolerance", details=details)


def _few(places: list[str]) -> str:
    rest = len(places) - SHOWN
    return ", ".join(places[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def recorded(subject: Any, case: golden.Case) -> dict[str, Array]:
    """Name -> array: what the subject recorded of the loss of a case, each name once."""
    given, taus = case.group("in"), case.meta["R_list"]
    if hasattr(subject, "takes"):  # in a process of its own: the arguments go there
        wanted = required(subject, given, taus)
        asked = named_temperatures(subject, "recording", taus)
        stages = call(subject, "recording", **wanted, temperatures=asked)
    else:
        with subject.recording() as stages:
            answer(subject, given, taus)
    return _by_name(stages)


def _by_name(stages: Any) -> dict[str, Array]:
    """A mapping or pairs; a name that comes twice says nothing, for nobody knows which is meant."""
    pairs = list(stages.items()) if isinstance(stages, Mapping) else stages
    if not isinstance(pairs, list) or not all(_is_pair(one) for one in pairs):
        kind = type(stages).__name__
        raise SubjectError("nonsense", f"recording gave a {kind}; expected stage name -> array")
    names = [name for name, _ in pairs]
    return {name: value for name, value in pairs if names.count(name) == 1}


def _is_pair(one: Any) -> bool:
    return isinstance(one, (tuple, list)) and len(one) == 2 and isinstance(one[0], str)


def _stages(case: golden.Case, trace: Mapping[str, Array], name: str) -> Iterator[Stage]:
    given, rule = inputs_of(case), golden.stage_rule(case)
    own = _Own(trace, given, case.meta["R_list"])
    for tau in case.meta["R_list"] if name in PER_TEMPERATURE else [None]:
        at = "" if tau is None else f"/{tau}"
        recording = LEAD + RECORDED[name].format(tau)
        if recording not in case.arrays:
            continue
        found, place = own.stage(name, tau), f"{case.name}:{name}{at}"
        if found is None:
            yield Stage(place, None)
            continue
        expected, allowed = as_array(case.arrays[recording]), rule(recording)
        yield _judged(
            place, found, expected, allowed, own.follows(name, tau), own.before(name, tau)
        )


@dataclass(frozen=True)
class _Own:
    """The stages of one case as the subject recorded them."""

    trace: Mapping[str, Array]
    given: Mapping[str, Any]
    taus: Sequence[float]

    def stage(self, name: str, tau: float | None) -> Array | None:
        """One of them, of the shape that it has to have; None where it is not there."""
        recorded = RECORDED[name].format(tau)
        names = [name if tau is None else f"{name}/{tau}", recorded, LEAD + recorded]
        value = next((self.trace[one] for one in names if one in self.trace), None)
        if value is None:
            return None
        groups, generated, features = self.given["gen"].shape
        if name in ("scale", "coordinate_scale"):
            flat = numbers(value, f"its {names[0]}").reshape(-1)
            return array(flat, [groups if flat.size == groups else 1], f"its {names[0]}")
        last = features if "force" in name else self.given["targets"].shape[1]
        return array(value, [groups, generated, last], f"its {names[0]}")

    def before(self, name: str, tau: float | None) -> dict[str, Any] | None:
        """The stages that one is made from; None where one of them is not there."""
        found: dict[str, Any] = {}
        for one in reference.MADE_FROM[name]:
            if name == "total_force":
                values = [self.stage(one, each) for each in self.taus]
                found[one] = None if any(value is None for value in values) else values
            else:
                found[one] = self.stage(one, tau if one in PER_TEMPERATURE else None)
        return None if any(value is None for value in found.values()) else found

    def follows(self, name: str, tau: float | None) -> Array | None:
        """What the reference makes of the stages before it."""
        before = self.before(name, tau)
        if not before:
            return None
        return reference.STAGES[name]({**self.given, "temperature": tau, **before})


def _judged(
    place: str,
    found: Array,
    expected: Array,
    allowed: float,
    follows: Array | None,
    before: Mapping[str, Any] | None,
) -> Stage:
    """Against the recording; else against what follows from the stages before it."""
    right, word = np.broadcast_to(expected, found.shape), "recorded"
    ratio = largest(found - right) / allowed
    if ratio > 1.0 and follows is not None:
        own = np.broadcast_to(follows, found.shape)
        size = max(1.0, largest(own) / max(largest(expected), 1e-30))
        if (alone := largest(found - own) / (allowed * size)) < ratio:
            ratio, right, word = alone, own, "and what it recorded before gives"
    off = np.abs(found - right)
    at = np.unravel_index(np.argmax(off), off.shape)
    remark = "" if before is not None else ", and what it is made from is MISSING"
    index = ", ".join(map(str, at))
    words = f"the worst, {place}[{index}], is {found[at]:.6g}, {word} {right[at]:.6g}{remark}"
    return Stage(place, found, ratio, words)

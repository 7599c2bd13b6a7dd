"""Whether a part has become slower: two results of one machine, by bounds on their medians.

A bench times each part beside a yardstick, pair by pair; the ratios of one result are a sample. The
bounds of a median are order statistics: they assume nothing about how times scatter. A part is
slower where even the lower bound of after over before is above what is allowed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drift.bench.timing import SCHEMA
from drift.errors import DriftError

CHANCE = 0.05  # that a median is beyond one of its bounds
ALLOWED = 0.05  # slower than before


class CompareError(DriftError):
    """Two results that say nothing about each other."""


def read(path: Path) -> dict[str, Any]:
    """A result that `drift bench` printed."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CompareError(
            str(path), found=f"no result of a bench ({error})", expected="JSON of `drift bench`"
        ) from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        schema = found.get("schema") if isinstance(found, dict) else type(found).__name__
        raise CompareError(str(path), found=f"schema {schema!r}", expected=SCHEMA)
    return found


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each case: the change of its median ratio, its bounds, and whether it is slower.

    Raises CompareError where hardware, bench, clock or cases differ, or pairs are too few.
    """
    for part in ("bench", "kernel", "clock", "hardware"):
        _require_same(part, before.get(part), after.get(part))
    ours, theirs = (_ratios(one) for one in (after, before))
    _require_same("cases", sorted(theirs), sorted(ours))
    return [_change(name, theirs[name], ours[name]) for name in ours]


def bounds(ratios: Sequence[float]) -> tuple[float, float, float]:
    """(lower, median, upper): the median is beyond either bound with at most CHANCE each."""
    ordered, count = sorted(ratios), len(ratios)
    below, place = 0.0, -1
    while True:
        below += math.comb(count, place + 1) / 2**count
        if below > CHANCE:
            break
        place += 1
    if place < 0:
        raise CompareError("pairs", found=count, expected=f"at least {_fewest()}")
    middle = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    return ordered[place], middle, ordered[count - 1 - place]


def _fewest() -> int:
    return math.ceil(-math.log2(CHANCE))


def _change(name: str, before: Sequence[float], after: Sequence[float]) -> dict[str, Any]:
    (low, middle, high), (lower, median, upper) = bounds(before), bounds(after)
    return {
        "case": name,
        "change": median / middle,
        "bounds": [lower / high, upper / low],
        "slower": lower / high > 1.0 + ALLOWED,
    }


def _ratios(result: Mapping[str, Any]) -> dict[str, list[float]]:
    try:
        found = {one["case"]: [float(ratio) for ratio in one["ratios"]] for one in result["cases"]}
    except (KeyError, TypeError, ValueError) as error:
        raise CompareError("cases", found=f"{error!r}", expected="cases with ratios") from error
    for name, ratios in found.items():
        if not all(math.isfinite(ratio) and ratio > 0.0 for ratio in ratios):
            raise CompareError(name, found="ratios not above 0", expected="times that were taken")
    return found


def _require_same(part: str, before: object, after: object) -> None:
    if before != after:
        raise CompareError(
            part, found=f"{before} before and {after} after", expected="the same",
            remedy="Times of two machines, or of two things, are not comparable.",
        )  # fmt: skip

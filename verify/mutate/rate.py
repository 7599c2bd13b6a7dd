"""What share of changes was noticed, and what a report says of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

SCHEMA = "verify/detection/1"
FOLDER = "mutation"  # in the folder of bundles
_Z = 1.96  # of an interval of 95 %


class Fate(StrEnum):
    """What became of a change."""

    JUDGED = "judged"  # a clause failed: it says what is wrong
    CRASHED = "crashed"  # a clause broke, hung or had nothing to say: noticed, but not judged
    SURVIVED = "survived"  # every clause that runs it still passes
    UNREACHED = "unreached"  # no clause runs it

    @property
    def noticed(self) -> bool:
        """Whether `verify run` would not have been green."""
        return self in (Fate.JUDGED, Fate.CRASHED)


@dataclass(frozen=True)
class Rate:
    """Changes by what became of them."""

    judged: int = 0
    crashed: int = 0
    survived: int = 0
    unreached: int = 0

    @property
    def tried(self) -> int:
        """The denominator."""
        return self.judged + self.crashed + self.survived + self.unreached

    @property
    def noticed(self) -> int:
        """Those that would have turned a run red."""
        return self.judged + self.crashed

    @property
    def value(self) -> float | None:
        """The share noticed; None of nothing."""
        return self.noticed / self.tried if self.tried else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's interval of 95 % for the share over all changes that could have been drawn."""
        if self.value is None:
            return None
        n, p, square = self.tried, self.value, _Z * _Z
        middle = (p + square / (2 * n)) / (1 + square / n)
        half = _Z * math.sqrt(p * (1 - p) / n + square / (4 * n * n)) / (1 + square / n)
        return max(0.0, middle - half), min(1.0, middle + half)

    def line(self) -> str:
        """`18 of 20 (90 %, 95 % interval 70 to 97 %), 15 judged and 3 by a crash`."""
        if self.value is None or self.interval is None:
            return "0 of 0"
        low, high = self.interval
        share = f"{100 * self.value:.0f} %, 95 % interval {100 * low:.0f} to {100 * high:.0f} %"
        how = f"{self.judged} judged and {self.crashed} by a crash"
        return f"{self.noticed} of {self.tried} ({share}), {how}"


def newest(reports: Path, digests: Mapping[str, str], subject: str) -> dict[str, Any] | None:
    """The latest record about exactly these files of pack, code, data and harness; else None."""
    fitting = [
        one
        for one in _records(reports / FOLDER)
        if (one.get("digests"), one.get("subject")) == (dict(digests), subject)
    ]
    return max(fitting, key=lambda one: str(one.get("finished")), default=None)


def _records(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.json")):
        try:
            one = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(one, dict) and one.get("schema") == SCHEMA:
            yield one


def stated(one: Mapping[str, Any]) -> dict[str, Any]:
    """What a report says of a record: the rate with its denominator, and how it was drawn."""
    names = ("judged", "crashed", "survived", "unreached", "finished", "seed", "drawn", "universe",
             "equivalent", "patterns", "selectors")  # fmt: skip
    return {name: one[name] for name in names}


def sentence(one: Mapping[str, Any] | None) -> str:
    """What a report says of the rate; where nobody has measured it for these files, just that."""
    if one is None:
        return "generic mutants: not measured for these files; `verify mutate` does"
    counted = Rate(**{fate.value: int(one[fate.value]) for fate in Fate})
    of = " ".join((*one["selectors"], *one["patterns"])) or "all clauses and files"
    return (
        f"generic mutants: {counted.line()}, of {one['universe']} changes ({of}; "
        f"seed {one['seed']}, {one['finished']})"
    )

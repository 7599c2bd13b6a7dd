"""Two traces of one computation: the first stage in which they part, and all the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from verify.numeric.arrays import Values, around, as_array
from verify.numeric.stages import Comparison
from verify.numeric.traces import Trace

__all__ = ["CLASSES", "Divergence", "Row", "compare"]

EQUAL, MINOR, DIVERGENT, CRITICAL = CLASSES = ("equal", "minor", "divergent", "critical")
MISSING, EXTRA = "MISSING", "extra"
# Error over tolerance up to which a stage has the class; beyond the last one it is critical.
BOUNDS = {EQUAL: 1.0, MINOR: 10.0, DIVERGENT: 1000.0}


@dataclass(frozen=True)
class Row:
    """One stage.

    verdict   one of CLASSES, MISSING where only the first trace has it, extra where only the second
    error     largest |B - A|, NaN where there is none; relative, over the largest |A|
    allowed   its tolerance; ratio, error over it where it is worst
    said      what is wrong where it is no number
    """

    name: str
    verdict: str
    error: float
    relative: float
    allowed: float
    ratio: float
    said: str = ""

    @property
    def differs(self) -> bool:
        """Whether both have it and they part here."""
        return self.verdict in CLASSES and self.verdict != EQUAL


@dataclass(frozen=True)
class Divergence:
    """All stages, those of the first trace in its order, then what only the second has.

    moved  stages that both have, in another order
    notes  what else is different: seed, semantics, dtype or device of a stage
    drawn  entries of the first differing stage around the worst one, of A and of B
    """

    rows: tuple[Row, ...]
    moved: tuple[str, ...]
    notes: tuple[str, ...]
    drawn: tuple[Values, Values] | None = None

    @property
    def first(self) -> Row | None:
        """The first stage that both have and that differs; a missing one is never it."""
        return next((row for row in self.rows if row.differs), None)

    def of(self, verdict: str) -> list[str]:
        """Names of the stages with a verdict."""
        return [row.name for row in self.rows if row.verdict == verdict]


def compare(
    a: Trace, b: Trace, allowed: Callable[[str], float | None], absolute: float, relative: float
) -> Divergence:
    """Hold B against A, stage by stage in A's order.

    allowed             a stage's own tolerance, absolute; None where it has none
    absolute, relative  what is allowed to a stage without one: |B - A| <= absolute + relative |A|
    """
    rows = [_row(name, a, b, allowed(name), absolute, relative) for name in a.stages]
    rows += [
        Row(n, EXTRA, math.nan, math.nan, math.nan, math.nan) for n in b.stages if n not in a.stages
    ]
    found = Divergence(tuple(rows), tuple(_moved(a, b)), tuple(_notes(a, b)))
    if found.first is None:
        return found
    one, other = (as_array(t.stages[found.first.name]) for t in (a, b))
    return Divergence(found.rows, found.moved, found.notes, around(one, other))


def _row(name: str, a: Trace, b: Trace, own: float | None, absolute: float, relative: float) -> Row:
    expected = as_array(a.stages[name])
    if name not in b.stages:
        return Row(
            name, MISSING, math.nan, math.nan, own if own is not None else absolute, math.nan
        )
    held = Comparison()
    held.hold(name, b.stages[name], expected, absolute if own is None else own,
              relative=relative if own is None else 0.0)  # fmt: skip
    stage = held.stages[name]
    size = float(np.max(np.abs(expected), initial=0.0))
    share = stage.error / size if size and math.isfinite(size) else math.nan
    return Row(
        name, _class(stage.ratio), stage.error, share, stage.allowed, stage.ratio, stage.remark
    )


def _class(ratio: float) -> str:
    return next((name for name, bound in BOUNDS.items() if ratio <= bound), CRITICAL)


def _moved(a: Trace, b: Trace) -> Iterator[str]:
    """Stages of B that come before one that A has before them."""
    place = {name: number for number, name in enumerate(a.stages)}
    furthest = -1
    for name in b.stages:
        if name in place:
            if place[name] < furthest:
                yield name
            furthest = max(furthest, place[name])


def _notes(a: Trace, b: Trace) -> Iterator[str]:
    for name in ("seed", "semantics"):
        one, other = a.about.get(name), b.about.get(name)
        if one is not None and other is not None and one != other:
            yield f"{name}: {one} and {other}"
    for name, told in a.types.items():
        other = b.types.get(name)
        if other and other != told:
            yield f"{name}: {_told(told)} and {_told(other)}"


def _told(types: Any) -> str:
    return f"{types['dtype']} on {types['device']}"

"""Numbers that know what they may be compared with.

A `Measured[A]` carries its evidence axis in its type and in its value. Two of them compare, add,
subtract, sort and average on one axis and one metric only: mypy refuses the rest where the axes are
known as types, `AxisError` where they are read from a file. A bare number on the other side is
refused too, since nobody knows its axis. `value` is the one way out, and it is there to be printed.

`External` is what an authority states or what an earlier project measured: never ours. One function
sets such a number beside ours, `above`, and only beside one on `PaperEval`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Never, NoReturn, TypeVar

from verify.outcome import Axis
from verify.problems import UsageError


class AxisError(UsageError):
    """Numbers that must not be compared: place, found, expected, remedy."""


class OnAxis:
    """Base of the marks that carry an axis in a type."""

    label: ClassVar[Axis]


class PaperEval(OnAxis):
    """The paper's protocol."""

    label = Axis.PAPER_EVAL


class RepoEval(OnAxis):
    """The protocol with fewer samples or with statistics of one's own."""

    label = Axis.REPO_EVAL


class Proxy(OnAxis):
    """Another data set or extractor."""

    label = Axis.PROXY


class Smoke(OnAxis):
    """Wiring only."""

    label = Axis.SMOKE


class External(OnAxis):
    """Quoted from an authority or from history."""

    label = Axis.EXTERNAL


MARKS: dict[Axis, type[OnAxis]] = {
    mark.label: mark for mark in (PaperEval, RepoEval, Proxy, Smoke, External)
}
_A = TypeVar("_A", bound=OnAxis)


@dataclass(frozen=True, eq=False)
class Measured(Generic[_A]):
    """A finite number with its axis.

    metric  what was measured, such as "fid"
    place   where it was found: a clause, a record; told in errors
    count   samples behind it; None where nobody counted
    seeds   of the samples
    """

    value: float
    axis: type[_A]
    metric: str
    place: str = ""
    count: int | None = None
    seeds: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            self._refuse(f"{self.value!r}", "a number")
        if not abs(self.value) <= sys.float_info.max:  # compares whole numbers of any size
            found = f"{self.value}" if isinstance(self.value, float) else "a number beyond float64"
            self._refuse(found, "a finite number")
        if not (isinstance(self.axis, type) and self.axis in MARKS.values()):
            self._refuse(f"the axis {self.axis!r}", f"one of {', '.join(Axis)}")

    def __str__(self) -> str:
        return f"{self.metric} {self.value:.6g} [{self.axis.label}]"

    def __lt__(self, other: Measured[_A]) -> bool:
        return self.value < self._comparable(other).value

    def __le__(self, other: Measured[_A]) -> bool:
        return self.value <= self._comparable(other).value

    def __gt__(self, other: Measured[_A]) -> bool:
        return self.value > self._comparable(other).value

    def __ge__(self, other: Measured[_A]) -> bool:
        return self.value >= self._comparable(other).value

    def __eq__(self, other: object) -> bool:
        """Equal values; raises AxisError for a bare number or one on another axis."""
        if not isinstance(other, (Measured, int, float)):
            return NotImplemented
        return self.value == self._comparable(other).value

    def __hash__(self) -> int:
        return hash((self.value, self.axis, self.metric))

    def __add__(self, other: Measured[_A]) -> Measured[_A]:
        return self._with(self.value + self._comparable(other).value, other)

    def __radd__(self, other: Never) -> NoReturn:
        self._refuse_bare(other)

    def __sub__(self, other: Measured[_A]) -> Measured[_A]:
        return self._with(self.value - self._comparable(other).value, other)

    def __rsub__(self, other: Never) -> NoReturn:
        self._refuse_bare(other)

    def _comparable(self, other: object) -> Measured[_A]:
        """The other number; raises AxisError where it is not of this axis and metric."""
        if not isinstance(other, Measured):
            self._refuse_bare(other)
        if other.axis is not self.axis:
            self._refuse(f"{other} beside {self}", f"numbers on {self.axis.label} only")
        if other.metric != self.metric:
            self._refuse(f"{other} beside {self}", f"{self.metric} only")
        return other

    def _with(self, value: float, other: Measured[_A]) -> Measured[_A]:
        counts = [one.count for one in (self, other) if one.count is not None]
        seeds = tuple(dict.fromkeys((*self.seeds, *other.seeds)))
        fewest = min(counts) if len(counts) == 2 else None
        return Measured(value, self.axis, self.metric, self.place, fewest, seeds)

    def _refuse_bare(self, other: object) -> NoReturn:
        self._refuse(f"the bare number {other!r} beside {self}", "a number with its axis")

    def _refuse(self, found: str, expected: str) -> NoReturn:
        raise AxisError(
            f"{self.place or self.metric}: found {found}; expected {expected}; remedy: measure on "
            "the same axis; a calibration (`verify calibrate`) ranks follow-up work, no more"
        )


def measured(
    value: float, label: str | None, metric: str, *, place: str = "", count: int | None = None,
    seeds: Sequence[int] = (),
) -> Measured[Any]:  # fmt: skip
    """A number whose axis is read from a file; raises AxisError for a label that is none.

    The type says `Any`: from here on the value itself holds the rule.
    """
    if label not in set(Axis):
        raise AxisError(
            f"{place or metric}: found the axis {label!r}; expected one of {', '.join(Axis)}; "
            "remedy: label the number with the axis it was measured on"
        )
    return Measured(value, MARKS[Axis(label)], metric, place, count, tuple(seeds))


def mean(numbers: Iterable[Measured[_A]]) -> Measured[_A]:
    """The average of numbers on one axis; `count` is their sum where all are counted."""
    given = _some(numbers)
    for one in given[1:]:
        given[0]._comparable(one)
    counts = [one.count for one in given if one.count is not None]
    return Measured(
        math.fsum(one.value for one in given) / len(given),
        given[0].axis,
        given[0].metric,
        given[0].place,
        sum(counts) if len(counts) == len(given) else None,
        tuple(dict.fromkeys(seed for one in given for seed in one.seeds)),
    )


def best_first(numbers: Iterable[Measured[_A]], *, better: str) -> list[int]:
    """Places of the numbers, the best first, earlier ones first among equals.

    better  "lower" or "higher"; anything else has no best and raises AxisError
    """
    given = _some(numbers)
    if better not in ("lower", "higher"):
        raise AxisError(
            f"{given[0].place or given[0].metric}: found better {better!r}; expected lower or "
            "higher; remedy: choose a metric that is ordered"
        )
    return sorted(range(len(given)), key=lambda at: given[at], reverse=better == "higher")


def above(ours: Measured[PaperEval], quoted: Measured[External]) -> float:
    """How far our number is above an authority's; the one comparison that crosses axes.

    Raises AxisError unless ours is on paper-eval, the protocol the authority's number is of, and
    the other is labelled as quoted.
    """
    if ours.axis is not PaperEval or quoted.axis is not External or ours.metric != quoted.metric:
        raise AxisError(
            f"{ours.place or ours.metric}: found {ours} beside {quoted}; expected ours on "
            f"{Axis.PAPER_EVAL} and one quoted on {Axis.EXTERNAL}; remedy: measure on paper-eval"
        )
    return ours.value - quoted.value


def _some(numbers: Iterable[Measured[_A]]) -> list[Measured[_A]]:
    given = list(numbers)
    if not given:
        raise AxisError("numbers: found none; expected at least one; remedy: measure something")
    return given

"""Found against expected, stage by stage as computed; the first difference is named."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verify.api import CheckContext, Measurement
from verify.numeric.arrays import Array, Values, around, as_array

__all__ = ["Comparison", "Stage"]

UNIT = "of the recorded tolerance"


@dataclass(frozen=True)
class Stage:
    """How far one stage is off where it is off most, and what is allowed there.

    remark  what is wrong where it is no number: missing, shape, dtype, NaN
    where   the entry that is off most
    files   both arrays as .npy, where they differ by more than is allowed
    drawn   their entries around the worst one, for the report
    """

    error: float
    allowed: float
    remark: str = ""
    where: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    drawn: tuple[Values, Values] | None = None

    @property
    def ratio(self) -> float:
        """Error as a fraction of what is allowed; what cannot be compared is infinitely far off."""
        if self.error == 0.0:
            return 0.0
        ratio = self.error / self.allowed if self.allowed > 0.0 else math.inf
        return math.inf if math.isnan(ratio) else ratio

    def sentence(self) -> str:
        """What to say of a difference."""
        off = f"off by {self.error:.3g}{self.where}, allowed {self.allowed:.3g}"
        return self.remark or off


@dataclass
class Comparison:
    """Stages in the order in which they were held; nothing held agrees with nothing."""

    stages: dict[str, Stage] = field(default_factory=dict)

    def hold(
        self,
        name: str,
        found: Any,
        expected: Any,
        allowed: float = 0.0,
        *,
        relative: float = 0.0,
        dtype: str = "",
    ) -> None:
        """Hold one stage: |found - expected| <= allowed + relative |expected|, entry by entry.

        found  a tensor, array or number, None where the subject did not record it; a NaN or an
               infinity agrees with the same at the same place and with nothing else
        dtype  what `found` has to be of, e.g. bfloat16; any where it is left out
        """
        self.stages[name] = _held(found, as_array(expected), allowed, relative, dtype)

    def put(self, name: str, error: float, allowed: float = 1.0) -> None:
        """A stage whose error is measured elsewhere, such as a norm or a root mean square."""
        self.stages[name] = Stage(error, allowed)

    def add(self, other: Comparison, under: str) -> None:
        """The stages of another comparison, with `under` before their names."""
        self.stages |= {f"{under}{name}": one for name, one in other.stages.items()}

    @property
    def first_difference(self) -> str | None:
        """The first stage beyond its tolerance."""
        return next((name for name, one in self.stages.items() if not one.ratio <= 1.0), None)

    @property
    def worst_stage(self) -> str | None:
        """The stage with the largest error as a fraction of its tolerance."""
        return max(self.stages, key=lambda name: self.stages[name].ratio, default=None)

    @property
    def worst_ratio(self) -> float:
        """The largest error as a fraction of its tolerance; infinity where nothing was compared."""
        worst = self.worst_stage
        return math.inf if worst is None else self.stages[worst].ratio

    def sentence(self) -> str:
        """What to say in a reason."""
        if self.worst_stage is None:
            return "nothing was compared"
        stage = self.first_difference
        if stage is not None:
            return f"first differing stage {stage}: {self.stages[stage].sentence()}"
        return (
            f"{len(self.stages)} stages agree; the worst, {self.worst_stage}, "
            f"is at {self.worst_ratio:.3g} of its tolerance"
        )

    def judge(self, ctx: CheckContext, about: str = "") -> Measurement:
        """PASS while the worst ratio is within the clause's tolerance; else both arrays stay."""
        first = self.first_difference
        drawn = None if first is None else self.stages[first].drawn
        return ctx.judge(
            self.worst_ratio,
            f"{about}: {self.sentence()}" if about else self.sentence(),
            unit=UNIT,
            details={
                "stages": len(self.stages),
                "worst_stage": self.worst_stage,
                "first_difference": first,
                "over_tolerance": {name: _told(one.ratio) for name, one in self.stages.items()},
                **({} if drawn is None else {"drawn": [_curves(str(first), *drawn)]}),
            },
            files={} if first is None else self.stages[first].files,
        )


def _held(found: Any, expected: Array, allowed: float, relative: float, dtype: str) -> Stage:
    if found is None:
        return Stage(math.inf, allowed, "not recorded by the subject")
    told = str(getattr(found, "dtype", type(found).__name__)).removeprefix("torch.")
    if dtype and told != dtype:
        return Stage(math.inf, allowed, f"dtype {told}, expected {dtype}")
    got = as_array(found)
    if got.shape != expected.shape:
        remark = f"shape {list(got.shape)}, expected {list(expected.shape)}"
        return Stage(math.inf, allowed, remark)
    size = np.where(np.isfinite(expected), np.abs(expected), 0.0)
    return _worst_entry(got, expected, allowed + relative * size)


def _worst_entry(found: Array, expected: Array, allowed: Array) -> Stage:
    """The entry that is off most, as a fraction of what is allowed to it."""
    if not found.size:
        return Stage(0.0, 0.0)
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.where(same, 0.0, _incomparable_is_far(np.abs(found - expected)))
        ratio = np.where(same, 0.0, _incomparable_is_far(error / allowed))
    at = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    where = f" at [{', '.join(str(int(index)) for index in at)}]" if at else ""
    odd = not same[at] and not (np.isfinite(found[at]) and np.isfinite(expected[at]))
    return Stage(
        float(error[at]),
        float(allowed[at]),
        f"found {found[at]:g}{where}, expected {expected[at]:g}" if odd else "",
        where,
        {"expected.npy": _npy(expected), "got.npy": _npy(found)} if ratio[at] > 1.0 else {},
        around(expected, found) if ratio[at] > 1.0 else None,
    )


def _curves(stage: str, expected: Values, found: Values) -> dict[str, Any]:
    """Both side by side, as `verify.report.page.drawn` takes them."""
    title = f"{stage}: entries around the one that is off most"
    curves = [["expected", expected], ["found", found]]
    return {"kind": "curves", "title": title, "curves": curves}


def _incomparable_is_far(error: Array) -> Array:
    return np.where(np.isnan(error), np.inf, error)


def _npy(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _told(ratio: float) -> float | None:
    """JSON knows no infinity."""
    return ratio if math.isfinite(ratio) else None

"""Results of any subject as float64 arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Values", "around", "as_array", "largest", "worst_of"]

Array = NDArray[np.float64]
Values = list[float | None]  # None where a value is not finite, for JSON
SHOWN = 200  # entries around the worst one that are drawn


def as_array(value: Any) -> Array:
    """A tensor of torch (on any device, with or without gradient), an array or a number."""
    if hasattr(value, "detach"):
        value = value.detach().double().cpu().numpy()
    return np.asarray(value, dtype=np.float64)


def largest(value: Any) -> float:
    """max |value|, 0 for an empty array, NaN where there is a NaN."""
    return float(np.max(np.abs(as_array(value)), initial=0.0))


def worst_of(errors: Iterable[float]) -> float:
    """The largest error; infinity where one is NaN, which `max` may overlook.

    Raises ValueError where there is none: what was not measured is not right.
    """
    known = list(errors)
    return math.inf if any(map(math.isnan, known)) else max(known)


def around(expected: Array, found: Array) -> tuple[Values, Values]:
    """The same entries of both, flat, around the one that differs most; the first ones of arrays
    whose shapes differ."""
    start = 0
    if expected.shape == found.shape and expected.size > SHOWN:
        with np.errstate(invalid="ignore"):
            off = np.nan_to_num(np.abs(found - expected).ravel(), nan=np.inf, posinf=np.inf)
        start = max(0, min(int(np.argmax(off)) - SHOWN // 2, off.size - SHOWN))
    one, other = (array.ravel()[start : start + SHOWN] for array in (expected, found))
    return _finite(one), _finite(other)


def _finite(values: Array) -> Values:
    return [float(value) if np.isfinite(value) else None for value in values]

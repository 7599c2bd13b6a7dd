"""ADM's centre crop recomputed in NumPy, from Pillow's documented 8-bit resampling arithmetic.

Nothing of Pillow or of the engine is used: weights of a filter are found in float64, normalised,
rounded to 22 binary places; rows are filtered before columns; each pass rounds to whole levels.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Levels = NDArray[np.uint8]
Filter = Callable[[float], float]
PLACES = 22  # 32 bits less 8 for the level and 2 for the sign and overshoot


def box(x: float) -> float:
    """One within half a pixel."""
    return 1.0 if -0.5 < x <= 0.5 else 0.0


def cubic(x: float) -> float:
    """Keys' cubic with a = -1/2."""
    x = abs(x)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * -0.5 if x < 2 else 0.0


def centre_crop(levels: Levels, size: int) -> Levels:
    """[H, W, C] -> [size, size, C]."""
    while min(levels.shape[:2]) >= 2 * size:
        height, width = levels.shape[:2]
        levels = resample(levels, (height // 2, width // 2), box, 0.5)
    scale = size / min(levels.shape[:2])
    sides = (round(levels.shape[0] * scale), round(levels.shape[1] * scale))
    levels = resample(levels, sides, cubic, 2.0)
    top, left = ((side - size) // 2 for side in levels.shape[:2])
    return levels[top : top + size, left : left + size]


def resample(levels: Levels, sides: tuple[int, int], kernel: Filter, support: float) -> Levels:
    """Along the rows, then along the columns; a side that stays as it is is not filtered."""
    for axis, side in ((1, sides[1]), (0, sides[0])):
        if levels.shape[axis] != side:
            matrix = weights(levels.shape[axis], side, kernel, support)
            moved = np.moveaxis(levels.astype(np.int64), axis, 0)
            summed = np.tensordot(matrix, moved, 1) + (1 << (PLACES - 1))
            passed = np.clip(summed >> PLACES, 0, 255).astype(np.uint8)
            levels = np.moveaxis(passed, 0, axis)
    return levels


def weights(before: int, after: int, kernel: Filter, support: float) -> NDArray[np.int64]:
    """[after, before] in units of 2^-22."""
    scale = before / after
    stretch = max(scale, 1.0)
    rows = np.zeros((after, before), dtype=np.int64)
    for i in range(after):
        centre = (i + 0.5) * scale
        first = max(int(centre - support * stretch + 0.5), 0)
        last = min(int(centre + support * stretch + 0.5), before)
        row = [kernel((j - centre + 0.5) / stretch) for j in range(first, last)]
        total = sum(row)
        for j, weight in enumerate(row):
            exact = weight / total * (1 << PLACES)
            rows[i, first + j] = math.floor(abs(exact) + 0.5) * (1 if exact >= 0 else -1)
    return rows

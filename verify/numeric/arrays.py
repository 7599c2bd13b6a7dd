"""Results of any subject as float64 arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "as_array", "largest"]

Array = NDArray[np.float64]


def as_array(value: Any) -> Array:
    """A tensor of torch (on any device, with or without gradient), an array or a number."""
    if hasattr(value, "detach"):
        value = value.detach().double().cpu().numpy()
    return np.asarray(value, dtype=np.float64)


def largest(value: Any) -> float:
    """max |value|, 0 for an empty array, NaN where there is a NaN."""
    return float(np.max(np.abs(as_array(value)), initial=0.0))

"""The embedded digits as a source: 1,198 training images, [1, 8, 8] in [-1, 1]."""

from __future__ import annotations

from drift.data.dataset import DIGITS
from drift.data.embedded import SETS
from drift.data.source import TensorSource


def DigitsSource(*, held_out: bool = False) -> TensorSource:  # noqa: N802 - reads as a type
    """Training images, or the 599 that are held out."""
    return SETS[DIGITS].source(held_out=held_out)

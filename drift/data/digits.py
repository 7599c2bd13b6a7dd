"""The embedded digits as a source: 1,198 training images, [1, 8, 8] in [-1, 1]."""

from __future__ import annotations

from drift import digits
from drift.data.dataset import EMBEDDED
from drift.data.source import TensorSource


def DigitsSource(*, held_out: bool = False) -> TensorSource:  # noqa: N802 - reads as a type
    """Training images, or the 599 that are held out."""
    chosen = digits.load()[1 if held_out else 0]
    images = chosen.images.reshape(-1, 1, digits.SIDE, digits.SIDE)
    names = tuple(map(str, range(digits.CLASSES)))
    return TensorSource(images, chosen.labels, digits.CLASSES, EMBEDDED, names)

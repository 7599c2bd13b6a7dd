"""Samples given by hand: what their arrays have to be before one of them is measured.

A value out of range would be clipped, a label of another kind rounded, and the figure would look
like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift.data.classes import MAX_CLASSES
from drift.data.entries import UNLABELLED
from drift.errors import DriftError

CHANNELS = (1, 3)
BYTES, FLOATS = ("U8",), ("F16", "BF16", "F32", "F64")
SLACK = 1.0e-3  # beyond [-1, 1]: what float16 rounds; anything more would be clipped
NARROW = 0.5  # values all within +-0.5, or none below 0, are of another scale


class SourceError(DriftError):
    """Images that cannot be evaluated."""


def require_images(place: str, dtype: str, shape: Sequence[int], *, channels: int) -> None:
    """Raise SourceError unless an array is that of images; `channels` is the place of C."""
    axes = ["N", "H", "W"]
    axes.insert(channels, "C")
    named = f"[{', '.join(axes)}]"
    kinds = "uint8" if channels == 3 else "uint8, or floats in [-1, 1],"
    fits = len(shape) == 4 and all(shape) and shape[channels] in CHANNELS
    if dtype not in (*BYTES, *FLOATS) or not fits:
        raise SourceError(
            place,
            found=f"{dtype} {tuple(shape)}",
            expected=f"{kinds} {named} with at least one sample and "
            f"{' or '.join(map(str, CHANNELS))} channels",
            remedy="Write the samples so; nothing is guessed or clipped.",
        )


def require_signed(place: str, parts: Iterable[Tensor], *, own: bool) -> None:
    """Raise SourceError unless all values are finite, and of the scale [-1, 1].

    own  written by `drift sample`: what the network gives, which may overshoot
    """
    low, high = np.inf, -np.inf
    for part in parts:
        if not bool(torch.isfinite(part).all()):
            raise SourceError(
                place, found="numbers that are not finite", expected="finite samples",
                remedy="Draw them again; the weights or the decoder are damaged.",
            )  # fmt: skip
        low, high = min(low, float(part.min())), max(high, float(part.max()))
    wide = low < -1 - SLACK or high > 1 + SLACK
    if not own and (wide or low >= 0 or (low >= -NARROW and high <= NARROW)):
        raise SourceError(
            place,
            found=f"values from {low:.4g} to {high:.4g}",
            expected="values from -1 (black) to 1 (white)",
            remedy="Map them to [-1, 1], or write them as uint8.",
        )


def require_labels(place: str, dtype: str, shape: Sequence[int], count: int) -> None:
    """Raise SourceError unless an array is one whole number for each of `count` samples."""
    if not re.fullmatch(r"u?int\d+|[IU]\d+", dtype) or tuple(shape) != (count,):
        raise SourceError(
            place,
            found=f"{dtype} {list(shape)}",
            expected=f"integers [{count}], the class of each sample",
            remedy="One-hot labels become numbers by argmax; leave out an array that is none.",
        )


def labels(place: str, array: NDArray[Any], classes: object = None) -> Tensor:
    """Labels int64 [N] of an array of integers; all -1 are no labels.

    classes  how many there are, where the file says so
    Raises SourceError for a negative one among others, and for one too large.
    """
    stated = isinstance(classes, int) and not isinstance(classes, bool) and classes > 0
    bound = int(classes) if stated else MAX_CLASSES  # type: ignore[call-overload]
    low, high = int(array.min()), int(array.max())
    if not (low == high == UNLABELLED or (low >= 0 and high < bound)):
        raise SourceError(
            place, found=f"labels from {low} to {high}", expected=f"classes in 0 .. {bound - 1}",
            remedy="Number the classes from 0.",
        )  # fmt: skip
    return torch.from_numpy(array.astype(np.int64))

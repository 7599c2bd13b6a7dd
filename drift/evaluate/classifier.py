"""A classifier trained on the real digits, by which generated digits are judged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from drift import digits
from drift.sample import images

PENALTY = 10.0  # chosen on the training images; held-out accuracy 0.987


@dataclass(frozen=True)
class Classifier:
    """A support vector machine on pixels; `accuracy` and `hits` [599] are on held-out digits."""

    machine: Any
    hits: NDArray[np.bool_]

    @property
    def accuracy(self) -> float:
        """Share of held-out digits that it names."""
        return float(self.hits.mean())

    def predict(self, pixels: Tensor) -> NDArray[np.int64]:
        """uint8 [N, 1, 8, 8] -> classes [N]."""
        found: NDArray[np.int64] = self.machine.predict(_rows(pixels))
        return found


@cache
def digits_classifier() -> Classifier:
    """Fitted on the 1,198 training digits; deterministic, a fraction of a second."""
    from sklearn.svm import SVC

    training, held_out = digits.load()
    machine = SVC(C=PENALTY, gamma="scale")
    machine.fit(_rows(images.pixels(training.images)), training.labels.numpy())
    found = machine.predict(_rows(images.pixels(held_out.images)))
    return Classifier(machine, found == held_out.labels.numpy())


def _rows(pixels: Tensor) -> NDArray[np.float64]:
    return pixels.flatten(1).numpy() / float(images.LEVELS)

"""A classifier trained on the real images, by which generated ones are judged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift.evaluate.real import RealSet
from drift.sample import images

PENALTY = 10.0  # chosen on the training digits; accuracy on those held out 0.987
MOST_TAUGHT = 10_000  # images; a support vector machine takes time with their square


@dataclass(frozen=True)
class Classifier:
    """A support vector machine on pixels; `accuracy` and `hits` [N] are on held-out images."""

    machine: Any
    hits: NDArray[np.bool_]

    @property
    def accuracy(self) -> float:
        """Share of held-out images that it names."""
        return float(self.hits.mean())

    def predict(self, pixels: Tensor) -> NDArray[np.int64]:
        """uint8 [N, C, H, W] -> classes [N]."""
        found: NDArray[np.int64] = self.machine.predict(_rows(pixels))
        return found


@cache
def judge(real: RealSet) -> Classifier:
    """Fitted on the training part; deterministic, a fraction of a second for small images.

    Of a single class it says that class, whatever it sees: there is nothing to tell apart.
    """
    from sklearn.dummy import DummyClassifier
    from sklearn.svm import SVC

    machine = SVC(C=PENALTY, gamma="scale")
    if len(real.classes) < 2:
        machine = DummyClassifier(strategy="most_frequent")
    count = len(real.taught)
    chosen = torch.arange(0, count, -(-count // MOST_TAUGHT))
    machine.fit(_rows(real.taught[chosen]), real.training.labels[chosen].numpy())
    found = machine.predict(_rows(real.unseen))
    return Classifier(machine, found == real.held_out.labels.numpy())


def _rows(pixels: Tensor) -> NDArray[np.float64]:
    return pixels.flatten(1).numpy() / float(images.LEVELS)

"""Data sets that come with a package: nothing is fetched, and their arrays are pinned by a hash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drift import digits, mnist
from drift.data.dataset import DIGITS, EMBEDDED_SETS, MNIST
from drift.data.source import TensorSource
from drift.digits import Digits


@dataclass(frozen=True)
class Embedded:
    """load() -> (training, held out), grey squares of `side` pixels; sha256 names the arrays."""

    name: str
    side: int
    classes: int
    load: Callable[[], tuple[Digits, Digits]]
    sha256: str

    def source(self, *, held_out: bool = False) -> TensorSource:
        """Training images [1, side, side] in [-1, 1], or those that are held out."""
        chosen = self.load()[1 if held_out else 0]
        images = chosen.images.reshape(-1, 1, self.side, self.side)
        names = tuple(map(str, range(self.classes)))
        return TensorSource(images, chosen.labels, self.classes, EMBEDDED_SETS[self.name], names)


SETS: Mapping[str, Embedded] = {
    DIGITS: Embedded(DIGITS, digits.SIDE, digits.CLASSES, digits.load, digits.SHA256),
    MNIST: Embedded(MNIST, mnist.SIDE, mnist.CLASSES, mnist.load, mnist.SHA256),
}

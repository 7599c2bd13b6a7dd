"""What the toy generators learn: two distributions of the plane and real handwritten digits.

B groups are drawn at once: exchangeable groups in the plane, the ten classes for digits. S is the
size of a sample: 2 or 64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from drift import digits
from drift.errors import InputError
from drift.queue import SampleQueue

REAL_SAMPLES = 2000  # of the plane, for distances; drawn once with REAL_SEED
REAL_SEED = 2602_04770
PLANE_GROUPS = 4
QUEUE_CAPACITY = 128  # per class (paper A.8)


@dataclass(frozen=True)
class Start:
    """Where the untrained generator puts its samples: a blob with this mean and deviation."""

    mean: tuple[float, ...]
    spread: float


class Target(Protocol):
    """A distribution with a known set of modes."""

    name: str
    features: int  # S
    modes: int
    starts: Mapping[str, Start]
    condition: Tensor  # [B, C], what the generator is told about each group; C may be 0

    def positives(self, n: int, generator: torch.Generator) -> Tensor:
        """n real samples for each group, [B, n, S]."""

    def real(self) -> list[Tensor]:
        """Samples that were never positives, one tensor [n, S] for each kind of group."""

    def mode_of(self, samples: Tensor) -> Tensor:
        """The mode that each sample [n, S] belongs to, int64 [n]; -1 where it is none."""


class _Plane:
    """A distribution of the plane; every group is the same."""

    name: str
    features = 2
    starts: Mapping[str, Start]

    def __init__(self) -> None:
        self.condition = torch.zeros(PLANE_GROUPS, 0)

    def positives(self, n: int, generator: torch.Generator) -> Tensor:
        return self.draw(PLANE_GROUPS * n, generator).reshape(PLANE_GROUPS, n, 2)

    def real(self) -> list[Tensor]:
        return [self.draw(REAL_SAMPLES, torch.Generator().manual_seed(REAL_SEED))]

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        raise NotImplementedError


class Bimodal(_Plane):
    """Two normal blobs of equal weight (paper, Figure 3)."""

    name = "bimodal"
    modes = 2
    centres = torch.tensor([[-1.5, 0.0], [1.5, 0.0]])
    deviation = 0.25
    # Figure 3: far from both modes, collapsed onto one, between the two.
    starts: Mapping[str, Start] = {
        "far": Start((0.0, 4.5), 0.2),
        "collapsed": Start((1.5, 0.0), 0.05),
        "between": Start((0.0, 0.0), 0.2),
    }

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        mode = torch.randint(0, 2, (n,), generator=generator)
        return self.centres[mode] + self.deviation * torch.randn(n, 2, generator=generator)

    def mode_of(self, samples: Tensor) -> Tensor:
        """The nearer centre, if it is within three deviations."""
        nearest = torch.cdist(samples.cpu(), self.centres).min(dim=1)
        return torch.where(nearest.values <= 3 * self.deviation, nearest.indices, -1)


class Checkerboard(_Plane):
    """Eight unit squares of a 4 x 4 board on [-2, 2]^2, those where row + column is even."""

    name = "checkerboard"
    modes = 8
    side = 4
    starts: Mapping[str, Start] = {
        "far": Start((0.0, 4.5), 0.2),
        "collapsed": Start((-0.5, -0.5), 0.05),
        "between": Start((0.0, 0.0), 0.2),
    }

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        row = torch.randint(0, self.side, (n,), generator=generator)
        half = torch.randint(0, self.side // 2, (n,), generator=generator)
        corner = torch.stack([row, 2 * half + row % 2], dim=1)
        return corner + torch.rand(n, 2, generator=generator) - self.side / 2

    def mode_of(self, samples: Tensor) -> Tensor:
        """The square that holds the sample; -1 on an empty square or off the board."""
        cell = (samples.cpu() + self.side / 2).floor().long()
        row, column = cell[:, 0], cell[:, 1]
        on_board = ((cell >= 0) & (cell < self.side)).all(dim=1)
        filled = on_board & ((row + column) % 2 == 0)
        return torch.where(filled, row * (self.side // 2) + column // 2, -1)


class Handwritten:
    """Scikit-learn's digits, one group for each class; positives come from a strict queue.

    The mode of a sample is the class of the nearest training image: of the 599 held-out images
    97.8 % have the class of their nearest training image.
    """

    name = "digits"
    features = digits.SIDE**2
    modes = digits.CLASSES
    # Independent pixels: no digit is near. A spread well below that of the data is not used: with
    # the affinity floor of the reference a point-like start stays on the mean of its class.
    starts: Mapping[str, Start] = {"scattered": Start((0.0,) * features, 0.7)}

    def __init__(self) -> None:
        self.condition = torch.eye(digits.CLASSES)
        self.training, self.held_out = digits.load()
        self._queue = SampleQueue(digits.CLASSES, QUEUE_CAPACITY)
        self._queue.push(self.training.images, self.training.labels)

    def positives(self, n: int, generator: torch.Generator) -> Tensor:
        return self._queue.sample(torch.arange(digits.CLASSES), n, generator=generator)

    def real(self) -> list[Tensor]:
        return [self.held_out.of_class(c) for c in range(digits.CLASSES)]

    def mode_of(self, samples: Tensor) -> Tensor:
        return self.training.labels[self.nearest(samples)]

    def nearest(self, samples: Tensor) -> Tensor:
        """Index of the nearest training image, samples [n, 64] -> [n]."""
        return torch.cdist(samples.cpu(), self.training.images).argmin(dim=1)


TARGETS: dict[str, type[Bimodal] | type[Checkerboard] | type[Handwritten]] = {
    "bimodal": Bimodal,
    "checkerboard": Checkerboard,
    "digits": Handwritten,
}


def make(name: str) -> Target:
    """The target called `name`; InputError names those there are."""
    if name not in TARGETS:
        raise InputError("target", found=repr(name), expected="one of " + ", ".join(TARGETS))
    return TARGETS[name]()

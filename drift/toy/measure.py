"""Figures of a toy run that do not depend on the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from drift.toy.targets import Target

COVERED = 0.5  # a mode is covered if it gets at least this much of its fair share of samples


@dataclass(frozen=True)
class Figures:
    """
    energy_distance  between generated and real samples; 0 for equal distributions, and, being
                     unbiased, sometimes slightly below
    modes_covered    modes with at least half their fair share of the samples
    smallest_share   share of the rarest mode, 1 being fair
    in_mode          share of the samples that lie in a mode; for digits, in that of their class
    diversity        mean distance of two samples of a group, over that of two real ones
    """

    energy_distance: float
    modes_covered: int
    smallest_share: float
    in_mode: float
    diversity: float

    def row(self) -> dict[str, float | int]:
        return asdict(self)


class Ruler:
    """Measures generated samples against the real samples of one target."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.real = target.real()
        self._within_real = mean_within(self.real)

    def measure(self, samples: Tensor) -> Figures:
        """Figures of samples [B, n, S], in the order of the target's groups."""
        samples = samples.detach().cpu()
        # Where all groups are of one kind they are one sample.
        kinds = [samples.flatten(0, 1)] if len(self.real) == 1 else list(samples)
        shares, in_mode = mode_shares(self.target, samples)
        fair = 1.0 / self.target.modes
        return Figures(
            energy_distance=self.energy_distance(kinds),
            modes_covered=int((shares >= COVERED * fair).sum()),
            smallest_share=float(shares.min() / fair),
            in_mode=in_mode,
            diversity=diversity(kinds, self.real),
        )

    def energy_distance(self, kinds: Sequence[Tensor]) -> float:
        """2 E|x - y| - E|x - x'| - E|y - y'|, without bias, every kind having the same weight."""
        between = torch.stack([_distance(a, b) for a in kinds for b in self.real]).mean()
        return float(2 * between - mean_within(kinds) - self._within_real)


def mean_within(kinds: Sequence[Tensor]) -> Tensor:
    """E|x - x'| for two independent samples of a mixture of equal shares of the kinds [n, S].

    Samples of one kind are compared with the others of that kind only, so the estimate has no bias
    although each kind has a fixed number of samples.
    """
    means = [
        _distance(a, b) if i != j else _distance_within(a)
        for i, a in enumerate(kinds)
        for j, b in enumerate(kinds)
    ]
    return torch.stack(means).mean()


def _distance(a: Tensor, b: Tensor) -> Tensor:
    return _sum_of_distances(a, b) / (len(a) * len(b))


def _distance_within(a: Tensor) -> Tensor:
    """Mean distance of two different samples, [n, S] -> scalar."""
    return _sum_of_distances(a, a) / (len(a) * (len(a) - 1))


def _sum_of_distances(a: Tensor, b: Tensor) -> Tensor:
    """In float64 over the rows: the energy distance is a small difference of large means."""
    return torch.cdist(a, b).sum(dim=1).double().sum()


def mode_shares(target: Target, samples: Tensor) -> tuple[Tensor, float]:
    """Share of the samples [B, n, S] in each mode, [modes], and of those in an allowed mode."""
    modes = target.mode_of(samples.flatten(0, 1))
    counts = torch.bincount(modes[modes >= 0], minlength=target.modes).double()
    if target.condition.shape[1]:  # group b asks for mode b
        asked = torch.arange(len(samples)).repeat_interleave(samples.shape[1])
        allowed = modes == asked
    else:
        allowed = modes >= 0
    return counts / len(modes), float(allowed.double().mean())


def diversity(kinds: Sequence[Tensor], real: Sequence[Tensor]) -> float:
    """Mean over kinds of the mean distance of two samples, over that of two real samples."""
    pairs = zip(kinds, real, strict=True)
    return float(torch.stack([_distance_within(a) / _distance_within(b) for a, b in pairs]).mean())

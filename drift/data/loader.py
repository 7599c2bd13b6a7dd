"""The order in which a run sees its data: epochs of a permutation that follows from the seed."""

from __future__ import annotations

import torch
from torch import Tensor

from drift import rng
from drift.data.source import Source
from drift.errors import InputError


class Loader:
    """Draws samples in a fixed order; `position`, the number drawn so far, is its whole state.

    Epoch e is the permutation that `rng.stream(seed, "epoch", e)` gives, so the order is the same
    whether it is read at once, in pieces of any size, or after a resume.
    """

    def __init__(self, source: Source, *, seed: int, position: int = 0) -> None:
        if position < 0:
            raise InputError("Loader.position", found=position, expected="at least 0")
        self.source = source
        self.seed = seed
        self.position = position
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    @property
    def epoch(self) -> int:
        """Epoch of the next sample."""
        return self.position // len(self.source.labels)

    def take(self, n: int) -> tuple[Tensor, Tensor]:
        """The next n samples [n, C, H, W] and their labels [n]."""
        indices = self.indices(n)
        return self.source.get(indices), self.source.labels[indices]

    def indices(self, n: int) -> Tensor:
        """The places of the next n samples, across the end of an epoch where need be."""
        size = len(self.source.labels)
        pieces = []
        while n > 0:
            self._load_epoch(self.position // size)
            offset = self.position % size
            piece = self._order[offset : offset + n]
            pieces.append(piece)
            self.position += len(piece)
            n -= len(piece)
        return torch.cat(pieces) if pieces else torch.empty(0, dtype=torch.int64)

    def _load_epoch(self, epoch: int) -> None:
        if epoch != self._epoch:
            generator = rng.stream(self.seed, "epoch", epoch)
            self._order = torch.randperm(len(self.source.labels), generator=generator)
            self._epoch = epoch

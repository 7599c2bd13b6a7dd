"""Features of real samples, computed once for each of them: the encoders are frozen.

A sample is known by a digest of its bytes: queues, passes and processes need not say where it is
from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Features = dict[str, Tensor]
Encoders = Callable[[Tensor], Features]

LIMIT = 256 << 20  # bytes that the features of a whole source may take
KEY = 16  # bytes of what a sample is known by
PIECE = 32  # samples that are encoded at once, neither more nor fewer


class Remembered:
    """samples [M, C, H, W] -> name -> [M, L, D], as the encoders give them, without gradient.

    What a convolution gives for an image may depend, in its last bits, on how many there are. Every
    piece that is encoded has the same size, so features do not depend on who is asked for when: a
    run that is resumed has those of the run before.

    encoders  frozen ones
    most      different samples that are kept
    """

    def __init__(self, encoders: Encoders, most: int) -> None:
        self._encoders = encoders
        self._most = most
        self._places: dict[bytes, int] = {}
        self._kept: Features = {}

    @classmethod
    def of(cls, encoders: Encoders, sample: Tensor, count: int) -> Remembered | None:
        """For `count` samples like this one [1, C, H, W]; None where they would take too much."""
        with torch.no_grad():
            held = sum(value.nbytes for value in encoders(sample).values())
        return cls(encoders, count) if count * held <= LIMIT else None

    @torch.no_grad()
    def __call__(self, samples: Tensor) -> Features:
        rows = samples.flatten(1).cpu().numpy()
        keys = [hashlib.blake2b(row.tobytes(), digest_size=KEY).digest() for row in rows]
        found = {key: i for i, key in enumerate(keys)}
        if len(self._places | found) > self._most:  # of a source that shows no sample twice
            self._places.clear()
            self._kept.clear()
            self._most = max(self._most, len(found))
        new = {key: i for key, i in found.items() if key not in self._places}
        if new:
            self._learn(list(new), samples[list(new.values())])
        at = torch.tensor([self._places[key] for key in keys], device=samples.device)
        return {name: kept.index_select(0, at) for name, kept in self._kept.items()}

    def _learn(self, keys: Sequence[bytes], samples: Tensor) -> None:
        first, stop = len(self._places), len(self._places) + len(keys)
        filled = torch.cat([samples, samples[-1:].expand(-len(samples) % PIECE, -1, -1, -1)])
        pieces = [self._encoders(piece) for piece in torch.split(filled, PIECE)]
        for name in pieces[0]:
            found = torch.cat([piece[name] for piece in pieces])[: len(samples)]
            if name not in self._kept:
                self._kept[name] = found.new_empty(self._most, *found.shape[1:])
            self._kept[name][first:stop] = found
        self._places |= {key: place for place, key in enumerate(keys, start=first)}

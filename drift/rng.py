"""Randomness as a function of seed, purpose and step, so that a resumed run is the same run.

Nothing is carried from step to step: each step makes its generator anew from its name, so there is
no state of a generator to save or to lose.
"""

from __future__ import annotations

import hashlib

import torch


def stream(seed: int, purpose: str, step: int = 0) -> torch.Generator:
    """A CPU generator that depends on its three arguments only."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{step}".encode()).digest()
    generator = torch.Generator()
    generator.manual_seed(int.from_bytes(digest[:8], "little") % (1 << 63))
    return generator

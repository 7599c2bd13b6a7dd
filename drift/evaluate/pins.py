"""Digests that a figure at the paper's scale rests on; a protected file (contracts/policy).

A line more here, or in the contract that pins the same, lifts every record by a tier.
"""

from __future__ import annotations

# torch-fidelity's and pytorch-fid's conversion of the TensorFlow graph of 2015-12-05; the file
# carries the first eight digits in its name, weights-inception-2015-12-05-6726825d.pth.
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"

# Of the statistics that the release's figures are against. The file was not at hand when DEC-0114
# was written, so there is none, and no record reaches paper-eval until one is recorded.
PINNED_STATISTICS: frozenset[str] = frozenset()

"""The largest numbers that a template or an artefact can mean.

They are far above everything published, and small enough that sizes computed from them are whole
numbers of 64 bits and that such a model can be laid out without weights. What a run may hold
besides is for the machine to say (`drift.train.room`).
"""

from __future__ import annotations

LARGEST = 1 << 24  # widths, rows, channels: no published one comes near it
MOST_LAYERS = 2**10  # blocks, style tables; the largest column has 32
MOST_TOKENS = 4096  # of a sample; the published models have 272
MOST_SIDE = 1 << 13  # pixels or cells along one side
MOST_SAMPLES = (1 << 31) - 1  # of a batch, a queue, an evaluation
MOST_STEPS = 10**8 - 1  # a checkpoint's name has eight digits
LARGEST_SEED = (1 << 32) - 1  # of NumPy's generators
MOST_RATIO = 2.0**10  # inner width of an MLP over its width

"""Precision, recall and coverage by nearest neighbours (Kynkaanniemi 2019; Naeem 2020).

Radii are squared distances to the k-th neighbour, counted without the point itself, as in the
reference (specs/golden/metrics). Distances are float64, so that they do not depend on how a float32
library cancels; torch-fidelity, which compares distances instead of their squares, decides alike
but for ties below float32's rounding.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from drift.errors import InputError

K = 3
COVERAGE_K = 5
ELEMENTS = 1 << 23  # of a block of distances: 64 MiB in float64
PRECISION = "share of generated samples inside a real k-NN ball, k = {k}, squared radii"
RECALL = "share of real samples inside a generated k-NN ball, k = {k}, squared radii"

Array = NDArray[np.float64]
Hits = NDArray[np.bool_]


def blocks(a: NDArray[np.floating], b: NDArray[np.floating]) -> Iterator[tuple[slice, Array]]:
    """Squared distances [rows of a, M] of a [N, D] to b [M, D], some rows at a time."""
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not len(b):
        raise InputError(
            "features", found=f"shapes {a.shape} and {b.shape}", expected="[N, D] and [M, D], M > 0"
        )
    wide = np.asarray(b, dtype=np.float64)
    norms = np.einsum("md,md->m", wide, wide)
    rows = max(1, ELEMENTS // len(b))
    for start in range(0, len(a), rows):
        chunk = np.asarray(a[start : start + rows], dtype=np.float64)
        squared = np.einsum("nd,nd->n", chunk, chunk)[:, None] + norms - 2.0 * (chunk @ wide.T)
        yield slice(start, start + len(chunk)), np.clip(squared, 0.0, None)


def squared_radii(points: NDArray[np.floating], k: int) -> Array:
    """Squared distance of each point [N, D] to its k-th nearest other point: [N]."""
    if not 0 < k < len(points):
        raise InputError("k", found=f"{k} for {len(points)} samples", expected="1 to N - 1")
    radii = np.empty(len(points))
    for place, squared in blocks(points, points):
        # Index k of the sorted row: the row includes the point itself at distance 0.
        radii[place] = np.partition(squared, k, axis=1)[:, k]
    return radii


def inside(points: NDArray[np.floating], centres: NDArray[np.floating], radii: Array) -> Hits:
    """Whether each point [N, D] lies in the ball of some centre [M, D] with squared radius [M]."""
    hits = np.empty(len(points), dtype=np.bool_)
    for place, squared in blocks(points, centres):
        hits[place] = (squared <= radii).any(axis=1)
    return hits


def reached(centres: NDArray[np.floating], radii: Array, points: NDArray[np.floating]) -> Hits:
    """Whether the ball of each centre [M, D] holds some point [N, D]."""
    hits = np.empty(len(centres), dtype=np.bool_)
    for place, squared in blocks(centres, points):
        hits[place] = squared.min(axis=1) <= radii[place]
    return hits


def precision_hits(generated: NDArray[np.floating], real: NDArray[np.floating]) -> Hits:
    """Per generated sample: whether it lies in the ball of a real one."""
    return inside(generated, real, squared_radii(real, K))


def recall_hits(generated: NDArray[np.floating], real: NDArray[np.floating]) -> Hits:
    """Per real sample: whether it lies in the ball of a generated one."""
    return inside(real, generated, squared_radii(generated, K))


def coverage_hits(generated: NDArray[np.floating], real: NDArray[np.floating]) -> Hits:
    """Per real sample: whether a generated one lies within its own k-NN radius (Naeem, Eq. 6)."""
    return reached(real, squared_radii(real, COVERAGE_K), generated)

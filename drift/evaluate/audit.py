"""Whether samples are copies of training data, and whether they are all alike.

A sample is suspicious where it is nearer to its nearest training sample than real samples that the
model has never seen are to theirs. Distances are Euclidean, in pixels or in features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drift.evaluate import bootstrap, prdc
from drift.evaluate.figures import Figure

QUANTILE = 0.01  # of held-out distances; nearer than that is a near copy
MOST_COPIES = 0.05  # share of near copies above which memorisation is said
COLLAPSE = 0.5  # spread of a class over that of real samples below which collapse is said
MOST_PAIRS = 512  # samples of a class whose pairs are measured

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Memorisation:
    """copies   share of generated samples nearer to the training data than 99 % of held-out ones
    closer   probability that a generated sample is nearer to the training data than a held-out one
    flagged  `copies` exceeds MOST_COPIES, its whole interval considered
    """

    copies: Figure
    closer: Figure
    flagged: bool


def nearest(points: NDArray[np.floating], training: NDArray[np.floating]) -> Array:
    """Distance of each point [N, D] to its nearest training sample [M, D]: [N]."""
    found = np.empty(len(points))
    for place, squared in prdc.blocks(points, training):
        found[place] = np.sqrt(squared.min(axis=1))
    return found


def memorisation(
    generated: NDArray[np.floating],
    training: NDArray[np.floating],
    held_out: NDArray[np.floating],
    generator: np.random.Generator,
    *,
    space: str,
) -> Memorisation:
    """Nearest-neighbour audit in one space; each argument is [samples, D]."""
    ours, theirs = nearest(generated, training), nearest(held_out, training)
    limit = float(np.quantile(theirs, QUANTILE))
    copies = bootstrap.share(
        ours < limit,
        generator,
        definition=f"share nearer to training data than 99 % of held-out samples, {space}",
        better="lower",
        baseline=QUANTILE,
        limit=limit,
        median=float(np.median(ours)),
        held_out_median=float(np.median(theirs)),
    )
    ranks = np.searchsorted(np.sort(theirs), ours, side="left")
    ties = np.searchsorted(np.sort(theirs), ours, side="right") - ranks
    closer = bootstrap.mean(
        1.0 - (ranks + ties / 2) / len(theirs),
        generator,
        definition=f"probability of being nearer to training data than a held-out sample, {space}",
        better="near 0.5",
    )
    return Memorisation(copies, closer, copies.low > MOST_COPIES)


def spread(points: NDArray[np.floating]) -> float:
    """Mean distance between two different points [N, D]; 0 for a single one."""
    few = points[:MOST_PAIRS]
    if len(few) < 2:
        return 0.0
    total = sum(float(np.sqrt(squared).sum()) for _, squared in prdc.blocks(few, few))
    return total / (len(few) * (len(few) - 1))


def spread_ratio(generated: NDArray[np.floating], real: NDArray[np.floating]) -> float:
    """Spread of generated samples over that of real ones of the same class."""
    return spread(generated) / max(spread(real), 1e-12)

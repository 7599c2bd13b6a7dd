"""Confidence intervals at 95 % by resampling the samples a figure was computed from.

A resample has duplicates, which change nearest neighbours and add to the bias of a Frechet
distance. Shares are therefore resampled as indicators whose neighbourhoods are already decided, and
distances get the spread of the resamples around the measured value, not their quantiles.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from drift.evaluate.figures import Figure

LEVEL = 0.95
REPLICATES = 200
Z = 1.959963984540054  # the normal quantile of LEVEL, two-sided


def strata_of(labels: NDArray[np.int64] | None, n: int) -> list[NDArray[np.int64]]:
    """Places of the samples of each label; all in one without labels.

    Samples are asked for by label in fixed numbers, so a resample keeps these numbers: another mix
    of classes would add a spread that no second run has.
    """
    if labels is None:
        return [np.arange(n)]
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def counts(
    strata: Sequence[NDArray[np.int64]], generator: np.random.Generator
) -> NDArray[np.int64]:
    """How often each sample is in one resample; the sum over a stratum is its size."""
    drawn = np.zeros(sum(map(len, strata)), dtype=np.int64)
    for places in strata:
        size = len(places)
        drawn[places] = np.bincount(generator.integers(size, size=size), minlength=size)
    return drawn


def share(
    hits: NDArray[np.bool_ | np.float64],
    generator: np.random.Generator,
    *,
    definition: str,
    better: str = "higher",
    **details: object,
) -> Figure:
    """Share of hits [N] with the quantiles of its resamples; a hit may be a share itself.

    Where all or none hit, every resample agrees and would claim certainty; the interval is widened
    to Wilson's, which does not.
    """
    if not np.isin(hits, (0, 1)).all():
        whole = np.asarray(hits, np.float64)
        return mean(whole, generator, definition=definition, better=better, **details)
    n = len(hits)
    value = float(np.mean(hits))
    resampled = generator.binomial(n, value, size=10 * REPLICATES) / n
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    method = "bootstrap quantiles of the indicators"
    if value in (0.0, 1.0):
        low, high = wilson(value, n)
        method = "Wilson, as all resamples agree"
    return Figure(
        value=value, low=float(low), high=float(high), interval=method, definition=definition,
        count=n, better=better, details=details,
    )  # fmt: skip


def wilson(value: float, n: int) -> tuple[float, float]:
    """Wilson's interval of a share."""
    centre = (value + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(value * (1 - value) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    low = 0.0 if value == 0.0 else max(0.0, centre - half)
    return low, 1.0 if value == 1.0 else min(1.0, centre + half)


def resampled(
    statistic: Callable[[NDArray[np.int64]], float],
    strata: Sequence[NDArray[np.int64]],
    generator: np.random.Generator,
    *,
    replicates: int | None = None,
) -> tuple[float, ...]:
    """`statistic(counts [n])` of resamples, REPLICATES by default."""
    return tuple(statistic(counts(strata, generator)) for _ in range(replicates or REPLICATES))


def deviation(values: Sequence[float]) -> float:
    """Standard deviation of resampled values."""
    return float(np.std(values, ddof=1))


def mean(
    values: NDArray[np.float64], generator: np.random.Generator, *, definition: str, better: str,
    **details: object,
) -> Figure:  # fmt: skip
    """Mean of values [N] with the quantiles of its resamples."""
    n = len(values)
    strata = strata_of(None, n)
    resampled = [float(counts(strata, generator) @ values) / n for _ in range(REPLICATES)]
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Figure(
        value=float(np.mean(values)), low=float(low), high=float(high),
        interval="bootstrap quantiles", definition=definition, count=n, better=better,
        details=details,
    )  # fmt: skip

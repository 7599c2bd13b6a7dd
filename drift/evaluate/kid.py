"""Kernel distance (KID): torch-fidelity's unbiased MMD with the cubic polynomial kernel."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from drift.errors import InputError
from drift.evaluate import bootstrap
from drift.evaluate.figures import Figure

SUBSETS = 100
SUBSET_SIZE = 1000
SEED = 2020
ANCHORS = 2000  # samples of each side against which the spread is linearised
DEFINITION = "torch-fidelity: mean over 100 subsets of the unbiased MMD, (x.y / D + 1)^3, seed 2020"

Array = NDArray[np.float64]


def kid(generated: NDArray[np.floating], real: NDArray[np.floating]) -> tuple[float, float, int]:
    """(mean, deviation over subsets, subset size) for features [N, D] and [M, D]."""
    from torch_fidelity import metric_kid

    size = min(SUBSET_SIZE, len(generated), len(real))
    if size < 2:
        raise InputError("KID", found=f"{size} samples", expected="at least 2 on each side")
    found = metric_kid.kid_features_to_metric(
        torch.from_numpy(np.asarray(generated)),
        torch.from_numpy(np.asarray(real)),
        kid_subsets=SUBSETS,
        kid_subset_size=size,
        rng_seed=SEED,
        verbose=False,
    )
    return found[metric_kid.KEY_METRIC_KID_MEAN], found[metric_kid.KEY_METRIC_KID_STD], size


def figure(
    generated: NDArray[np.floating],
    real: NDArray[np.floating],
    generator: np.random.Generator,
    *,
    labels: NDArray[np.int64] | None = None,
) -> Figure:
    """KID with the interval of its linear part: unbiased, so it may fall below 0.

    A resample's duplicates would count as pairs, so what is resampled is each sample's own share of
    the distance. The deviation over subsets is given too; it is not that of the figure.
    """
    value, over_subsets, size = kid(generated, real)
    ours, theirs = influence(generated, real, generator), influence(real, generated, generator)
    strata = bootstrap.strata_of(labels, len(ours))
    variance = _of_mean(ours, strata, generator) ** 2
    variance += _of_mean(theirs, bootstrap.strata_of(None, len(theirs)), generator) ** 2
    half = (
        2.0 * bootstrap.Z * float(np.sqrt(variance))
    )  # each sample is in both arguments of a pair
    return Figure(
        value=value,
        low=value - half,
        high=value + half,
        interval="value +- 1.96 standard deviations of the bootstrapped linear part",
        definition=DEFINITION,
        count=len(generated),
        better="lower",
        details={"subset_size": size, "subsets_deviation": over_subsets, "real": len(real)},
    )


def influence(
    points: NDArray[np.floating], others: NDArray[np.floating], generator: np.random.Generator
) -> Array:
    """Mean kernel of each point with its own side less that with the other side, [N]."""
    own = points[generator.permutation(len(points))[:ANCHORS]]
    other = others[generator.permutation(len(others))[:ANCHORS]]
    found = np.empty(len(points))
    for start in range(0, len(points), ANCHORS):
        rows = np.asarray(points[start : start + ANCHORS], dtype=np.float64)
        found[start : start + len(rows)] = _kernel(rows, own) - _kernel(rows, other)
    return found


def _kernel(rows: Array, anchors: NDArray[np.floating]) -> Array:
    inner = rows @ np.asarray(anchors, dtype=np.float64).T / rows.shape[1]
    mean: Array = ((inner + 1.0) ** 3).mean(axis=1)
    return mean


def _of_mean(
    values: Array, strata: list[NDArray[np.int64]], generator: np.random.Generator
) -> float:
    found = bootstrap.resampled(
        lambda drawn: float(drawn @ values) / len(values), strata, generator
    )
    return bootstrap.deviation(found)

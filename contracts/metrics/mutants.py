"""Realistic mistakes in metrics; each changes the engine in place and undoes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from drift.evaluate import (
    audit,
    bootstrap,
    fid,
    inception,
    kid,
    networks,
    prdc,
    sources,
)
from drift.sample import images
from verify.api import mutant

Patched = AbstractContextManager[Any]
Array = NDArray[np.float64]


# Frechet distance


@mutant("metrics.means_left_out")
def means_left_out(subject: object) -> Patched:
    """Only the covariances are compared."""

    def centred(values: fid.Moments) -> dict[str, Array]:
        return {"mu": np.zeros_like(values.mean), "sigma": values.covariance}

    return patch.object(fid, "_dictionary", centred)


@mutant("metrics.only_variances")
def only_variances(subject: object) -> Patched:
    """Correlations between features are dropped."""

    def diagonal(values: fid.Moments) -> dict[str, Array]:
        return {"mu": values.mean, "sigma": np.diag(np.diag(values.covariance))}

    return patch.object(fid, "_dictionary", diagonal)


@mutant("metrics.covariance_over_n")
def covariance_over_n(subject: object) -> Patched:
    """The covariance is divided by n, not by n - 1."""
    real = fid.Accumulator.result

    def result(self: fid.Accumulator) -> fid.Moments:
        found = real(self)
        factor = (found.count - 1) / found.count
        return fid.Moments(found.mean, factor * found.covariance, found.count)

    return patch.object(fid.Accumulator, "result", result)


@mutant("metrics.mean_of_batches")
def mean_of_batches(subject: object) -> Patched:
    """Each batch is centred at its own mean: the spread between batches is lost."""
    real = fid.Accumulator._add

    def added(self: fid.Accumulator, rows: Array, weights: Array | None) -> None:
        real(self, rows - rows.mean(axis=0), weights)

    return patch.object(fid.Accumulator, "_add", added)


@mutant("metrics.line_in_n")
def line_in_n(subject: object) -> Patched:
    """FID is extrapolated along N instead of along 1/N."""

    def extrapolate(by_count: Any) -> float:
        sizes, values = map(np.asarray, zip(*by_count, strict=True))
        return float(np.polyfit(sizes.astype(np.float64), values, 1)[1])

    return patch.object(fid, "extrapolate", extrapolate)


@mutant("metrics.strata_ignored")
def strata_ignored(subject: object) -> Patched:
    """Resamples do not keep the numbers of the classes."""
    return patch.object(bootstrap, "strata_of", lambda labels, n: [np.arange(n)])


@mutant("metrics.error_of_the_bootstrap")
def error_of_the_bootstrap(subject: object) -> Patched:
    """The deviation of resamples is divided by the root of their number."""
    real = bootstrap.deviation

    def deviation(*given: Any, **named: Any) -> float:
        return float(real(*given, **named) / np.sqrt(bootstrap.REPLICATES))

    return patch.object(bootstrap, "deviation", deviation)


# Inception score


@mutant("metrics.other_permutation")
def other_permutation(subject: object) -> Patched:
    """The samples are put in another order before the splits."""
    return patch.object(inception, "SEED", 0)


@mutant("metrics.other_splits")
def other_splits(subject: object, *, splits: int) -> Patched:
    """Another number of splits."""
    return patch.object(inception, "SPLITS", splits)


@mutant("metrics.rest_kept")
def rest_kept(subject: object) -> Patched:
    """Splits of unequal size, as torch-fidelity makes them."""

    def split(order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        n, k = len(order), inception.SPLITS
        return [order[i * n // k : (i + 1) * n // k] for i in range(k)]

    return patch.object(inception, "split", split)


@mutant("metrics.coarse_epsilon")
def coarse_epsilon(subject: object) -> Patched:
    """A larger number is added inside the logarithms."""
    return patch.object(inception, "EPS", 1e-3)


# neighbours


@mutant("metrics.own_neighbour")
def own_neighbour(subject: object) -> Patched:
    """The point itself is counted among its k neighbours."""
    real = prdc.squared_radii
    return patch.object(prdc, "squared_radii", lambda points, k: real(points, k - 1))


@mutant("metrics.plain_radii")
def plain_radii(subject: object) -> Patched:
    """Radii are distances, but are compared with squared ones."""
    real = prdc.squared_radii
    return patch.object(prdc, "squared_radii", lambda points, k: np.sqrt(real(points, k)))


@mutant("metrics.precision_is_recall")
def precision_is_recall(subject: object) -> Patched:
    """Real and generated samples change places."""
    real = prdc.recall_hits
    return patch.object(prdc, "precision_hits", lambda fake, true: real(fake, true))


@mutant("metrics.other_k")
def other_k(subject: object, *, k: int) -> Patched:
    """Another neighbour."""
    return patch.object(prdc, "K", k)


# images


@mutant("metrics.rounded")
def rounded(subject: object) -> Patched:
    """Bytes by rounding."""
    real = images.to_uint8
    return patch.object(images, "to_uint8", lambda unit: real(unit + 0.5 / images.LEVELS))


@mutant("metrics.wrapped")
def wrapped(subject: object) -> Patched:
    """Values beyond the range are not clipped, so they wrap around."""

    def to_uint8(unit: Tensor) -> Tensor:
        finite = torch.nan_to_num(unit, nan=0.0, posinf=1.0, neginf=0.0)
        return (finite.clamp(-9, 9) * images.LEVELS).to(torch.int64).to(torch.uint8)

    return patch.object(images, "to_uint8", to_uint8)


@mutant("metrics.tensorflow_resize")
def tensorflow_resize(subject: object) -> Patched:
    """The resize of torch-fidelity, at upper left corners."""
    from torch_fidelity import interpolate_compat_tensorflow as library

    def resize(x: Tensor) -> Tensor:
        found: Tensor = library.interpolate_bilinear_2d_like_tensorflow1x(
            x, size=(299, 299), align_corners=False
        )
        return found

    return patch.object(networks, "resize_299", resize)


@mutant("metrics.aligned_corners")
def aligned_corners(subject: object) -> Patched:
    """The corners of the image are the corners of the result."""

    def resize(x: Tensor) -> Tensor:
        return functional.interpolate(x, size=(299, 299), mode="bilinear", align_corners=True)

    return patch.object(networks, "resize_299", resize)


@mutant("metrics.unit_range")
def unit_range(subject: object) -> Patched:
    """The network sees [0, 1] instead of [-1, 1]."""
    return patch.object(networks, "normalised", lambda x: x / 255.0)


@mutant("metrics.last_batch_dropped")
def last_batch_dropped(subject: object) -> Patched:
    """An incomplete last batch is left out."""
    real = sources.Images.batches

    def batches(self: sources.Images) -> Iterator[tuple[Tensor, Tensor]]:
        yield from (pair for pair in real(self) if len(pair[0]) == sources.BATCH)

    return patch.object(sources.Images, "batches", batches)


@mutant("metrics.range_twice")
def range_twice(subject: object) -> Patched:
    """Images are brought to the range twice before they reach the extractor."""
    return patch.object(images, "rgb", lambda pixels: pixels // 2 + 64)


@mutant("metrics.kernel_seed")
def kernel_seed(subject: object) -> Patched:
    """KID draws other subsets."""
    return patch.object(kid, "SEED", 7)


# memorisation, classes


@mutant("metrics.audit_of_held_out")
def audit_of_held_out(subject: object) -> Patched:
    """Nearest neighbours are looked up in the samples themselves, not in the training data."""
    real = audit.nearest
    return patch.object(audit, "nearest", lambda points, training: real(points, points))


@mutant("metrics.copies_tolerated")
def copies_tolerated(subject: object) -> Patched:
    """Memorisation is said only when half of all samples are copies."""
    return patch.object(audit, "MOST_COPIES", 0.5)


@mutant("metrics.radius_left_out")
def radius_left_out(subject: object) -> Patched:
    """A real sample counts as reached by its nearest generated one, however far that is."""
    return patch.object(prdc, "squared_radii", lambda points, k: np.full(len(points), np.inf))


@mutant("metrics.collapse_not_seen")
def collapse_not_seen(subject: object) -> Patched:
    """No spread is small enough."""
    return patch.object(audit, "COLLAPSE", 0.0)


@mutant("metrics.coverage_other_k")
def coverage_other_k(subject: object) -> Patched:
    """Coverage uses the neighbour of precision and recall, its expectation does not."""

    def hits(generated: Array, real: Array) -> NDArray[np.bool_]:
        return prdc.reached(real, prdc.squared_radii(real, 3), generated)

    return patch.object(prdc, "coverage_hits", hits)

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

from drift.evaluate import audit, bootstrap, fid, inception, kid, networks, prdc, sources
from drift.sample import images
from verify.api import mutant

Patched = AbstractContextManager[Any]
Array = NDArray[np.float64]


# Frechet distance


@mutant("metrics.means_left_out", fid, "_dictionary")
def means_left_out(real: Any, values: fid.Moments) -> dict[str, Array]:
    """Only the covariances are compared."""
    return {"mu": np.zeros_like(values.mean), "sigma": values.covariance}


@mutant("metrics.only_variances", fid, "_dictionary")
def only_variances(real: Any, values: fid.Moments) -> dict[str, Array]:
    """Correlations between features are dropped."""
    return {"mu": values.mean, "sigma": np.diag(np.diag(values.covariance))}


@mutant("metrics.covariance_over_n", fid.Accumulator, "result")
def covariance_over_n(real: Any, self: fid.Accumulator) -> fid.Moments:
    """The covariance is divided by n, not by n - 1."""
    found = real(self)
    factor = (found.count - 1) / found.count
    return fid.Moments(found.mean, factor * found.covariance, found.count)


@mutant("metrics.mean_of_batches", fid.Accumulator, "_add")
def mean_of_batches(real: Any, self: fid.Accumulator, rows: Array, weights: Array | None) -> None:
    """Each batch is centred at its own mean: the spread between batches is lost."""
    real(self, rows - rows.mean(axis=0), weights)


@mutant("metrics.line_in_n", fid, "extrapolate")
def line_in_n(real: Any, by_count: Any) -> float:
    """FID is extrapolated along N instead of along 1/N."""
    sizes, values = map(np.asarray, zip(*by_count, strict=True))
    return float(np.polyfit(sizes.astype(np.float64), values, 1)[1])


@mutant("metrics.error_of_the_bootstrap", bootstrap, "deviation")
def error_of_the_bootstrap(real: Any, *given: Any, **named: Any) -> float:
    """The deviation of resamples is divided by the root of their number."""
    return float(real(*given, **named) / np.sqrt(bootstrap.REPLICATES))


# Inception score


@mutant("metrics.other_splits")
def other_splits(subject: object, *, splits: int) -> Patched:
    """Another number of splits."""
    return patch.object(inception, "SPLITS", splits)


@mutant("metrics.rest_kept", inception, "split")
def rest_kept(real: Any, order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Splits of unequal size, as torch-fidelity makes them."""
    n, k = len(order), inception.SPLITS
    return [order[i * n // k : (i + 1) * n // k] for i in range(k)]


# neighbours


@mutant("metrics.own_neighbour", prdc, "squared_radii")
def own_neighbour(real: Any, points: Any, k: Any) -> Any:
    """The point itself is counted among its k neighbours."""
    return real(points, k - 1)


@mutant("metrics.plain_radii", prdc, "squared_radii")
def plain_radii(real: Any, points: Any, k: Any) -> Any:
    """Radii are distances, but are compared with squared ones."""
    return np.sqrt(real(points, k))


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


@mutant("metrics.rounded", images, "to_uint8")
def rounded(real: Any, unit: Any) -> Any:
    """Bytes by rounding."""
    return real(unit + 0.5 / images.LEVELS)


@mutant("metrics.wrapped", images, "to_uint8")
def wrapped(real: Any, unit: Tensor) -> Tensor:
    """Values beyond the range are not clipped, so they wrap around."""
    finite = torch.nan_to_num(unit, nan=0.0, posinf=1.0, neginf=0.0)
    return (finite.clamp(-9, 9) * images.LEVELS).to(torch.int64).to(torch.uint8)


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


@mutant("metrics.aligned_corners", networks, "resize_299")
def aligned_corners(real: Any, x: Tensor) -> Tensor:
    """The corners of the image are the corners of the result."""
    return functional.interpolate(x, size=(299, 299), mode="bilinear", align_corners=True)


@mutant("metrics.last_batch_dropped", sources.Images, "batches")
def last_batch_dropped(real: Any, self: sources.Images) -> Iterator[tuple[Tensor, Tensor]]:
    """An incomplete last batch is left out."""
    yield from (pair for pair in real(self) if len(pair[0]) == sources.BATCH)


# memorisation, classes


@mutant("metrics.audit_of_held_out", audit, "nearest")
def audit_of_held_out(real: Any, points: Any, training: Any) -> Any:
    """Nearest neighbours are looked up in the samples themselves, not in the training data."""
    return real(points, points)


@mutant("metrics.coverage_other_k", prdc, "coverage_hits")
def coverage_other_k(_: Any, generated: Array, real: Array) -> NDArray[np.bool_]:
    """Coverage uses the neighbour of precision and recall, its expectation does not."""
    return prdc.reached(real, prdc.squared_radii(real, 3), generated)


OTHER_VALUES = (
    # Resamples do not keep the numbers of the classes.
    mutant("metrics.strata_ignored", bootstrap, strata_of=lambda labels, n: [np.arange(n)]),
    # The samples are put in another order before the splits.
    mutant("metrics.other_permutation", inception, SEED=0),
    # A larger number is added inside the logarithms.
    mutant("metrics.coarse_epsilon", inception, EPS=1e-3),
    # The network sees [0, 1] instead of [-1, 1].
    mutant("metrics.unit_range", networks, normalised=lambda x: x / 255.0),
    # Images are brought to the range twice before they reach the extractor.
    mutant("metrics.range_twice", images, rgb=lambda pixels: pixels // 2 + 64),
    # KID draws other subsets.
    mutant("metrics.kernel_seed", kid, SEED=7),
    # Memorisation is said only when half of all samples are copies.
    mutant("metrics.copies_tolerated", audit, MOST_COPIES=0.5),
    # A real sample counts as reached by its nearest generated one, however far that is.
    mutant(
        "metrics.radius_left_out",
        prdc,
        squared_radii=lambda points, k: np.full(len(points), np.inf),
    ),
    # No spread is small enough.
    mutant("metrics.collapse_not_seen", audit, COLLAPSE=0.0),
)

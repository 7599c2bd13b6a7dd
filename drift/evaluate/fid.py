"""Frechet distance between Gaussians fitted to features, its spread, and its bias at this count.

The value is torch-fidelity's: |mu1 - mu2|^2 + tr S1 + tr S2 - 2 sum Re sqrt(eigvals(S1 S2)), which
is the reference's definition too (specs/golden/metrics). Means and covariances are accumulated in
float64 from batches, so no features have to be kept for the value alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drift.errors import InputError
from drift.evaluate import bootstrap
from drift.evaluate.figures import Figure

Array = NDArray[np.float64]
ROWS = 4096  # of features that are widened to float64 at once
WIDE = 256  # features beyond which a covariance costs seconds
REPLICATES_WIDE = 20
FRACTIONS = (1, 2, 3, 4)  # a whole, halves, thirds and quarters of the samples
ROUNDING = 1.0e-6  # of the traces: how far below 0 a sum may come by rounding
DEFINITION = "Frechet distance of Gaussians by eigenvalues of S1 S2, covariances over n - 1"


@dataclass(frozen=True)
class Moments:
    """mean [D] and covariance [D, D], over n - 1, of `count` samples; float64."""

    mean: Array
    covariance: Array
    count: int


class Accumulator:
    """Moments of a stream of batches [B, D] in memory that does not grow with their number."""

    def __init__(self) -> None:
        self._count = 0.0
        self._samples = 0
        self._shift: Array | None = None
        self._sum: Array | None = None
        self._outer: Array | None = None

    def add(self, batch: NDArray[np.floating], weights: Array | None = None) -> None:
        """Add samples [B, D], each `weights` [B] times (once by default)."""
        for start in range(0, len(batch), ROWS):
            rows = np.asarray(batch[start : start + ROWS], dtype=np.float64)
            self._add(rows, None if weights is None else weights[start : start + ROWS])

    def _add(self, rows: Array, weights: Array | None) -> None:
        if self._shift is None or self._sum is None or self._outer is None:
            self._shift = rows.mean(axis=0)  # keeps the sums small beside the spread
            self._sum = np.zeros(rows.shape[1])
            self._outer = np.zeros((rows.shape[1], rows.shape[1]))
        centred = rows - self._shift
        weighted = centred if weights is None else centred * weights[:, None]
        self._sum += weighted.sum(axis=0)
        self._outer += weighted.T @ centred
        self._count += len(rows) if weights is None else float(weights.sum())
        self._samples += len(rows)

    def result(self) -> Moments:
        """Raises InputError for fewer than two samples."""
        if self._count < 2 or self._sum is None or self._outer is None or self._shift is None:
            raise InputError(
                "moments", found=f"{self._samples} samples", expected="at least 2 samples"
            )
        n = self._count
        offset = self._sum / n
        covariance = (self._outer - n * np.outer(offset, offset)) / (n - 1)
        return Moments(self._shift + offset, covariance, round(n))


def moments(features: NDArray[np.floating], weights: Array | None = None) -> Moments:
    """Moments of features [N, D], each row `weights` [N] times."""
    accumulator = Accumulator()
    accumulator.add(features, weights)
    return accumulator.result()


def frechet(a: Moments, b: Moments) -> float:
    """Frechet distance, as torch-fidelity computes it; raises InputError for unlike widths."""
    from torch_fidelity import metric_fid

    if a.mean.shape != b.mean.shape:
        raise InputError(
            "frechet", found=f"features of {len(a.mean)} and {len(b.mean)}", expected="one width"
        )
    found = metric_fid.fid_statistics_to_metric(_dictionary(a), _dictionary(b), verbose=False)
    return _distance(float(found[metric_fid.KEY_METRIC_FID]), a, b)


class Fast:
    """The same distance to one fixed Gaussian, by the symmetric root: for many evaluations."""

    def __init__(self, reference: Moments) -> None:
        values, vectors = np.linalg.eigh(reference.covariance)
        self._root = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
        self._reference = reference

    def __call__(self, other: Moments) -> float:
        inner = self._root @ other.covariance @ self._root
        values = np.linalg.eigvalsh((inner + inner.T) / 2)
        cross = 2.0 * float(np.sqrt(np.clip(values, 0.0, None)).sum())
        difference = other.mean - self._reference.mean
        traces = np.trace(other.covariance) + np.trace(self._reference.covariance)
        return _distance(float(difference @ difference + traces - cross), other, self._reference)


def _distance(value: float, a: Moments, b: Moments) -> float:
    """The value, or 0 where it is below by rounding: no distance is negative, and equal Gaussians
    give the difference of sums that are equal but for their last bits.

    Raises InputError for a value that rounding does not explain: covariances that are none. Roots
    of eigenvalues near 0 carry about the root of the machine's precision, 1.5e-8, of the traces.
    """
    scale = float(np.trace(a.covariance) + np.trace(b.covariance))
    if value < -ROUNDING * scale:
        raise InputError(
            "frechet", found=f"{value:.4g} with traces of {scale:.4g}", expected="at least 0",
            remedy="The moments are not those of features: compute them again.",
        )  # fmt: skip
    return max(value, 0.0)


def figure(
    features: NDArray[np.floating],
    reference: Moments,
    generator: np.random.Generator,
    *,
    labels: NDArray[np.int64] | None = None,
) -> Figure:
    """FID of features [N, D] against a reference, with interval and bias.

    labels  [N], in whose fixed numbers the samples were drawn; resamples and parts keep them

    The interval is the value plus and minus 1.96 standard deviations of resampled FIDs: each
    resample is biased upwards by as much again as the value, so their quantiles would miss it.
    details: `fid_infinity` is the value extrapolated to infinitely many generated samples, `bias`
    what the value exceeds it by, `by_count` the mean FID at each count it was read from.
    """
    value = frechet(moments(features), reference)
    fast = Fast(reference)
    n, wide = features.shape
    values = resampled(
        features, reference, generator, labels=labels,
        replicates=None if wide <= WIDE else REPLICATES_WIDE,
    )  # fmt: skip
    spread = bootstrap.deviation(values)
    by_count = at_counts(features, fast, generator, labels)
    infinity = extrapolate(by_count)
    return Figure(
        value=value,
        low=min(value, max(0.0, value - bootstrap.Z * spread)),
        high=value + bootstrap.Z * spread,
        interval="value +- 1.96 standard deviations of bootstrapped FIDs",
        definition=DEFINITION,
        count=n,
        better="lower",
        details={
            "fid_infinity": infinity,
            "bias": value - infinity,
            "by_count": {str(size): fid for size, fid in by_count},
            "reference_count": reference.count,
            "deviation": spread,
        },
        resampled=values,
    )


def resampled(
    features: NDArray[np.floating],
    reference: Moments,
    generator: np.random.Generator,
    *,
    labels: NDArray[np.int64] | None,
    replicates: int | None,
) -> tuple[float, ...]:
    """The distance of resamples of features [N, D] that keep the numbers of the labels [N]."""
    fast = Fast(reference)
    return bootstrap.resampled(
        lambda drawn: fast(moments(features, drawn.astype(np.float64))),
        bootstrap.strata_of(labels, len(features)),
        generator,
        replicates=replicates,
    )


def at_counts(
    features: NDArray[np.floating],
    fast: Fast,
    generator: np.random.Generator,
    labels: NDArray[np.int64] | None = None,
) -> list[tuple[int, float]]:
    """(samples, mean FID over disjoint parts of that many) for the FRACTIONS that make sense.

    Every k-th sample of an order that goes label by label: each part has the mix of the whole.
    """
    shuffled = [
        generator.permutation(places) for places in bootstrap.strata_of(labels, len(features))
    ]
    order = np.concatenate(shuffled)
    found = []
    for parts in FRACTIONS:
        size = len(features) // parts
        if size < 2:
            break
        pieces = (order[part::parts][:size] for part in range(parts))
        found.append((size, float(np.mean([fast(_part(features, piece)) for piece in pieces]))))
    return found


def extrapolate(by_count: Iterable[tuple[int, float]]) -> float:
    """FID at infinitely many samples: the intercept of a line in 1/N (Chong and Forsyth, 2020)."""
    sizes, values = map(np.asarray, zip(*by_count, strict=True))
    if len(sizes) < 2:
        return float(values[0])
    return float(np.polyfit(1.0 / sizes, values, 1)[1])


def spread(ours: Moments, theirs: Moments) -> Figure:
    """Root of the ratio of total variances, with its large-sample normal interval."""
    value = float(np.sqrt(np.trace(ours.covariance) / max(np.trace(theirs.covariance), 1e-12)))
    values = np.clip(np.linalg.eigvalsh(ours.covariance), 0.0, None)
    relative = float(np.sqrt(2.0 * (values**2).sum() / max(values.sum() ** 2, 1e-300)))
    half = bootstrap.Z * value * relative / (2.0 * np.sqrt(max(ours.count, 2)))
    return Figure(
        value=value,
        low=max(0.0, value - half),
        high=value + half,
        interval="value +- 1.96 standard deviations for Gaussian features",
        definition="root of total feature variance over that of the real samples",
        count=ours.count,
        better="near 1",
    )


def _part(features: NDArray[np.floating], rows: NDArray[np.int64]) -> Moments:
    accumulator = Accumulator()
    for start in range(0, len(rows), ROWS):
        accumulator.add(features[rows[start : start + ROWS]])
    return accumulator.result()


def _dictionary(values: Moments) -> dict[str, Array]:
    return {"mu": values.mean, "sigma": values.covariance}

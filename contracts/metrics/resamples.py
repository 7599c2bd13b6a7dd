"""Checks of intervals: resamples, shares, means by hand, and those of KID, IS and FID."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from drift.evaluate import bootstrap, fid, inception, kid
from drift.evaluate.figures import Figure
from verify.api import CheckContext, Measurement, check, mutant

from ..common.rows import Refused, Row, judge_rows

Z = 1.959963984540054
Array = NDArray[np.float64]


def near(found: object, wanted: Any, *, by: float = 1e-9) -> object:
    """`wanted` where the found numbers are near it, else what was found."""
    close = np.allclose(np.asarray(found, float), np.asarray(wanted, float), rtol=by, atol=by)
    return wanted if close else found


def _row(name: str, call: Callable[[], object], wanted: Any, *, by: float = 1e-9) -> Row:
    return name, lambda: near(call(), wanted, by=by), wanted


@check("metrics.resamples")
def resamples(ctx: CheckContext) -> Measurement:
    """Strata, counts, shares, means and their intervals, each from the same draws by hand."""
    return judge_rows(ctx, chain(_strata(), _shares(), _figures()), "facts of resamples")


def _strata() -> Iterator[Row]:
    labels = np.array([2, 0, 2, 5])
    yield "no labels", lambda: [one.tolist() for one in bootstrap.strata_of(None, 3)], [[0, 1, 2]]
    found = bootstrap.strata_of(labels, 4)
    yield "by label", lambda: [one.tolist() for one in found], [[1], [0, 2], [3]]
    drawn = np.zeros(4, np.int64)
    again = np.random.default_rng(5)
    for places in ([1], [0, 2], [3]):
        held = again.integers(len(places), size=len(places))
        drawn[places] = [(held == i).sum() for i in range(len(places))]
    counted = partial(bootstrap.counts, found)
    yield "counts", lambda: counted(np.random.default_rng(5)).tolist(), drawn.tolist()
    seen: list[int] = []

    def statistic(counts: NDArray[np.int64]) -> float:
        seen.append(int(counts.sum()))
        return float(counts[0])

    made = partial(bootstrap.resampled, statistic, found)
    yield "as many as are asked", lambda: len(made(np.random.default_rng(0), replicates=7)), 7
    yield "as many as are usual", lambda: len(made(np.random.default_rng(0))), 200
    yield "each of all", lambda: set(seen), {4}
    yield "a deviation", lambda: bootstrap.deviation([1.0, 2.0, 3.0]), 1.0
    yield "the level", lambda: (bootstrap.LEVEL, bootstrap.Z, bootstrap.REPLICATES), (0.95, Z, 200)


def _interval(figure: Figure) -> tuple[float, float, float]:
    return figure.value, figure.low, figure.high


def _said(figure: Figure) -> tuple[str, int, str]:
    return figure.interval, figure.count, figure.better


def _shares() -> Iterator[Row]:
    reach = Z * Z / (10 + Z * Z)
    for value, wanted in ((1, (1.0, 1.0 - reach, 1.0)), (0, (0.0, 0.0, reach))):
        made = partial(
            bootstrap.share, np.full(10, value), np.random.default_rng(0), definition="d"
        )
        yield _row(f"all {value}", partial(lambda made: _interval(made()), made), wanted)
        yield (
            f"all {value}, by",
            partial(lambda made: made().interval, made),
            "Wilson, as all resamples agree",
        )
    centre = (0.3 + Z * Z / 20) / (1 + Z * Z / 10)
    half = Z * math.sqrt(0.021 + Z * Z / 400) / (1 + Z * Z / 10)
    yield _row("Wilson", lambda: bootstrap.wilson(0.3, 10), (centre - half, centre + half))
    hits = np.array([1] * 6 + [0] * 14, bool)
    values = np.random.default_rng(3).binomial(20, 0.3, size=2000) / 20
    ends = np.quantile(values, [0.025, 0.975])
    some = bootstrap.share(
        hits, np.random.default_rng(3), definition="d", better="lower", limit=2.0
    )
    yield _row("some", lambda: _interval(some), (0.3, *ends))
    said = ("bootstrap quantiles of the indicators", "d", 20, "lower", {"limit": 2.0})
    yield (
        "some, by",
        lambda: (some.interval, some.definition, some.count, some.better, some.details),
        said,
    )
    parts = np.array([0.0, 0.5, 1.0, 0.25])
    again = np.random.default_rng(4)
    sums = [np.bincount(again.integers(4, size=4), minlength=4) @ parts / 4 for _ in range(200)]
    ends = np.quantile(sums, [0.025, 0.975])
    for name, make in (
        ("parts", bootstrap.share),
        ("a mean", partial(bootstrap.mean, better="higher")),
    ):
        one = make(parts, np.random.default_rng(4), definition="d")
        yield _row(name, partial(_interval, one), (0.4375, *ends))
        yield f"{name}, by", partial(_said, one), (
            "bootstrap quantiles", 4, "higher"
        )  # fmt: skip
    drawn = {"value": 0.5, "low": 0.25, "high": 1.0, "interval": "i", "definition": "d", "count": 3,
             "better": "lower"}  # fmt: skip
    figure = Figure(**drawn)  # type: ignore[arg-type]
    whole = {"value": 0.5, "interval": [0.25, 1.0], "interval_method": "i", "definition": "d",
             "count": 3, "better": "lower"}  # fmt: skip
    yield "as JSON", figure.as_dict, whole
    more = Figure(**drawn, details={"k": 1})  # type: ignore[arg-type]
    yield "with details", more.as_dict, whole | {"details": {"k": 1}}
    yield "shown", figure.shown, "0.5 [0.25, 1]"
    for name in ("value", "low", "high"):
        bad = Figure(**{**drawn, name: math.nan})  # type: ignore[arg-type]
        yield f"no number as {name}", partial(_raises, bad.as_dict), "ValueError"


def _raises(call: Callable[[], object]) -> str:
    try:
        call()
    except ValueError as error:
        return type(error).__name__
    return "nothing"


# KID, Inception score, FID


def _figures() -> Iterator[Row]:
    yield from _of_kid()
    yield from _of_inception()
    yield from _of_fid()
    yield from _of_spread()


def _cube(rows: Array, others: Array) -> Array:
    return np.array([[(float(a @ b) / len(a) + 1.0) ** 3 for b in others] for a in rows])


def _of_kid() -> Iterator[Row]:
    rng = np.random.default_rng(0)
    ours, real = rng.normal(size=(40, 3)), rng.normal(size=(60, 3)) + 0.5
    influence = _cube(ours, ours).mean(1) - _cube(ours, real).mean(1)
    theirs = _cube(real, real).mean(1) - _cube(real, ours).mean(1)
    yield _row(
        "influence", lambda: kid.influence(ours, real, np.random.default_rng(1)), influence.tolist()
    )
    for most in (7, 40):  # so many at once, against the same number of each side
        with patch.object(kid, "ANCHORS", most):
            found = kid.influence(ours, real, np.random.default_rng(1))
        again = np.random.default_rng(1)
        own, other = ours[again.permutation(40)[:most]], real[again.permutation(60)[:most]]
        wanted = _cube(ours, own).mean(1) - _cube(ours, other).mean(1)
        yield _row(f"against {most}", partial(np.asarray, found), wanted.tolist())
    figure = kid.figure(ours, real, np.random.default_rng(1))
    half = 2 * Z * math.sqrt(influence.var() / 40 + theirs.var() / 60)
    yield _row("half the interval", lambda: (figure.high - figure.low) / 2, half, by=0.2)
    yield _row("its middle", lambda: (figure.high + figure.low) / 2, figure.value)
    value, over, size = kid.kid(ours, real)
    said = {"subset_size": 40, "subsets_deviation": over, "real": 60}
    yield "the figure", lambda: (figure.value, figure.count, figure.better, dict(figure.details)), (
        value, 40, "lower", said
    )  # fmt: skip
    yield "a subset", lambda: (size, kid.kid(real, ours[:9])[2]), (40, 9)
    one = partial(kid.kid, ours[:1], real)
    yield "one sample", one, Refused("KID: found 1 samples", "at least 2 on each side")
    labels = np.arange(40) % 2
    strata = kid.figure(ours + 9.0 * labels[:, None], real, np.random.default_rng(1), labels=labels)
    mixed = kid.figure(ours + 9.0 * labels[:, None], real, np.random.default_rng(1))
    yield (
        "kept in their classes",
        lambda: strata.high - strata.value < 0.7 * (mixed.high - mixed.value),
        True,
    )
    constants = (kid.SUBSETS, kid.SUBSET_SIZE, kid.SEED, kid.ANCHORS)
    yield "constants", lambda: constants, (100, 1000, 2020, 2000)


def _of_inception() -> Iterator[Row]:
    p = np.array([[0.5, 0.5], [1.0, 0.0]])
    logits = np.log(np.array([[0.2, 0.8], [0.5, 0.5]]))
    yield _row(
        "probabilities", lambda: inception.probabilities(logits + 5.0), [[0.2, 0.8], [0.5, 0.5]]
    )
    wanted = 0.5 * (0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25) + math.log(1 / 0.75))
    yield _row("divergence", lambda: inception.divergence(p), wanted, by=1e-8)
    parts = [one.tolist() for one in inception.split(np.arange(23))]
    yield "splits", lambda: parts, [[2 * i, 2 * i + 1] for i in range(10)]
    order = np.random.RandomState(2020).permutation(23).tolist()
    yield "the order", lambda: inception.permutation(23).tolist(), order
    yield "too few", lambda: inception.scores(logits), Refused("found 2 samples", ">= 10")
    drawn = 2.0 * np.random.default_rng(0).normal(size=(200, 4))
    figure = inception.figure(drawn, np.random.default_rng(1))
    scores = inception.scores(drawn)
    q = inception.probabilities(drawn)
    whole = math.exp(inception.divergence(q))
    spread = float(np.std(figure.resampled, ddof=1))
    yield _row("the interval", lambda: (figure.value, figure.high - figure.value,
        figure.value - figure.low),
               (float(scores.mean()), Z * spread, Z * spread))  # fmt: skip
    theirs = inception.torch_fidelity_score(drawn)
    yield _row(
        "details", lambda: list(figure.details.values()), [float(scores.std()), whole, *theirs]
    )
    yield "names", lambda: list(figure.details), [
        "splits_deviation", "all_samples", "torch_fidelity", "torch_fidelity_deviation"
    ]  # fmt: skip
    yield (
        "resamples are of all",
        lambda: abs(float(np.mean(figure.resampled)) - whole) < 3 * spread,
        True,
    )
    yield "as wide as they are", lambda: 0.005 < spread / whole < 0.2, True
    yield "what it is of", lambda: (figure.count, figure.better), (200, "higher")
    absent = np.array([[0.0, 0.0, -1e4]] * 20)
    never = inception.figure(absent, np.random.default_rng(1))
    yield _row("a class of probability 0", lambda: _interval(never), (1.0, 1.0, 1.0))
    alike = inception.figure(np.zeros((20, 3)), np.random.default_rng(1))
    yield _row("the least", lambda: _interval(alike), (1.0, 1.0, 1.0))


def _of_fid() -> Iterator[Row]:
    rng = np.random.default_rng(0)
    sample = rng.normal(size=(60, 3))
    reference = fid.Moments(np.full(3, 0.5), np.eye(3), 999)
    weights = np.array([2.0, 0.0, 1.0, 3.0])
    repeated = fid.moments(np.repeat(sample[:4], weights.astype(int), axis=0))
    weighted = fid.moments(sample[:4], weights)
    yield _row("weights are numbers of copies", lambda: np.r_[weighted.mean,
        weighted.covariance.ravel()],
               np.r_[repeated.mean, repeated.covariance.ravel()].tolist(), by=1e-12)  # fmt: skip
    apart = fid.moments(sample + np.array([0.0, 1e7, -1e7])).covariance
    plain = fid.moments(sample).covariance.ravel().tolist()
    yield _row("means far apart", lambda: apart.ravel(), plain, by=1e-6)
    yield "how many", lambda: (weighted.count, fid.moments(sample).count), (6, 60)
    with patch.object(fid, "ROWS", 7):
        pieces = fid.moments(sample[:, :2], np.arange(60.0))
    once = fid.moments(sample[:, :2], np.arange(60.0))
    yield _row("in pieces", lambda: pieces.covariance.ravel(), once.covariance.ravel().tolist())
    yield "two samples", lambda: fid.moments(sample[:2]).count, 2
    yield "one sample", lambda: fid.moments(sample[:1]), Refused("found 1 samples", "at least 2")
    said = Refused("features of 3 and 2", "one width")
    yield "unlike widths", lambda: fid.frechet(reference, once), said
    low = fid.Moments(np.zeros(2), np.eye(2), 9)
    yield "rounding", lambda: fid._distance(-3.9e-6, low, low), 0.0
    said = Refused("traces of 4", "compute them")
    yield "no rounding", lambda: fid._distance(-4.1e-6, low, low), said
    figure = fid.figure(sample, reference, np.random.default_rng(1))
    value = fid.frechet(fid.moments(sample), reference)
    spread = float(np.std(figure.resampled, ddof=1))
    yield _row(
        "its interval", lambda: _interval(figure), (value, value - Z * spread, value + Z * spread)
    )
    details = dict(figure.details)
    by_count = details.pop("by_count")
    infinity = float(details["fid_infinity"])
    sizes = {int(n): float(v) for n, v in by_count.items()}
    yield "by count", lambda: list(sizes), [60, 30, 20, 15]
    yield _row("the whole", lambda: sizes[60], value)
    slope = np.polyfit([1 / n for n in sizes], list(sizes.values()), 1)
    yield _row("details", lambda: [details[k] for k in ("fid_infinity", "bias", "deviation")],
               [float(slope[1]), value - infinity, spread])  # fmt: skip
    yield (
        "of what",
        lambda: (details["reference_count"], figure.count, figure.better),
        (999, 60, "lower"),
    )
    yield (
        "resamples",
        lambda: (len(figure.resampled), fid.REPLICATES_WIDE, fid.WIDE),
        (200, 20, 256),
    )
    with patch.object(fid, "WIDE", 2):
        wide = fid.figure(sample, reference, np.random.default_rng(1))
    yield "of wide features", lambda: len(wide.resampled), 20
    yield _row("a line in 1/N", lambda: fid.extrapolate([(10, 3.2), (20, 3.1), (40, 3.05)]), 3.0)
    yield "one count", lambda: fid.extrapolate([(10, 3.2)]), 3.2
    yield from _mixes()


def _mixes() -> Iterator[Row]:
    """Each part has the mix of the whole, no sample twice."""
    labels = np.repeat([0, 1], 6)
    seen: list[tuple[int, float]] = []

    def fast(found: fid.Moments) -> float:
        seen.append((found.count, round(float(found.mean[0]), 9)))
        return float(found.count)

    held: Any = fast
    by_count = fid.at_counts(labels[:, None].astype(float), held, np.random.default_rng(0), labels)
    yield "counts", lambda: by_count, [(12, 12.0), (6, 6.0), (4, 4.0), (3, 3.0)]
    wanted = [(12, 0.5), *[(6, 0.5)] * 2, *[(4, 0.5)] * 3]
    yield "mixes", lambda: seen[:6], wanted
    thirds = sorted(mean for _, mean in seen[6:])
    yield "of three", lambda: [round(3 * one) for one in thirds], [1, 1, 2, 2]
    few = fid.at_counts(np.arange(5.0)[:, None], held, np.random.default_rng(0))
    yield "of five", lambda: [size for size, _ in few], [5, 2]


def _of_spread() -> Iterator[Row]:
    ours, real = (
        fid.Moments(np.zeros(2), np.diag([4.0, 0.0]), 50),
        fid.Moments(np.zeros(2), np.eye(2), 9),
    )
    figure = fid.spread(ours, real)
    value = math.sqrt(2.0)
    half = Z * value * math.sqrt(2.0) / (2 * math.sqrt(50))
    yield _row("spread", lambda: _interval(figure), (value, value - half, value + half))
    yield "of what", lambda: (figure.count, figure.better), (50, "near 1")
    few = [fid.spread(fid.Moments(np.zeros(2), np.diag([4.0, 0.0]), n), real).low for n in (1, 2)]
    yield _row("one counts as two", lambda: few, [value - half * 5] * 2)


@mutant("metrics.quantiles_swapped", bootstrap, "deviation")
def quantiles_swapped(real: Any, values: Any) -> float:
    """The deviation of a mean in place of that of a value."""
    return float(real(values) / math.sqrt(len(values)))


OTHER_VALUES = (
    # Intervals of 68 %.
    mutant("metrics.narrow_level", bootstrap, Z=1.0, LEVEL=0.68),
    # All samples are one class.
    mutant("metrics.no_strata", bootstrap, strata_of=lambda labels, n: [np.arange(n)]),
)

"""Checks of nearest neighbours by hand: precision, coverage by class, copies, collapse, streams."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from drift.evaluate import audit, classes, extractors, features, networks, prdc, run, sources
from drift.evaluate.features import Features
from drift.evaluate.sources import Images
from verify.api import CheckContext, Measurement, check, mutant

from ..common.rows import Refused, Row, judge_rows
from .resamples import near

LINE = np.array([0.0, 1.0, 3.0, 6.0, 10.0, 15.0, 21.0])[:, None]


@check("metrics.neighbours")
def neighbours(ctx: CheckContext) -> Measurement:
    """Points of a line whose neighbours are known; classes, copies and streams made by hand."""
    rows = chain(_radii(), _classes(), _copies(), _streams(), _network(), _compositions())
    return judge_rows(ctx, rows, "facts of neighbours")


def _row(name: str, call: Callable[[], object], wanted: Any) -> Row:
    return name, lambda: near(call(), wanted), wanted


def _radii() -> Iterator[Row]:
    squares = [9.0, 4.0, 9.0, 16.0, 25.0, 36.0, 121.0]
    yield _row("second neighbours", lambda: prdc.squared_radii(LINE, 2), squares)
    for most in (1, 14):  # a row, or two rows, at a time
        with patch.object(prdc, "ELEMENTS", most):
            found = prdc.squared_radii(LINE, 2)
            parts = [place.stop - place.start for place, _ in prdc.blocks(LINE, LINE)]
        yield _row(f"in blocks of {most}", partial(np.asarray, found), squares)
        wanted = [1] * 7 if most == 1 else [2, 2, 2, 1]
        yield f"blocks of {most}", partial(list, parts), wanted
    yield "as many as there are", lambda: len(prdc.squared_radii(LINE, 6)), 7
    for k in (0, 7):
        said = Refused(f"k: found {k} for 7 samples", "1 to N - 1")
        yield f"k = {k}", partial(prdc.squared_radii, LINE, k), said
    radii = np.array([1.0, 4.0])
    centres = np.array([[0.0], [10.0]])
    points = np.array([[1.0], [1.5], [8.0], [12.1], [5.0]])
    yield (
        "inside",
        lambda: prdc.inside(points, centres, radii).tolist(),
        [True, False, True, False, False],
    )
    yield "reached", lambda: prdc.reached(centres, radii, points[1:2]).tolist(), [False, False]
    yield (
        "reached at the edge",
        lambda: prdc.reached(centres, radii, points[:3:2]).tolist(),
        [True, True],
    )
    one = partial(prdc.precision_hits, np.array([[0.5], [30.0], [21.0]]), LINE)
    yield "precision", lambda: one().tolist(), [True, True, True]
    far = partial(prdc.precision_hits, np.array([[40.0], [-7.0]]), LINE)
    yield "not precise", lambda: far().tolist(), [False, False]
    close = LINE[:4] / 100
    yield "recall", lambda: prdc.recall_hits(close, LINE).tolist(), [True] + [False] * 6
    yield "coverage", lambda: prdc.coverage_hits(np.array([[29.0]]), LINE).tolist(), [
        False, False, False, False, False, True, True
    ]  # fmt: skip
    nearest = partial(prdc.squared_radii, LINE, 1)
    yield "the nearest", lambda: nearest().tolist(), [1.0, 1.0, 4.0, 9.0, 16.0, 25.0, 36.0]
    for k in (0, 7):
        said = Refused("k", f"{k} for 7 samples", "1 to N - 1")
        yield f"neighbour {k}", partial(prdc.squared_radii, LINE, k), said
    yield (
        "the numbers of neighbours",
        lambda: (prdc.K, prdc.COVERAGE_K, prdc.ELEMENTS),
        (3, 5, 1 << 23),
    )
    for name, a, b in (
        ("other widths", LINE, np.zeros((2, 2))), ("one axis", LINE[:, 0], LINE), ("none", LINE,
         LINE[:0]),
        ("one axis of the others", LINE, LINE[:, 0]),
    ):  # fmt: skip
        said = Refused("features", "M > 0")
        yield name, partial(lambda a, b: list(prdc.blocks(a, b)), a, b), said


def _told(report: classes.ClassReport) -> tuple[bool, bool]:
    return report.covered, report.collapsed


def _classes() -> Iterator[Row]:
    yield _row("expected", lambda: classes.expected_coverage(6, 6), 1 - 120 / 55440)
    yield _row("of more", lambda: classes.expected_coverage(10, 4), 1 - 15120 / 154440)
    yield "of none", lambda: classes.expected_coverage(6, 0), 0.0
    whole = classes.ClassReport(0, 6, 0.5, 1.0, 0.5, 6)
    for name, changes, wanted in (
        ("at both limits", {}, (True, False)), ("not covered", {"coverage": 0.49}, (False, False)),
        ("collapsed", {"spread": 0.49}, (True, True)), ("not generated", {"count": 0}, (False,
         False)),
        ("one sample", {"count": 1, "spread": 0.0}, (True, False)),
        ("two alike", {"count": 2, "spread": 0.0}, (True, True)),
    ):  # fmt: skip
        report = replace(whole, **changes)
        yield name, partial(_told, report), wanted
    real = np.r_[LINE, LINE + 100.0, LINE[:5] + 200]
    named = np.repeat([3, 4, 5], [7, 7, 5])
    fake = np.r_[LINE + 0.1, np.full((15, 1), 102.0)]
    asked = np.repeat([3, 4], [7, 15])
    right = np.r_[np.ones(7, bool), np.arange(15) < 6]
    make = partial(classes.by_class, fake, asked, real, named, classes=(3, 4, 5))
    reports, hits = make(np.random.default_rng(0), right=right)
    yield "which classes", lambda: [(one.label, one.count, one.real) for one in reports], [
        (3, 7, 7), (4, 15, 7)
    ]  # fmt: skip
    yield _row("coverage of classes", lambda: [one.coverage for one in reports], [1.0, 1.0])
    yield _row("accuracy", lambda: [one.accuracy for one in reports], [1.0, 6 / 15])
    yield _row("spreads", lambda: [one.spread for one in reports], [1.0, 0.0])
    yield _row("expected of parts", lambda: [one.expected_coverage for one in reports],
               [classes.expected_coverage(7, 7)] * 2)  # fmt: skip
    yield "indicators", lambda: hits.shape, (14,)
    unjudged, _ = make(np.random.default_rng(0))
    yield "no judge", lambda: [one.accuracy for one in unjudged], [None, None]
    none, nothing = classes.by_class(
        fake[:0], asked[:0], real, named, np.random.default_rng(0), classes=(3,), right=right[:0]
    )
    yield (
        "none generated",
        lambda: (none[0].coverage, none[0].accuracy, none[0].count),
        (0.0, 0.0, 0),
    )
    yield "none reached", lambda: nothing.tolist(), [0.0] * 7
    few = classes.by_class(fake, asked, real, named, np.random.default_rng(0), classes=(5,))
    yield "too few real ones", lambda: (few[0], few[1].tolist()), ((), [])
    parts = np.r_[np.full((7, 1), 0.0), np.full((7, 1), 30.0), np.full((3, 1), 3.0)]
    shares = classes._reached(parts, LINE)
    yield _row("shares of two parts", lambda: shares, [0.5] * 5 + [0.0, 0.5])


def _copies() -> Iterator[Row]:
    training, held_out = LINE, LINE + 0.5
    yield _row("nearest", lambda: audit.nearest(np.array([[0.25], [13.0]]), LINE), [0.25, 2.0])
    yield _row("spread", lambda: audit.spread(np.array([[0.0], [1.0], [3.0]])), 2.0)
    yield "spread of one", lambda: audit.spread(LINE[:1]), 0.0
    with patch.object(audit, "MOST_PAIRS", 2):
        few = audit.spread(np.array([[0.0], [1.0], [3.0]]))
    yield _row("spread of the first", lambda: few, 1.0)
    yield _row("a ratio", lambda: audit.spread_ratio(LINE, LINE * 4), 0.25)
    fake = np.array([[0.0], [1.0], [3.0], [6.5], [12.5], [9.0], [8.0], [6.25]])
    found = audit.memorisation(fake, training, held_out, np.random.default_rng(0), space="s")
    details = dict(found.copies.details)
    yield _row("copies", lambda: found.copies.value, 0.5)
    yield _row("their limits", lambda: [details[k] for k in ("baseline", "limit", "median",
        "held_out_median")],
               [0.01, 0.5, 0.375, 0.5])  # fmt: skip
    yield _row("closer", lambda: found.closer.value, (4 + 0.5) / 8)
    yield "flagged", lambda: (found.flagged, found.copies.low > 0.05), (True, True)
    yield "which way", lambda: (found.copies.better, found.closer.better), ("lower", "near 0.5")
    yield (
        "where",
        lambda: (found.copies.definition[-3:], found.closer.definition[-3:]),
        (", s", ", s"),
    )
    with patch.object(audit, "MOST_COPIES", found.copies.low):
        edge = audit.memorisation(fake, training, held_out, np.random.default_rng(0), space="s")
    yield "at the limit", lambda: edge.flagged, False
    fresh = audit.memorisation(held_out, training, held_out, np.random.default_rng(0), space="s")
    yield (
        "fresh",
        lambda: (fresh.flagged, fresh.copies.value, fresh.closer.value),
        (False, 0.0, 0.5),
    )
    limits = (audit.QUANTILE, audit.MOST_COPIES, audit.COLLAPSE, audit.MOST_PAIRS)
    yield "constants", lambda: limits, (0.01, 0.05, 0.5, 512)


# streams of images


def _images(*batches: tuple[list[float], list[int]], count: int | None = None) -> Images:
    held = [
        (torch.tensor(levels).to(torch.uint8).reshape(-1, 1, 1, 1), torch.tensor(labels))
        for levels, labels in batches
    ]
    total = sum(len(labels) for _, labels in held) if count is None else count
    return Images(total, lambda: held, "s", {})


def _extract(images: Images, *, logits: bool = True, bad: float | None = None) -> Features:
    def extractor(pixels: torch.Tensor) -> Any:
        vectors = pixels.flatten(1).numpy().astype(np.float32)
        if bad is not None:
            vectors[vectors == 7] = bad
        return vectors, np.concatenate([vectors, -vectors], 1) if logits else None

    held: Any = extractor
    return features.extract(images, held)


class _Network:
    """What an extractor asks of a network: where its parameters are, and layers of images."""

    def __init__(self, given: Callable[[torch.Tensor], list[torch.Tensor]]) -> None:
        self.given = given

    def parameters(self) -> Iterator[torch.Tensor]:
        return iter([torch.zeros(1)])

    def __call__(self, x: torch.Tensor) -> list[torch.Tensor]:
        return self.given(x)


def _network() -> Iterator[Row]:
    """Images go resized and scaled through every stage in turn; features and logits as asked."""
    seen: list[tuple[str, tuple[int, ...]]] = []

    def stage(name: str, x: torch.Tensor) -> torch.Tensor:
        seen.append((name, tuple(x.shape)))
        return x

    weight = torch.tensor([[1.0, 2.0, 4.0], [0.0, 0.0, -2.0]]).double()
    made: Any = SimpleNamespace(
        feature_extractor_internal_dtype=torch.float64, fc=SimpleNamespace(weight=weight),
        AvgPool=lambda x: x.mean((2, 3), keepdim=True), features_list=("logits_unbiased", "2048"),
        **{name: partial(stage, name) for name in networks.STAGES},
    )  # fmt: skip
    levels = torch.tensor([0, 128, 192], dtype=torch.uint8).reshape(1, 3, 1, 1)

    def told() -> object:
        seen.clear()
        found = networks.ReferenceInception.forward(made, levels.expand(2, 3, 2, 2))
        return [(str(one.dtype), (one.double().round(decimals=6) + 0).tolist()) for one in found]

    single = "torch.float32"
    yield "a network", told, [(single, [[1.0, -1.0]] * 2), (single, [[-1.0, 0.0, 0.5]] * 2)]
    for count, wanted in ((1, None), (2, "float32")):

        def given(x: torch.Tensor, count: int = count) -> list[torch.Tensor]:
            seen.append((f"graph {torch.is_grad_enabled()}", tuple(x.shape)))
            return [x.flatten(1).half()] * count

        first, second = extractors.Extractor("n", "s", "r", _Network(given))(levels[:, :1])
        kinds = str(first.dtype), None if second is None else str(second.dtype)
        yield f"{count} layers", partial(tuple, kinds), ("float32", wanted)
        yield "greys as colours", partial(seen.pop), ("graph False", (1, 3, 1, 1))
    yield "its stages", lambda: seen, [(name, (2, 3, 299, 299)) for name in networks.STAGES]


def _streams() -> Iterator[Row]:
    images = _images(([1, 7], [0, 1]), ([200], [1]))
    found = _extract(images)
    logits = found.logits
    yield "features", lambda: found.pool.tolist(), [[1.0], [7.0], [200.0]]
    yield (
        "logits",
        lambda: None if logits is None else logits.tolist(),
        [[1.0, -1.0], [7.0, -7.0], [200.0, -200.0]],
    )
    kinds = [str(one.dtype) for one in (found.pool, logits, found.labels) if one is not None]
    yield "single precision", lambda: kinds, ["float32", "float32", "int64"]
    yield "labels", lambda: (found.labels.tolist(), found.strata is found.labels), ([0, 1, 1], True)
    shown: list[object] = []

    @contextmanager
    def display(*said: object, **more: object) -> Iterator[Any]:
        shown.extend((said, more))
        yield shown.append

    with patch.object(sources, "progress", display):
        _extract(images)
    yield "progress", lambda: shown, [("features", 3), {"unit": "images"}, 2, 3]
    yield "no logits", lambda: _extract(images, logits=False).logits, None
    unknown = _extract(_images(([1, 2], [0, -1]), ([200], [0])))
    yield "no strata", lambda: unknown.strata, None
    yield (
        "no samples, no strata",
        lambda: Features(found.pool, None, np.zeros(0, np.int64)).strata,
        None,
    )
    for value in (math.nan, math.inf):
        yield f"{value}", partial(_extract, images, bad=value), Refused("features", "not finite")
    yield "no image", partial(_extract, _images(count=0)), Refused("found none")
    more = _images(([1, 2], [0, 0]), ([200], [0]), count=4)
    yield "fewer than said", partial(_extract, more), Refused("images: found 3; expected 4")
    dark = _images(([0, 1], [0, 0]))
    yield "levels of 0 and 1", partial(_extract, dark), Refused("levels of 0 and 1 only", "Map the")
    yield "black", lambda: _extract(_images(([0, 0], [0, 0]))).pool.tolist(), [[0.0], [0.0]]
    yield (
        "levels of 0 to 2",
        lambda: _extract(_images(([0, 2], [0, 0]))).pool.tolist(),
        [[0.0], [2.0]],
    )
    taken, digest = features.digesting(images)
    list(taken.open())
    data = (
        b"\1\7"
        + (0).to_bytes(8, "little")
        + (1).to_bytes(8, "little")
        + b"\xc8"
        + (1).to_bytes(8, "little")
    )
    yield "a digest", digest.hexdigest, hashlib.sha256(data).hexdigest()
    yield "the same images", lambda: (taken.count, taken.sha256), (3, "s")


def _compositions() -> Iterator[Row]:
    for labels, many, wanted in (
        ([0, 1, 2], 3, "balanced"), ([0, 0, 1, 1], 2, "balanced"), ([0, 0, 1], 2, "chosen"),
        ([0, 1], 3, "chosen"), ([0, 1, 2], 2, "chosen"), ([0, 1], None, "chosen"), ([0, -1], 2,
         "unknown"),
        ([], 2, "unknown"),
    ):  # fmt: skip
        held = torch.tensor(labels, dtype=torch.int64)
        yield f"labels {labels} of {many}", partial(run.composition, held, many), wanted


@mutant("metrics.ties_are_farther", np, "searchsorted")
def ties_are_farther(real: Any, held: Any, found: Any, side: str = "left") -> Any:
    """Distances that are equal count as nearer."""
    return real(held, found, side="left")


@mutant("metrics.short_streams", Images, "batches")
def short_streams(real: Any, self: Any) -> Any:
    """How many images there were is counted by nobody."""
    return iter(self.open())


OTHER_VALUES = (
    # A single part of the samples decides.
    mutant("metrics.first_part_only", classes, _reached=lambda fake, real: (
        prdc.coverage_hits(fake[: len(real)],
            real).astype(float) if len(fake) else np.zeros(len(real))
    )),
    # A sample beyond every ball is refused.
    mutant("metrics.open_balls", prdc, K=2, COVERAGE_K=4),
)  # fmt: skip

"""Checks of figures without a download: features of a run's encoder, the judge, whole reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from drift.data.source import TensorSource
from drift.evaluate import audit, bootstrap, classes, classifier, fid, prdc, proxy
from drift.evaluate.real import RealSet
from drift.sample import images
from drift.train import build
from verify.api import CheckContext, Measurement, check, mutant

from ..common.rows import Refused, Row, judge_rows
from .resamples import near

WHOLE_MAP = {"every_k_block": None, "patch_mean_size": None, "patch_std_size": None,
             "use_std": False}  # fmt: skip


class Plain(nn.Module):
    """Features worked out by hand: the pixels and two of their products; a decoy beside."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(2, 2), nn.Linear(2, 1)
        self.seen: list[tuple[int, bool, Mapping[str, Any]]] = []

    def activations(self, x: Tensor, **asked: Any) -> dict[str, Tensor]:
        """[N, 1, 2, 2] -> a map of two places, of which the first counts."""
        self.seen.append((len(x), torch.is_grad_enabled(), asked))
        flat = x.flatten(1)
        rows = torch.cat([flat, flat[:, :1] * flat[:, 1:2], flat[:, 2:3] * flat[:, 3:]], 1)
        return {"layer4_mean": torch.stack([rows, -(rows**2)], 1), "layer3_mean": rows[:, None] + 1}


def drawn_blobs(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """uint8 [count, 1, 2, 2] and labels: three of a class, then three of the other."""
    labels = torch.arange(count) // 3 % 2
    drawn = torch.Generator().manual_seed(seed)
    noise = torch.randint(0, 110, (count, 1, 2, 2), generator=drawn)
    side = torch.stack([labels, 1 - labels], 1)[:, None, None] * 120
    return (noise + side).to(torch.uint8), labels


def blobs() -> RealSet:
    (taught, known), (unseen, held) = drawn_blobs(40, 0), drawn_blobs(17, 1)
    parts = (
        TensorSource(images.signed(taught), known, 2),
        TensorSource(images.signed(unseen), held, 2),
    )
    return RealSet("blobs", "0" * 64, ("left", "right"), *parts)


@check("metrics.proxy")
def proxies(ctx: CheckContext) -> Measurement:
    """Six features by hand, components, the judge, and whole reports from the same draws."""
    real = blobs()
    parts = (_features(real), _flat(), _judge(real), _report(real), _refusals(real))
    with patch.object(bootstrap, "REPLICATES", 20):
        return judge_rows(ctx, chain(*parts), "facts of proxy figures")


def _row(name: str, call: Any, wanted: Any) -> Row:
    return name, lambda: near(call(), wanted), wanted


def _rows(pixels: Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
    flat = images.signed(pixels).double().numpy().reshape(len(pixels), -1)
    return np.concatenate([flat, flat[:, :1] * flat[:, 1:2], flat[:, 2:3] * flat[:, 3:]], 1)


def _features(real: RealSet) -> Iterator[Row]:
    for held, wanted in ((0, 2), (11, 2), (12, 3), (15, 3), (255, 63), (256, 64), (9999, 64)):
        yield f"components of {held}", partial(proxy.components_for, held), wanted
    plain: Any = Plain().train()
    found = proxy.pooled_map(plain, real.unseen)
    yield "in double precision", lambda: str(found.dtype), "float64"
    yield "pooled", lambda: np.abs(found - _rows(real.unseen)).max() < 1e-6, np.True_
    yield "asked of the encoder", lambda: plain.seen, [(17, False, WHOLE_MAP)]
    with patch.object(proxy, "CHUNK", 15):
        encoded = proxy.Encoded(plain, real)
    sizes = [count for count, *_ in plain.seen[1:]]
    yield "in parts", lambda: (sizes, plain.training), ([15, 15, 10, 15, 2], False)
    yield "named", lambda: (encoded.components, encoded.extractor), (4, "drift-mae-layer4-pca4")
    digests = build.parameters_digest(plain.encoder), build.parameters_digest(plain)
    yield "digests", lambda: (encoded.sha256, encoded.whole_sha256), digests
    centred = _rows(real.taught) - _rows(real.taught).mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, np.argsort(-values)[:4]]
    moved = (_rows(real.unseen) - _rows(real.taught).mean(0)) @ axes
    for name, rows, wanted in (
        ("training", encoded.training, centred @ axes), ("held out", encoded.held_out, moved),
        ("called", encoded(real.unseen), moved),
    ):  # fmt: skip
        close = bool(np.allclose(np.abs(rows), np.abs(wanted), atol=1e-4))
        yield f"main axes, {name}", partial(lambda *a: a, rows.shape, close), (wanted.shape, True)
    level = encoded.flat(np.full((1, 4), 0.5))
    yield "few values stay as they are", lambda: level.tolist(), [[0.5] * 4]
    constants = proxy.COMPONENTS, proxy.HELD_OUT_A_COMPONENT, proxy.CHUNK, proxy.AXIS, proxy.TAP
    yield "constants", lambda: constants, (64, 4, 500, "proxy", "layer4_mean")
    with patch.object(proxy, "embedded", lambda name: replace(real, name=f"the {name}")):
        yield "by default", partial(lambda: proxy.Encoded(plain).real.name), "the digits"


def _flat() -> Iterator[Row]:
    from sklearn.decomposition import PCA

    drawn = np.random.default_rng(0).normal(size=(70, 66)) * np.linspace(3, 1, 66)
    wanted = PCA(64, svd_solver="randomized", random_state=0).fit(drawn).transform(drawn[:5])
    yield _row("many values", lambda: proxy.Flat(drawn)(drawn[:5]), wanted.tolist())
    for name, rows, width in (
        ("64 values", drawn[:, :64], 64), ("65 values", drawn[:, :65], 64),
        ("a single image", drawn[:1], 66), ("two images", drawn[:2], 1),
        ("as many as axes", drawn[:65], 64), ("one fewer", drawn[:64], 63),
    ):  # fmt: skip
        flat = proxy.Flat(rows)
        kept = rows.shape[1] == width
        told = partial(lambda flat, rows: (flat(rows).shape[1], flat(rows) is rows), flat, rows)
        yield name, told, (width, kept)


def _judge(real: RealSet) -> Iterator[Row]:
    judge = classifier.judge.__wrapped__
    found = judge(real)
    yield "the judge", lambda: (found.machine.C, found.machine.gamma), (10.0, "scale")
    yield "levels", lambda: classifier._rows(real.unseen[:1]).max() <= 1.0, np.True_
    bright = torch.full((1, 1, 2, 2), 51, dtype=torch.uint8)
    yield _row("a level", lambda: classifier._rows(bright), [[0.2] * 4])
    yield "named right", lambda: (found.hits.tolist(), found.accuracy), ([True] * 17, 1.0)
    yield "classes", lambda: found.predict(real.unseen).tolist(), real.held_out.labels.tolist()
    swapped = replace(real, held_out=replace(real.held_out, labels=1 - real.held_out.labels))
    wrong = judge(swapped)
    yield "named wrong", lambda: (wrong.hits.any(), wrong.accuracy), (np.False_, 0.0)
    for most, kept in ((40, 40), (39, 20), (8, 8), (6, 6)):
        with patch.object(classifier, "MOST_TAUGHT", most):
            taught = judge(real).machine.shape_fit_
        yield f"at most {most}", partial(tuple, taught), (kept, 4)
    alone = replace(real, classes=("all",), training=replace(
        real.training, labels=torch.zeros(40, dtype=torch.int64), classes=1))  # fmt: skip
    yield "one class", lambda: judge(alone).predict(real.unseen).tolist(), [0] * 17
    yield "constants of the judge", lambda: (classifier.PENALTY, classifier.MOST_TAUGHT), (
        10.0, 10_000
    )  # fmt: skip


def _report(real: RealSet) -> Iterator[Row]:
    encoded = proxy.Encoded(Plain(), real)  # type: ignore[arg-type]
    pixels, labels = drawn_blobs(40, 2)
    labels = labels.clone()
    labels[:3] = 1 - labels[:3]
    found = proxy.evaluate_pixels(pixels, labels, encoded=encoded, seed=3)
    wanted, parts, real_values = _by_parts(pixels, labels, encoded, 3)
    for name, figure in wanted.items():
        yield name, partial(found.figures.__getitem__, name), figure
    yield "which figures", lambda: set(found.figures) == set(wanted), True
    yield "a value", lambda: found["fid_proxy"] == wanted["fid_proxy"].value, True
    told = found.axis, found.count, found.seed, found.encoder_sha256
    yield "about", lambda: told, ("proxy", 40, 3, encoded.sha256)
    yield "of real images", lambda: dict(found.real), real_values
    for name, held in parts.items():
        yield f"kept, {name}", partial(_same, found.components, name, held), True
    yield "what is kept", lambda: sorted(found.components), sorted(parts)
    yield "classes", lambda: (found.classes_covered, found.collapsed), (2, ())
    flat = pixels.clone()
    flat[labels == 1] = flat[labels == 1][0]
    dead = proxy.evaluate_pixels(flat, labels, encoded=encoded)
    yield "collapsed", lambda: (dead.classes_covered, dead.collapsed, dead.seed), (1, (1,), 0)
    copied = proxy.evaluate_pixels(real.taught, labels, encoded=encoded)
    yield "memorised", lambda: (found.memorised, copied.memorised), (False, True)
    yield from _of_samples(real, pixels, labels)


def _of_samples(real: RealSet, pixels: Tensor, labels: Tensor) -> Iterator[Row]:
    plain: Any = Plain()
    with patch.object(proxy, "embedded", lambda name: real):
        found = proxy.evaluate_digits(images.signed(pixels), labels, encoder=plain, seed=5)
        first = proxy.evaluate_digits(images.signed(pixels), labels, encoder=plain)
    seen = images.pixels(images.signed(pixels))
    again = proxy.evaluate_pixels(seen, labels, encoded=proxy.Encoded(plain, real), seed=5)
    yield "of samples", lambda: (found.figures == again.figures, found.seed), (True, 5)
    yield "of the usual seed", lambda: first.seed, 0


def _same(components: Mapping[str, Any], name: str, wanted: Any) -> bool:
    found, held = np.asarray(components[name]), np.asarray(wanted)
    return found.dtype == held.dtype and bool(np.array_equal(found, held))


def _by_parts(
    pixels: Tensor, labels: Tensor, encoded: proxy.Encoded, seed: int
) -> tuple[dict[str, Any], dict[str, Any], dict[str, float]]:
    """(figures, kept arrays, figures of the real images) of the same draws in their order."""
    rng, real, asked = np.random.default_rng(seed), encoded.real, labels.numpy()
    features, held = encoded(pixels), encoded.held_out
    right = classifier.judge(real).predict(pixels) == asked
    known = real.held_out.labels.numpy()
    by_class, reached = classes.by_class(
        features, asked, held, known, rng, classes=(0, 1), right=right
    )
    near_figures, hits = _near(features, held, rng)
    levels = [part.flatten(1).numpy() / 255.0 for part in (pixels, real.taught, real.unseen)]
    made, taught, unseen = levels
    copies = {
        "pixels": audit.memorisation(made, taught, unseen, rng, space="pixels"),
        "features": audit.memorisation(features, encoded.training, held, rng, space="features"),
    }
    figures = {
        "fid_proxy": fid.figure(features, fid.moments(held), rng, labels=asked),
        "fid_pixel": fid.figure(levels[0], fid.moments(levels[2]), rng, labels=asked),
        **near_figures,
        "coverage": bootstrap.share(reached, rng, definition=classes.DEFINITION),
        "class_accuracy": bootstrap.share(right, rng, definition=proxy.JUDGED),
        "classifier_accuracy": bootstrap.share(classifier.judge(real).hits, rng, definition=(
            "share of held-out images that the judge names right")),
        **{f"copies_{space}": found.copies for space, found in copies.items()},
        **{f"closer_{space}": found.closer for space, found in copies.items()},
    }  # fmt: skip
    ours, theirs = fid.moments(features), fid.moments(held)
    parts = {
        "fid_proxy/mu": ours.mean, "fid_proxy/sigma": ours.covariance,
        "fid_proxy/reference_mu": theirs.mean, "fid_proxy/reference_sigma": theirs.covariance,
        **{f"{name}/hits": hit.astype(np.uint8) for name, hit in hits.items()},
        "class_accuracy/hits": right.astype(np.uint8), "coverage/hits": reached,
        "spread/by_class": np.asarray([one.spread for one in by_class]),
        "fid_proxy/resampled": np.asarray(figures["fid_proxy"].resampled),
    }  # fmt: skip
    return figures, parts, _possible(encoded, seed, levels, [o.expected_coverage for o in by_class])


def _near(features: Any, held: Any, rng: np.random.Generator) -> tuple[dict[str, Any], Any]:
    few = min(len(features), len(held))
    ours, theirs = (rows[rng.permutation(len(rows))[:few]] for rows in (features, held))
    hits = {
        "precision": prdc.precision_hits(ours, theirs),
        "recall": prdc.recall_hits(ours, theirs),
    }
    said = {"precision": prdc.PRECISION.format(k=3), "recall": prdc.RECALL.format(k=3)}
    return {
        name: bootstrap.share(hit, rng, definition=said[name]) for name, hit in hits.items()
    }, hits


def _possible(encoded: proxy.Encoded, seed: int, levels: Any, expected: Any) -> dict[str, float]:
    found, _ = _near(encoded.training, encoded.held_out, np.random.default_rng(seed))
    return {
        "fid_proxy": fid.frechet(fid.moments(encoded.training), fid.moments(encoded.held_out)),
        **{name: figure.value for name, figure in found.items()},
        "fid_pixel": fid.frechet(fid.moments(levels[1]), fid.moments(levels[2])),
        "coverage": float(np.mean(expected)),
        "class_accuracy": classifier.judge(encoded.real).accuracy,
    }


def _refusals(real: RealSet) -> Iterator[Row]:
    pixels, labels = drawn_blobs(6, 4)
    yield "six samples", lambda: proxy._check(pixels, labels, real), None
    for label in (0, 1):
        asked = torch.full((6,), label)
        yield f"all of class {label}", partial(proxy._check, pixels, asked, real), None
    shapes = "samples [N, 1, 2, 2] and labels [N]"
    for name, some, asked, words in (
        ("other sides", pixels[..., :1], labels, ("blobs", "samples (6, 1, 2, 1)", shapes)),
        ("fewer labels", pixels, labels[:5], ("labels (5,)", shapes)),
        ("labels of two axes", pixels, labels[:, None], ("labels (6, 1)", shapes)),
        ("five samples", pixels[:5], labels[:5], ("5 samples of classes 0 to 1", "at least 6")),
        ("none", pixels[:0], labels[:0], ("0 samples of classes None to None", "in 0 .. 1")),
        ("a class below", pixels, labels - 1, ("classes -1 to 0", "'left', 'right'")),
        ("a class beyond", pixels, labels + 1, ("classes 1 to 2", "in 0 .. 1")),
    ):  # fmt: skip
        yield name, partial(proxy._check, some, asked, real), Refused(*words)
    only: Any = SimpleNamespace(real=real)  # no features: the refusal comes first
    bound = partial(proxy.evaluate_pixels, pixels[:5], labels[:5], encoded=only)
    yield "before any work", bound, Refused("at least 6")


@mutant("metrics.other_tap", proxy, "pooled_map")
def other_tap(real: Any, encoder: Any, pixels: Tensor) -> Any:
    """Features of an earlier map of the encoder."""
    with patch.object(proxy, "TAP", "layer3_mean"):
        return real(encoder, pixels)


@mutant("metrics.held_out_taught", classifier.judge, "__wrapped__")
def held_out_taught(real: Any, found: RealSet) -> Any:
    """The judge learns the images that are held out."""
    return real(replace(found, training=found.held_out))


OTHER_VALUES = (
    # As many axes as there may ever be, however few images are held out.
    mutant("metrics.all_components", proxy, components_for=lambda held_out: 6),
    # Samples compare with images that the run has seen.
    mutant("metrics.any_samples", proxy, _check=lambda *given: None),
)

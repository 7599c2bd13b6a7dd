"""Figures without any download, on the evidence axis `proxy`: they compare with nothing published.

Features are the pooled last map of the run's own encoder, in the coordinates of the first principal
components of the training images; the judge of classes is trained on the real training
images; everything is compared with the images that are held out, which no training has seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift.data.classes import listed
from drift.encoder import MaskedAutoencoder
from drift.errors import InputError
from drift.evaluate import audit, bootstrap, classes, classifier, fid, prdc
from drift.evaluate.classes import ClassReport
from drift.evaluate.figures import Figure
from drift.evaluate.real import RealSet, embedded
from drift.sample import images
from drift.train import build

AXIS = "proxy"
EXTRACTOR = "drift-mae-layer4-pca{components}"
TAP = "layer4_mean"
COMPONENTS = 64  # a few hundred held-out images cannot carry a covariance of all 512 features
HELD_OUT_A_COMPONENT = 4  # nor a few dozen one of 64
CHUNK = 500  # images that go through the encoder at once
JUDGED = "share of samples that a support vector machine, trained on real images, names right"

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Report:
    """What was measured on generated images.

    figures     by name: fid_proxy, fid_pixel, precision, recall, coverage, class_accuracy,
                classifier_accuracy (of the judge on held-out images), copies_* and closer_*
    real        the values of some of them for the real training images: what is possible
    per_class   an entry a class; memorised: an audit of nearest neighbours was flagged
    components  arrays from which figures can be recomputed (drift.evaluate.records.recomputed)
    """

    axis: str
    count: int
    seed: int
    figures: Mapping[str, Figure]
    real: Mapping[str, float]
    per_class: tuple[ClassReport, ...]
    memorised: bool
    encoder_sha256: str
    components: Mapping[str, NDArray[Any]]

    @property
    def classes_covered(self) -> int:
        """How many of the classes are covered."""
        return sum(report.covered for report in self.per_class)

    @property
    def collapsed(self) -> tuple[int, ...]:
        """The classes whose samples are (nearly) all alike."""
        return tuple(report.label for report in self.per_class if report.collapsed)

    def __getitem__(self, name: str) -> float:
        """The value of a figure."""
        return self.figures[name].value


class Encoded:
    """Features of images under one encoder: uint8 [N, C, H, W] -> float64 [N, components].

    real                the images that everything is compared with; the embedded digits by default
    components          as many principal components as the held-out images can carry, at most 64
    training, held_out  the features of the real images
    sha256              digest of the trunk, which alone gives features; it must not be changed
                        while this is in use; whole_sha256 that of the encoder with its decoder
    """

    def __init__(self, encoder: MaskedAutoencoder, real: RealSet | None = None) -> None:
        self.encoder = encoder.eval()
        self.real = real or embedded("digits")
        self.sha256 = build.parameters_digest(encoder.encoder)
        self.whole_sha256 = build.parameters_digest(encoder)
        self.components = components_for(len(self.real.held_out.labels))
        pooled = np.concatenate(list(self._pooled(self.real.taught)))
        self._centre = pooled.mean(axis=0)
        rows = np.linalg.svd(pooled - self._centre, full_matrices=False)[2]
        self._axes = rows[: self.components].T
        self.training = self._project(pooled)
        self.held_out = self(self.real.unseen)
        self.flat = Flat(_unit(self.real.taught))

    @property
    def extractor(self) -> str:
        """Name of the features in records."""
        return EXTRACTOR.format(components=self.components)

    def __call__(self, pixels: Tensor) -> Array:
        return np.concatenate([self._project(part) for part in self._pooled(pixels)])

    def _pooled(self, pixels: Tensor) -> Iterator[Array]:
        return (pooled_map(self.encoder, part) for part in torch.split(pixels, CHUNK))

    def _project(self, pooled: Array) -> Array:
        projected: Array = (pooled - self._centre) @ self._axes
        return projected


class Flat:
    """Images as rows [N, D] of levels in [0, 1]: as they are up to COMPONENTS values, else in the
    first principal components of the real training images [M, D]."""

    def __init__(self, training: Array) -> None:
        self._machine: Any = None
        most = min(COMPONENTS, len(training) - 1)
        if training.shape[1] > COMPONENTS and most > 0:
            from sklearn.decomposition import PCA

            self._machine = PCA(most, svd_solver="randomized", random_state=0).fit(training)

    def __call__(self, rows: Array) -> Array:
        found: Array = rows if self._machine is None else self._machine.transform(rows)
        return found


def components_for(held_out: int) -> int:
    """Principal components of features whose covariance so many held-out images can carry."""
    return max(2, min(COMPONENTS, held_out // HELD_OUT_A_COMPONENT))


def evaluate_digits(
    samples: Tensor, labels: Tensor, *, encoder: MaskedAutoencoder, seed: int = 0
) -> Report:
    """samples [N, 1, 8, 8] in [-1, 1], the classes asked for [N] -> all figures.

    seed  of resamples and of the parts that recall and coverage need: both grow with the number of
          generated samples, so recall uses as many as there are real ones, and coverage is the mean
          over such parts
    Raises InputError for other shapes, too few samples or numbers that are not finite.
    """
    return evaluate_pixels(images.pixels(samples), labels, encoded=Encoded(encoder), seed=seed)


def evaluate_pixels(pixels: Tensor, labels: Tensor, *, encoded: Encoded, seed: int = 0) -> Report:
    """All figures of uint8 [N, C, H, W] under `labels` [N], the classes asked for.

    seed  as in `evaluate_digits`
    """
    _check(pixels, labels, encoded.real)
    generator = np.random.default_rng(seed)
    asked = labels.numpy()
    held_out = fid.moments(encoded.held_out)
    found = observe(pixels, labels, encoded, generator)
    features, right, per_class = found.features, found.right, found.per_class
    audits = _audits(pixels, features, encoded, generator)
    figures = {
        "fid_proxy": fid.figure(features, held_out, generator, labels=asked),
        "fid_pixel": _pixel_distance(pixels, asked, encoded, generator),
        **found.near,
        "coverage": bootstrap.share(found.reached, generator, definition=classes.DEFINITION),
        **_accuracies(right, encoded.real, generator),
        **{f"copies_{space}": found.copies for space, found in audits.items()},
        **{f"closer_{space}": found.closer for space, found in audits.items()},
    }
    return Report(
        axis=AXIS,
        count=len(pixels),
        seed=seed,
        figures=figures,
        real=_possible(encoded, held_out, per_class, seed),
        per_class=per_class,
        memorised=any(found.flagged for found in audits.values()),
        encoder_sha256=encoded.sha256,
        components={
            **found.components(held_out),
            "fid_proxy/resampled": np.asarray(figures["fid_proxy"].resampled),
        },
    )


@dataclass(frozen=True)
class Observed:
    """What figures are computed from, before any resampling.

    features [N, D], right [N]: named as asked; reached: by what share of the parts of the samples
    each real image is; near and hits: precision and recall, and their indicators
    """

    features: Array
    right: NDArray[np.bool_]
    per_class: tuple[ClassReport, ...]
    reached: Array
    near: Mapping[str, Figure]
    hits: Mapping[str, NDArray[np.bool_]]

    def components(self, held_out: fid.Moments) -> dict[str, NDArray[Any]]:
        """Arrays from which the scores can be computed again."""
        ours, hits = fid.moments(self.features), {**self.hits, "class_accuracy": self.right}
        return {
            "fid_proxy/mu": ours.mean,
            "fid_proxy/sigma": ours.covariance,
            "fid_proxy/reference_mu": held_out.mean,
            "fid_proxy/reference_sigma": held_out.covariance,
            **{f"{name}/hits": hit.astype(np.uint8) for name, hit in hits.items()},
            "coverage/hits": self.reached,
            "spread/by_class": np.asarray([one.spread for one in self.per_class]),
        }


def observe(
    pixels: Tensor, labels: Tensor, encoded: Encoded, generator: np.random.Generator
) -> Observed:
    """Features and indicators of uint8 [N, C, H, W]; `generator` chooses the parts."""
    asked, features, real = labels.numpy(), encoded(pixels), encoded.real
    right = classifier.judge(real).predict(pixels) == asked
    per_class, reached = classes.by_class(
        features, asked, encoded.held_out, real.held_out.labels.numpy(), generator,
        classes=range(len(real.classes)), right=right,
    )  # fmt: skip
    near, hits = neighbours(features, encoded.held_out, generator)
    return Observed(features, right, per_class, reached, near, hits)


@torch.no_grad()
def pooled_map(encoder: MaskedAutoencoder, pixels: Tensor) -> Array:
    """uint8 [N, C, H, W] -> the pooled last map of the encoder, [N, D]."""
    device = next(encoder.parameters()).device
    entries = encoder.activations(
        images.signed(pixels).to(device), every_k_block=None, patch_mean_size=None,
        patch_std_size=None, use_std=False,
    )  # fmt: skip
    found: Array = entries[TAP][:, 0].double().cpu().numpy()
    return found


def neighbours(
    features: NDArray[np.floating], real: NDArray[np.floating], generator: np.random.Generator
) -> tuple[dict[str, Figure], dict[str, NDArray[np.bool_]]]:
    """Precision and recall with as many generated as real samples, and their indicators."""
    few = min(len(features), len(real))
    ours = features[generator.permutation(len(features))[:few]]
    theirs = real[generator.permutation(len(real))[:few]]
    hits = {
        "precision": prdc.precision_hits(ours, theirs),
        "recall": prdc.recall_hits(ours, theirs),
    }
    said = {"precision": prdc.PRECISION, "recall": prdc.RECALL}
    figures = {
        name: bootstrap.share(hit, generator, definition=said[name].format(k=prdc.K))
        for name, hit in hits.items()
    }
    return figures, hits


def _accuracies(
    right: NDArray[np.bool_], real: RealSet, generator: np.random.Generator
) -> dict[str, Figure]:
    said = "share of held-out images that the judge names right"
    return {
        "class_accuracy": bootstrap.share(right, generator, definition=JUDGED),
        "classifier_accuracy": bootstrap.share(
            classifier.judge(real).hits, generator, definition=said
        ),
    }


def _pixel_distance(
    pixels: Tensor, asked: NDArray[np.int64], encoded: Encoded, generator: np.random.Generator
) -> Figure:
    """Frechet distance of pixels: the encoder's norms hide contrast, this does not."""
    reference = fid.moments(encoded.flat(_unit(encoded.real.unseen)))
    return fid.figure(encoded.flat(_unit(pixels)), reference, generator, labels=asked)


def _audits(
    pixels: Tensor, features: Array, encoded: Encoded, generator: np.random.Generator
) -> dict[str, audit.Memorisation]:
    training, held_out = _unit(encoded.real.taught), _unit(encoded.real.unseen)
    return {
        "pixels": audit.memorisation(_unit(pixels), training, held_out, generator, space="pixels"),
        "features": audit.memorisation(
            features, encoded.training, encoded.held_out, generator, space="features"
        ),
    }


def _possible(
    encoded: Encoded, held_out: fid.Moments, per_class: tuple[ClassReport, ...], seed: int
) -> dict[str, float]:
    """The figures of the real training images, in place of generated ones."""
    generator, real = np.random.default_rng(seed), encoded.real
    training, unseen = (
        fid.moments(encoded.flat(_unit(part))) for part in (real.taught, real.unseen)
    )
    found, _ = neighbours(encoded.training, encoded.held_out, generator)
    expected = [one.expected_coverage for one in per_class]
    return {
        "fid_proxy": fid.frechet(fid.moments(encoded.training), held_out),
        **{name: figure.value for name, figure in found.items()},
        "fid_pixel": fid.frechet(training, unseen),
        **({"coverage": float(np.mean(expected))} if expected else {}),
        "class_accuracy": classifier.judge(real).accuracy,
    }


def _unit(pixels: Tensor) -> Array:
    found: Array = pixels.flatten(1).double().numpy() / images.LEVELS
    return found


def _check(pixels: Tensor, labels: Tensor, real: RealSet) -> None:
    expected = (len(pixels), *real.shape)
    if tuple(pixels.shape) != expected or tuple(labels.shape) != (len(pixels),):
        raise InputError(
            real.name, found=f"samples {tuple(pixels.shape)}, labels {tuple(labels.shape)}",
            expected=f"samples [N, {', '.join(map(str, real.shape))}] and labels [N]",
        )  # fmt: skip
    least, most = prdc.COVERAGE_K + 1, len(real.classes)
    if len(pixels) < least or not 0 <= int(labels.min()) <= int(labels.max()) < most:
        low, high = (int(labels.min()), int(labels.max())) if len(labels) else (None, None)
        raise InputError(
            real.name, found=f"{len(pixels)} samples of classes {low} to {high}",
            expected=f"at least {least} samples, each labelled with a class in 0 .. {most - 1}",
            remedy=f"A folder gives labels by its class folders, {listed(real.classes)}.",
        )  # fmt: skip

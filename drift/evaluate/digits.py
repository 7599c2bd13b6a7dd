"""Figures for generated digits, on the evidence axis `proxy`: they compare with nothing published.

Features are the pooled last map of our own masked autoencoder, in the coordinates of the first
principal components of the training digits; the judge of classes is trained on the real training
digits; everything is compared with the 599 held-out digits, which no training has seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift import digits as data
from drift.encoder import MaskedAutoencoder
from drift.errors import InputError
from drift.evaluate import audit, bootstrap, classes, classifier, fid, prdc
from drift.evaluate.classes import ClassReport
from drift.evaluate.figures import Figure
from drift.sample import images
from drift.train import build

AXIS = "proxy"
EXTRACTOR = "drift-mae-layer4-pca64"
TAP = "layer4_mean"
COMPONENTS = 64  # the 599 held-out digits cannot carry a covariance of all 512 features
CHUNK = 500  # images that go through the encoder at once
JUDGED = "share of samples that a support vector machine, trained on the real digits, names right"

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Report:
    """What was measured on generated digits.

    figures     by name: fid_proxy, fid_pixel, precision, recall, coverage, class_accuracy,
                classifier_accuracy (of the judge on held-out digits), copies_* and closer_*
    real        the values of some of them for the real training digits: what is possible
    per_class   ten entries; memorised: an audit of nearest neighbours was flagged
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
        """How many of the ten digits are covered."""
        return sum(report.covered for report in self.per_class)

    @property
    def collapsed(self) -> tuple[int, ...]:
        """The digits whose samples are (nearly) all alike."""
        return tuple(report.label for report in self.per_class if report.collapsed)

    def __getitem__(self, name: str) -> float:
        """The value of a figure."""
        return self.figures[name].value


class Encoded:
    """Features of digits under one encoder: uint8 [N, 1, 8, 8] -> float64 [N, 64].

    training, held_out  the features of the real digits
    sha256              digest of the trunk, which alone gives features; it must not be changed
                        while this is in use; whole_sha256 that of the encoder with its decoder
    """

    def __init__(self, encoder: MaskedAutoencoder) -> None:
        self.encoder = encoder.eval()
        self.sha256 = build.parameters_digest(encoder.encoder)
        self.whole_sha256 = build.parameters_digest(encoder)
        training, held_out = (images.pixels(_square(part.images)) for part in data.load())
        pooled = np.concatenate(list(self._pooled(training)))
        self._centre = pooled.mean(axis=0)
        self._axes = np.linalg.svd(pooled - self._centre, full_matrices=False)[2][:COMPONENTS].T
        self.training = self._project(pooled)
        self.held_out = self(held_out)

    def __call__(self, pixels: Tensor) -> Array:
        return np.concatenate([self._project(part) for part in self._pooled(pixels)])

    def _pooled(self, pixels: Tensor) -> Iterator[Array]:
        return (pooled_map(self.encoder, part) for part in torch.split(pixels, CHUNK))

    def _project(self, pooled: Array) -> Array:
        projected: Array = (pooled - self._centre) @ self._axes
        return projected


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
    """`evaluate_digits` of uint8 [N, 1, 8, 8], with real digits that are encoded already."""
    _check(pixels, labels)
    generator = np.random.default_rng(seed)
    asked = labels.numpy()
    held_out = fid.moments(encoded.held_out)
    found = observe(pixels, labels, encoded, generator)
    features, right, per_class = found.features, found.right, found.per_class
    audits = _audits(pixels, features, encoded, generator)
    figures = {
        "fid_proxy": fid.figure(features, held_out, generator, labels=asked),
        "fid_pixel": _pixel_distance(pixels, asked, generator),
        **found.near,
        "coverage": bootstrap.share(found.reached, generator, definition=classes.DEFINITION),
        **_accuracies(right, generator),
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

    features [N, 64], right [N]: named as asked; reached: by what share of the parts of the samples
    each real digit is; near and hits: precision and recall, and their indicators
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
    """Features and indicators of uint8 [N, 1, 8, 8]; `generator` chooses the parts."""
    asked, features = labels.numpy(), encoded(pixels)
    right = classifier.digits_classifier().predict(pixels) == asked
    per_class, reached = classes.by_class(
        features, asked, encoded.held_out, data.load()[1].labels.numpy(), generator,
        classes=range(data.CLASSES), right=right,
    )  # fmt: skip
    near, hits = neighbours(features, encoded.held_out, generator)
    return Observed(features, right, per_class, reached, near, hits)


@torch.no_grad()
def pooled_map(encoder: MaskedAutoencoder, pixels: Tensor) -> Array:
    """uint8 [N, 1, 8, 8] -> the pooled last map of the encoder, [N, D]."""
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


def _accuracies(right: NDArray[np.bool_], generator: np.random.Generator) -> dict[str, Figure]:
    judge = classifier.digits_classifier()
    return {
        "class_accuracy": bootstrap.share(right, generator, definition=JUDGED),
        "classifier_accuracy": bootstrap.share(
            judge.hits, generator, definition="share of held-out digits that the judge names right"
        ),
    }


def _pixel_distance(
    pixels: Tensor, asked: NDArray[np.int64], generator: np.random.Generator
) -> Figure:
    """Frechet distance of pixels: the encoder's norms hide contrast, this does not."""
    reference = fid.moments(_unit(images.pixels(data.load()[1].images)))
    return fid.figure(_unit(pixels), reference, generator, labels=asked)


def _audits(
    pixels: Tensor, features: Array, encoded: Encoded, generator: np.random.Generator
) -> dict[str, audit.Memorisation]:
    training, held_out = (_unit(images.pixels(part.images)) for part in data.load())
    return {
        "pixels": audit.memorisation(_unit(pixels), training, held_out, generator, space="pixels"),
        "features": audit.memorisation(
            features, encoded.training, encoded.held_out, generator, space="features"
        ),
    }


def _possible(
    encoded: Encoded, held_out: fid.Moments, per_class: tuple[ClassReport, ...], seed: int
) -> dict[str, float]:
    """The figures of the real training digits, in place of generated ones."""
    generator = np.random.default_rng(seed)
    training, unseen = (fid.moments(_unit(images.pixels(part.images))) for part in data.load())
    found, _ = neighbours(encoded.training, encoded.held_out, generator)
    return {
        "fid_proxy": fid.frechet(fid.moments(encoded.training), held_out),
        **{name: figure.value for name, figure in found.items()},
        "fid_pixel": fid.frechet(training, unseen),
        "coverage": float(np.mean([one.expected_coverage for one in per_class])),
        "class_accuracy": classifier.digits_classifier().accuracy,
    }


def _unit(pixels: Tensor) -> Array:
    found: Array = pixels.flatten(1).double().numpy() / images.LEVELS
    return found


def _square(flat: Tensor) -> Tensor:
    return flat.reshape(-1, 1, data.SIDE, data.SIDE)


def _check(pixels: Tensor, labels: Tensor) -> None:
    expected = (len(pixels), 1, data.SIDE, data.SIDE)
    if tuple(pixels.shape) != expected or tuple(labels.shape) != (len(pixels),):
        raise InputError(
            "digits", found=f"samples {tuple(pixels.shape)}, labels {tuple(labels.shape)}",
            expected="samples [N, 1, 8, 8] and labels [N]",
        )  # fmt: skip
    least = prdc.COVERAGE_K + 1
    if len(pixels) < least or not 0 <= int(labels.min()) <= int(labels.max()) < data.CLASSES:
        low, high = (int(labels.min()), int(labels.max())) if len(labels) else (None, None)
        raise InputError(
            "digits", found=f"{len(pixels)} samples of classes {low} to {high}",
            expected=f"at least {least} samples, each labelled with a digit",
            remedy="A folder gives labels by its class folders, 0 to 9.",
        )  # fmt: skip

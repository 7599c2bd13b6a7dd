"""Figures for generated digits, on the evidence axis `proxy`: they compare with nothing published.

Features are the pooled last map of our own masked autoencoder, in the coordinates of the first
principal components of the training digits; the judge of classes is trained on the real training
digits; everything is compared with the 599 held-out digits, which no training has seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift import digits as data
from drift.encoder import MaskedAutoencoder
from drift.errors import InputError
from drift.evaluate import audit, bootstrap, classifier, fid, prdc
from drift.evaluate.figures import Figure
from drift.sample import images

AXIS = "proxy"
EXTRACTOR = "drift-mae-layer4-pca64"
TAP = "layer4_mean"
COMPONENTS = 64  # the 599 held-out digits cannot carry a covariance of all 512 features
CHUNK = 500  # images that go through the encoder at once
COVERED = 0.5  # of the coverage that as many real training digits reach: a class is then covered

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ClassReport:
    """One digit: samples, share named right, share of real ones reached, spread over the real."""

    label: int
    count: int
    accuracy: float
    coverage: float
    real_coverage: float
    spread: float

    @property
    def covered(self) -> bool:
        """At least half of what as many real training digits cover."""
        return self.coverage >= COVERED * self.real_coverage

    @property
    def collapsed(self) -> bool:
        """The samples spread far less than the real digits do."""
        return self.spread < audit.COLLAPSE


@dataclass(frozen=True)
class Report:
    """What was measured on generated digits.

    figures     by name: fid_proxy, fid_pixel, precision, recall, coverage, class_accuracy,
                classifier_accuracy (of the judge on held-out digits), copies_* and closer_*
    real        the values of the same figures for the real training digits: what is possible
    per_class   ten entries; memorised: an audit of nearest neighbours was flagged
    components  arrays from which fid_proxy can be recomputed
    """

    axis: str
    count: int
    seed: int
    figures: Mapping[str, Figure]
    real: Mapping[str, float]
    per_class: tuple[ClassReport, ...]
    memorised: bool
    encoder_sha256: str
    components: Mapping[str, Array]

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

    The encoder must not be changed while this is in use.
    """

    def __init__(self, encoder: MaskedAutoencoder) -> None:
        self._encoder = encoder.eval()
        training, held_out = (images.pixels(_square(part.images)) for part in data.load())
        pooled = self._pooled(training)
        self._centre = pooled.mean(axis=0)
        self._axes = np.linalg.svd(pooled - self._centre, full_matrices=False)[2][:COMPONENTS].T
        self.training = self._project(pooled)
        self.held_out = self(held_out)

    def __call__(self, pixels: Tensor) -> Array:
        return self._project(self._pooled(pixels))

    def _pooled(self, pixels: Tensor) -> Array:
        rows = [pooled(self._encoder, part) for part in torch.split(pixels, CHUNK)]
        return np.concatenate(rows)

    def _project(self, pooled: Array) -> Array:
        return (pooled - self._centre) @ self._axes


def evaluate_digits(
    samples: Tensor, labels: Tensor, *, encoder: MaskedAutoencoder, seed: int = 0
) -> Report:
    """samples [N, 1, 8, 8] in [-1, 1], the classes asked for [N] -> all figures.

    seed  of resamples and of the subsets that recall and coverage need: both grow with the number
          of generated samples, so they use as many as there are real ones
    Raises InputError for other shapes, too few samples or numbers that are not finite.
    """
    _check(samples, labels)
    generator = np.random.default_rng(seed)
    encoded, asked = Encoded(encoder), labels.numpy()
    pixels = images.pixels(samples)
    features = encoded(pixels)
    held_out, training = fid.moments(encoded.held_out), data.load()[0]
    figures = {"fid_proxy": fid.figure(features, held_out, generator, labels=asked)}
    figures["fid_pixel"] = _pixel_distance(pixels, asked, generator)
    figures |= neighbours(features, encoded.held_out, generator)
    per_class, hits = _classes(features, asked, encoded, pixels, generator)
    figures["coverage"] = bootstrap.share(
        hits,
        generator,
        definition="share of held-out digits with a generated one of their class inside their "
        f"{prdc.COVERAGE_K}-NN radius, as many generated as real ones",
    )
    judge = classifier.digits_classifier()
    figures["class_accuracy"] = bootstrap.share(
        judge.predict(pixels) == asked, generator, definition=JUDGED
    )
    figures["classifier_accuracy"] = bootstrap.share(
        judge.hits, generator, definition="share of held-out digits that the judge names right"
    )
    audits = _audits(pixels, features, encoded, generator)
    for space, found in audits.items():
        figures |= {f"copies_{space}": found.copies, f"closer_{space}": found.closer}
    found_moments = fid.moments(features)
    return Report(
        axis=AXIS,
        count=len(samples),
        seed=seed,
        figures=figures,
        real=_possible(encoded, training.labels.numpy(), held_out, seed),
        per_class=per_class,
        memorised=any(found.flagged for found in audits.values()),
        encoder_sha256=encoder_digest(encoder),
        components={
            "mu": found_moments.mean,
            "sigma": found_moments.covariance,
            "reference_mu": held_out.mean,
            "reference_sigma": held_out.covariance,
        },
    )


JUDGED = "share of samples that a support vector machine, trained on the real digits, names right"


@torch.no_grad()
def pooled(encoder: MaskedAutoencoder, pixels: Tensor) -> Array:
    """uint8 [N, 1, 8, 8] -> the pooled last map of the encoder, [N, D]."""
    device = next(encoder.parameters()).device
    entries = encoder.activations(
        images.signed(pixels).to(device), every_k_block=None, patch_mean_size=None,
        patch_std_size=None, use_std=False,
    )  # fmt: skip
    found: Array = entries[TAP][:, 0].double().cpu().numpy()
    return found


def neighbours(features: Array, real: Array, generator: np.random.Generator) -> dict[str, Figure]:
    """Precision and recall with as many generated as real samples."""
    few = min(len(features), len(real))
    ours = features[generator.permutation(len(features))[:few]]
    theirs = real[generator.permutation(len(real))[:few]]
    return {
        "precision": bootstrap.share(
            prdc.precision_hits(ours, theirs), generator,
            definition=prdc.PRECISION.format(k=prdc.K),
        ),
        "recall": bootstrap.share(
            prdc.recall_hits(ours, theirs), generator, definition=prdc.RECALL.format(k=prdc.K)
        ),
    }  # fmt: skip


def encoder_digest(encoder: MaskedAutoencoder) -> str:
    """sha256 over names, shapes and values of the encoder's parameters."""
    digest = hashlib.sha256()
    for name, value in sorted(encoder.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _classes(
    features: Array, asked: NDArray[np.int64], encoded: Encoded, pixels: Tensor,
    generator: np.random.Generator,
) -> tuple[tuple[ClassReport, ...], NDArray[np.bool_]]:  # fmt: skip
    """Reports of the ten classes, and per held-out digit whether it was reached."""
    training, held_out = data.load()
    right = classifier.digits_classifier().predict(pixels) == asked
    reports, hits = [], []
    for label in range(data.CLASSES):
        mine = generator.permutation(np.flatnonzero(asked == label))
        real = encoded.held_out[held_out.labels.numpy() == label]
        known = generator.permutation(np.flatnonzero(training.labels.numpy() == label))
        reached = _reached(features[mine[: len(real)]], real)
        possible = _reached(encoded.training[known[: len(real)]], real)
        hits.append(reached)
        reports.append(
            ClassReport(
                label=label,
                count=len(mine),
                accuracy=float(right[mine].mean()) if len(mine) else 0.0,
                coverage=float(reached.mean()),
                real_coverage=float(possible.mean()),
                spread=audit.spread_ratio(features[mine], real),
            )
        )
    return tuple(reports), np.concatenate(hits)


def _reached(generated: Array, real: Array) -> NDArray[np.bool_]:
    return prdc.coverage_hits(generated, real) if len(generated) else np.zeros(len(real), np.bool_)


def _pixel_distance(
    pixels: Tensor, asked: NDArray[np.int64], generator: np.random.Generator
) -> Figure:
    """Frechet distance of pixels: the encoder's norms hide contrast, this does not."""
    held_out = images.pixels(data.load()[1].images)
    reference = fid.moments(_unit(held_out))
    return fid.figure(_unit(pixels), reference, generator, labels=asked)


def _audits(
    pixels: Tensor, features: Array, encoded: Encoded, generator: np.random.Generator
) -> dict[str, audit.Memorisation]:
    training, held_out = (_unit(images.pixels(part.images)) for part in data.load())
    return {
        "pixels": audit.memorisation(
            _unit(pixels), training, held_out, generator, space="pixels"
        ),
        "features": audit.memorisation(
            features, encoded.training, encoded.held_out, generator, space="features"
        ),
    }  # fmt: skip


def _possible(
    encoded: Encoded, labels: NDArray[np.int64], held_out: fid.Moments, seed: int
) -> dict[str, float]:
    """The figures of the real training digits, in place of generated ones."""
    generator = np.random.default_rng(seed)
    found = neighbours(encoded.training, encoded.held_out, generator)
    return {
        "fid_proxy": fid.frechet(fid.moments(encoded.training), held_out),
        **{name: figure.value for name, figure in found.items()},
        "class_accuracy": classifier.digits_classifier().accuracy,
    }


def _unit(pixels: Tensor) -> Array:
    found: Array = pixels.flatten(1).double().numpy() / images.LEVELS
    return found


def _square(flat: Tensor) -> Tensor:
    return flat.reshape(-1, 1, data.SIDE, data.SIDE)


def _check(samples: Tensor, labels: Tensor) -> None:
    expected = (len(samples), 1, data.SIDE, data.SIDE)
    if tuple(samples.shape) != expected or tuple(labels.shape) != (len(samples),):
        raise InputError(
            "evaluate_digits", found=f"samples {tuple(samples.shape)}, labels "
            f"{tuple(labels.shape)}", expected="samples [N, 1, 8, 8] and labels [N]",
        )  # fmt: skip
    if len(samples) <= prdc.COVERAGE_K or not 0 <= int(labels.min()) <= int(labels.max()) <= 9:
        raise InputError(
            "evaluate_digits", found=f"{len(samples)} samples of classes {int(labels.min())} to "
            f"{int(labels.max())}", expected=f"more than {prdc.COVERAGE_K} samples of digits 0 to 9",
        )  # fmt: skip

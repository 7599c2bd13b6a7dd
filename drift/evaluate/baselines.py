"""What a generator has to beat, made from the real training images alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from drift.config import Template
from drift.data import Source
from drift.encoder import MaskedAutoencoder
from drift.evaluate.real import RealSet, embedded
from drift.features import FeatureExtractor
from drift.sample.sampler import Sampler, cycled
from drift.train import build, draw, step
from drift.train.step import TrainState

RIDGE = 1.0e-6  # on the variances: border pixels are constant in every training image
MOST_SQUARED = 1024  # values of an image whose covariance is formed; of more, images are mixed


@dataclass(frozen=True)
class Conditions:
    """How the samples of a run were made; those of its rivals are made in the same way.

    steps      of the template's schedule that were done, so that a half-trained run has an equal
               rival
    count      samples, labels in turn
    run_seed   of the training; seed that of the samples
    ema_decay  of the averaged weights; None: the raw ones
    """

    steps: int
    count: int
    run_seed: int
    seed: int
    alpha: float
    ema_decay: float | None


def class_gaussians(
    count: int, *, generator: torch.Generator, independent: bool = False,
    real: RealSet | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Samples [count, C, H, W] of one Gaussian a class, fitted to training pixels, labels [count].

    real         whose images; the embedded digits by default
    independent  variances only; otherwise the whole covariance, which leaves out nothing that a
                 Frechet distance of pixels could see
    Labels go round the classes. Values beyond [-1, 1] are left as drawn; they are clipped where
    samples become bytes, as those of any generator are.
    """
    real = real or embedded("digits")
    labels = torch.arange(count) % len(real.classes)
    samples = torch.empty(count, math.prod(real.shape), dtype=torch.float64)
    for label in range(len(real.classes)):
        places = labels == label
        samples[places] = _gaussian(
            real.of_class(label).double(), int(places.sum()), generator, independent=independent
        )
    return samples.float().reshape(-1, *real.shape), labels


def _gaussian(real: Tensor, count: int, generator: torch.Generator, *, independent: bool) -> Tensor:
    """[count, D] with mean and covariance of real [n, D], or with its variances alone."""
    mean: Tensor = real.mean(0)
    rows, values = real.shape
    centred = (real - mean) / max(1, rows - 1) ** 0.5
    if values > MOST_SQUARED and not independent:
        # Images mixed with random weights have their covariance, which is never formed.
        mixed: Tensor = torch.randn(count, rows, generator=generator).double() @ centred
        return mean + mixed
    drawn = torch.randn(count, values, generator=generator).double()
    if values > MOST_SQUARED:
        scaled: Tensor = drawn * (centred.square().sum(0) + RIDGE).sqrt()
        return mean + scaled
    covariance = torch.cov(real.T) if rows > 1 else centred.T @ centred
    covariance = covariance + RIDGE * torch.eye(values, dtype=torch.float64)
    if independent:
        covariance = covariance.diagonal().diag()
    correlated: Tensor = drawn @ torch.linalg.cholesky(covariance).T
    return mean + correlated


def raw_pixels(
    template: Template,
    source: Source,
    encoder: MaskedAutoencoder,
    made: Conditions,
    listen: Callable[[int], None] = lambda done: None,
) -> tuple[Tensor, Tensor]:
    """The template's generator trained by the drifting loss on raw samples -> (samples, labels).

    Everything but the feature dictionary, which is the normalised raw sample alone, is the
    template's: generator, optimiser, queues, guidance; `encoder` is asked nothing.
    """
    cut = build.override(template, ("loss.feature_taps=none", "loss.vanilla_term=normalised"))
    generator = build.generator(cut, seed=made.run_seed)
    extractor = FeatureExtractor(encoder, config=build.feature_config(cut))
    state = TrainState.create(generator, extractor, build.train_config(cut))
    feed = draw.open_feed(cut, source, seed=made.run_seed)
    draw.warm_up(feed, cut)
    while state.step < made.steps:
        step.train_step(state, draw.draw(feed, cut, seed=made.run_seed, step=state.step))
        listen(state.step)
    if made.ema_decay is not None:
        generator.load_state_dict({**generator.state_dict(), **state.ema[made.ema_decay]})
    labels = cycled(range(cut.generator.num_classes), made.count)
    return Sampler(generator).all(labels, alpha=made.alpha, seed=made.seed), labels

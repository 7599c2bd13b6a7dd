"""What a generator of digits has to beat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from drift import digits
from drift.config import Template
from drift.data import Source
from drift.encoder import MaskedAutoencoder
from drift.features import FeatureExtractor
from drift.sample.sampler import Sampler, cycled
from drift.train import build, draw, step
from drift.train.step import TrainState

RIDGE = 1.0e-6  # on the variances: border pixels are constant in every training image


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
    count: int, *, generator: torch.Generator, independent: bool = False
) -> tuple[Tensor, Tensor]:
    """Samples [count, 1, 8, 8] of one Gaussian a class, fitted to training pixels, labels [count].

    independent  variances only; otherwise the whole covariance, which leaves out nothing that a
                 Frechet distance of pixels could see
    Labels go round the ten digits. Values beyond [-1, 1] are left as drawn; they are clipped where
    samples become bytes, as those of any generator are.
    """
    training, _ = digits.load()
    labels = torch.arange(count) % digits.CLASSES
    samples = torch.empty(count, digits.SIDE**2, dtype=torch.float64)
    for label in range(digits.CLASSES):
        real = training.of_class(label).double()
        covariance = torch.cov(real.T) + RIDGE * torch.eye(real.shape[1], dtype=torch.float64)
        if independent:
            covariance = covariance.diagonal().diag()
        root = torch.linalg.cholesky(covariance)
        places = labels == label
        drawn = torch.randn(int(places.sum()), real.shape[1], generator=generator).double()
        samples[places] = real.mean(0) + drawn @ root.T
    return samples.float().reshape(-1, 1, digits.SIDE, digits.SIDE), labels


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

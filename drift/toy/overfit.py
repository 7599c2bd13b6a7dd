"""Sixteen digits learned by heart: generator, encoder features, loss and queues, all at once.

A path that is broken anywhere cannot do this: each of the sixteen images has to come out of noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from drift import digits, pretrain
from drift.artifacts import store
from drift.config import Template, load_template
from drift.data import DigitsSource, TensorSource
from drift.features import FeatureExtractor
from drift.train import build, draw, run, step

IMAGES = 16
LABELS = 4  # four images each
PRETRAIN = (
    "encoder.pretrain.steps=60",
    "encoder.finetune.steps=20",
    "encoder.finetune.ramp_steps=10",
)
SETTINGS = (
    f"generator.num_classes={LABELS}",
    f"encoder.num_classes={LABELS}",
    "queue.per_class_capacity=4",
    f"queue.global_capacity={IMAGES}",
    f"queue.push_per_step={IMAGES}",
    f"loss.class_labels={LABELS}",
    "loss.positives=4",
    "loss.generated=16",
    "loss.unconditional=4",
    "cfg.alpha_range=[1.0, 1.0]",
    "cfg.inference_alpha_search=[1.0, 1.0]",
    "evaluation.alpha=1.0",
    "optimizer.learning_rate=6.0e-3",
    "optimizer.schedule=cosine",
    "optimizer.ema_decay=[0.9]",
)


@dataclass(frozen=True)
class Learned:
    """How well the images are known by heart; distances are Euclidean, pixels in [-1, 1].

    nearest   mean distance of a sample to the nearest of the sixteen
    apart     mean distance of one of the sixteen to the nearest other one
    found     how many of the sixteen have a sample within half the least distance between any two
    """

    nearest: float
    apart: float
    found: int


def recipe(steps: int) -> Template:
    """The digits template with everything cut down to sixteen images."""
    settings = (*SETTINGS, f"optimizer.training_steps={steps}")
    return build.override(load_template("digits"), settings)


def sixteen() -> TensorSource:
    """The first sixteen training digits under four labels."""
    images = digits.load()[0].images[:IMAGES].reshape(-1, 1, digits.SIDE, digits.SIDE)
    return TensorSource(images, torch.arange(IMAGES) % LABELS, LABELS)


def overfit(
    folder: Path, *, steps: int, seed: int, listen: Callable[[str, int], None]
) -> tuple[Learned, Tensor, Tensor]:
    """Pre-train a small encoder, learn the images -> (figures, images, nearest samples).

    listen  called with "encoder" or "generator" and the steps done
    """
    template = build.override(load_template("digits"), PRETRAIN)
    options = pretrain.PretrainOptions(folder / "encoder", seed=seed, checkpoint_every=10**9)
    encoder = pretrain.pretrain(
        pretrain.start(template, DigitsSource(), options),
        lambda row: listen("encoder", row["step"]),
    )
    small = recipe(steps)
    extractor = FeatureExtractor(store.load_encoder(encoder), config=build.feature_config(small))
    source = sixteen()
    going = run.start(
        small,
        source,
        extractor,
        run.RunOptions(folder / "generator", seed=seed, window=25, checkpoint_every=10**9),
    )
    run.train(going, lambda window: listen("generator", window.step))
    batches = [draw.draw(going.feed, small, seed=seed + 1, step=i) for i in range(8)]
    with torch.no_grad():
        samples = torch.cat([step.generate(going.state, batch) for batch in batches])
    return measure(source.samples, samples)


def measure(images: Tensor, samples: Tensor) -> tuple[Learned, Tensor, Tensor]:
    """Figures, and for each image [16, 1, 8, 8] the sample nearest to it."""
    real, made = images.flatten(1), samples.flatten(1)
    between = torch.cdist(real, real)
    between.fill_diagonal_(torch.inf)
    to_real = torch.cdist(made, real)
    found = int((to_real.min(0).values < between.min() / 2).sum())
    learned = Learned(
        nearest=float(to_real.min(1).values.mean()),
        apart=float(between.min(1).values.mean()),
        found=found,
    )
    return learned, images, samples[to_real.argmin(0)]

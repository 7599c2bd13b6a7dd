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

IMAGES = 16  # each under a label of its own
ENCODER_STEPS = 200
PRETRAIN = (
    f"encoder.pretrain.steps={ENCODER_STEPS}",
    "encoder.pretrain.epochs=11",
    "encoder.finetune.steps=50",
    "encoder.finetune.ramp_steps=25",
)
SETTINGS = (
    f"generator.num_classes={IMAGES}",
    f"encoder.num_classes={IMAGES}",
    "queue.per_class_capacity=1",
    f"queue.global_capacity={IMAGES}",
    f"queue.push_per_step={IMAGES}",
    f"loss.class_labels={IMAGES}",
    "loss.positives=1",
    "loss.generated=4",
    "loss.unconditional=1",
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

    off, worst  mean and largest distance of a sample to the image of its label
    apart       least distance between any two of the sixteen
    found       for how many of the sixteen every sample of their label is nearer than half of that
    """

    off: float
    worst: float
    apart: float
    found: int


def recipe(steps: int) -> Template:
    """The digits template with everything cut down to sixteen images."""
    template = load_template("digits")
    warm_up = min(template.optimizer.warmup_steps, steps)
    settings = (f"optimizer.training_steps={steps}", f"optimizer.warmup_steps={warm_up}")
    return build.override(template, (*SETTINGS, *settings))


def sixteen() -> TensorSource:
    """The first sixteen training digits, each its own class: the label has to be obeyed, too."""
    images = digits.load()[0].images[:IMAGES].reshape(-1, 1, digits.SIDE, digits.SIDE)
    return TensorSource(images, torch.arange(IMAGES), IMAGES)


def overfit(
    folder: Path, *, steps: int, seed: int, listen: Callable[[str, int], None]
) -> tuple[Learned, Tensor, Tensor]:
    """Pre-train a small encoder, learn the images -> (figures, images, worst sample of each).

    listen  called with "encoder" or "generator" and the steps done
    """
    small, template = recipe(steps), build.override(load_template("digits"), PRETRAIN)
    options = pretrain.PretrainOptions(folder / "encoder", seed=seed, checkpoint_every=10**9)
    encoder = pretrain.pretrain(
        pretrain.start(template, DigitsSource(), options),
        lambda row: listen("encoder", row["step"]),
    )
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
    labels = torch.cat([step.per_sample(batch.labels, batch.generated) for batch in batches])
    return measure(source.samples, samples, labels)


def measure(images: Tensor, samples: Tensor, labels: Tensor) -> tuple[Learned, Tensor, Tensor]:
    """Figures, the images [16, 1, 8, 8], and of each label the sample farthest from its image.

    samples [N, 1, 8, 8] with their labels [N], every label among them
    """
    real, made = images.flatten(1), samples.flatten(1)
    between = torch.cdist(real, real)
    between.fill_diagonal_(torch.inf)
    off = (made - real[labels]).norm(dim=1)
    worst = torch.stack(
        [off.masked_fill(labels != label, -torch.inf).argmax() for label in range(len(images))]
    )
    learned = Learned(
        off=float(off.mean()),
        worst=float(off.max()),
        apart=float(between.min()),
        found=int((off[worst] < between.min() / 2).sum()),
    )
    return learned, images, samples[worst]

"""Mistakes that a toy run has to notice, planted in the engine."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from drift import digits, loss, pairs, queue, schedule
from drift.toy import train
from verify.api import mutant


@mutant("toy.no_repulsion")
def no_repulsion(subject: object) -> Any:
    """Attraction only, everywhere: the coefficients of generated targets are zero."""
    return _cross_weights(0.0, 1.0)


@mutant("toy.no_attraction")
def no_attraction(subject: object) -> Any:
    """Repulsion only: the coefficients of the positives are zero."""
    return _cross_weights(1.0, 0.0)


@mutant("toy.sides_swapped")
def sides_swapped(subject: object) -> Any:
    """Positives repel and generated samples attract."""
    return _cross_weights(-1.0, -1.0)


@mutant("toy.uphill")
def uphill(subject: object) -> Any:
    """The gradient has the wrong sign."""
    real = loss.gradient_of_sum
    return patch.object(loss, "gradient_of_sum", lambda force, scale: -real(force, scale))


@mutant("toy.kernel_too_wide")
def kernel_too_wide(subject: object) -> Any:
    """Temperatures of 20 to 200 mean distances: the kernel no longer tells near from far."""
    real = pairs.softmaxes
    return patch.object(pairs, "softmaxes", lambda logits, *rest: real(logits * 1e-3, *rest))


@mutant("toy.no_updates")
def no_updates(subject: object) -> Any:
    """A learning rate of zero."""
    return patch.object(schedule, "learning_rate", lambda step, **spec: 0.0)


@mutant("toy.hidden_randomness")
def hidden_randomness(subject: object) -> Any:
    """Noise from the global state instead of the run's own generator."""

    def noise(model: Any, target: Any, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(len(target.condition), n, model.noise)

    return patch.object(train, "_noise", noise)


@mutant("toy.seed_ignored")
def seed_ignored(subject: object) -> Any:
    """Every seed gives the same run."""
    real = train._stream
    return patch.object(train, "_stream", lambda seed, stream: real(0, stream))


@mutant("digits.one_pixel_changed")
def one_pixel_changed(subject: object) -> Any:
    """The installed data set differs in one grey level."""
    real = digits.raw

    def changed() -> Any:
        images, labels = real()
        images[100, 3, 3] = (images[100, 3, 3] + 1) % (digits.LEVELS + 1)
        return images, labels

    return patch.object(digits, "raw", changed)


@mutant("digits.unit_interval")
def unit_interval(subject: object) -> Any:
    """Pixels in [0, 1] instead of [-1, 1]."""
    real = digits.scaled
    return patch.object(digits, "scaled", lambda images: (real(images) + 1.0) / 2.0)


@mutant("digits.held_out_leaks")
def held_out_leaks(subject: object) -> Any:
    """Other images are held out than the split says."""
    return patch.object(digits, "HELD_OUT_EVERY", 2)


@mutant("digits.relabelled")
def relabelled(subject: object) -> Any:
    """Every image is queued under the label of its neighbour."""
    real = queue.SampleQueue.push

    def push(self: Any, samples: Tensor, labels: Tensor) -> None:
        real(self, samples, labels.roll(1, dims=0))

    return patch.object(queue.SampleQueue, "push", push)


def _cross_weights(repelling_factor: float, pulling_factor: float) -> Any:
    """Multiply the coefficients of both sides."""
    real = pairs.cross_weights

    def scaled(affinity: Tensor, sum_pos: Tensor, sum_neg: Tensor, repelling: int) -> Tensor:
        coefficients = real(affinity, sum_pos, sum_neg, repelling)
        coefficients[..., :repelling] *= repelling_factor
        coefficients[..., repelling:] *= pulling_factor
        return coefficients

    return patch.object(pairs, "cross_weights", scaled)

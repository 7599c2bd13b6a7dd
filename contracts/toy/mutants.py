"""Mistakes that a toy run has to notice, planted in the engine."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from drift import digits, pairs, queue, schedule, target
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


@mutant("toy.uphill", target, "gradient_factor")
def uphill(real: Any, *given: Any) -> Any:
    """The gradient has the wrong sign."""
    return -real(*given)


@mutant("toy.kernel_too_wide", pairs, "softmaxes")
def kernel_too_wide(real: Any, logits: Any, *rest: Any) -> Any:
    """Temperatures of 20 to 200 mean distances: the kernel no longer tells near from far."""
    return real(logits * 1e-3, *rest)


@mutant("toy.hidden_randomness", train, "_noise")
def hidden_randomness(
    real: Any, model: Any, target: Any, n: int, generator: torch.Generator
) -> Tensor:
    """Noise from the global state instead of the run's own generator."""
    return torch.randn(len(target.condition), n, model.noise)


@mutant("toy.seed_ignored", train, "_stream")
def seed_ignored(real: Any, seed: Any, stream: Any) -> Any:
    """Every seed gives the same run."""
    return real(0, stream)


@mutant("digits.one_pixel_changed", digits, "raw")
def one_pixel_changed(real: Any) -> Any:
    """The installed data set differs in one grey level."""
    images, labels = real()
    images[100, 3, 3] = (images[100, 3, 3] + 1) % (digits.LEVELS + 1)
    return images, labels


@mutant("digits.unit_interval", digits, "scaled")
def unit_interval(real: Any, images: Any) -> Any:
    """Pixels in [0, 1] instead of [-1, 1]."""
    return (real(images) + 1.0) / 2.0


@mutant("digits.relabelled", queue.SampleQueue, "push")
def relabelled(real: Any, self: Any, samples: Tensor, labels: Tensor) -> None:
    """Every image is queued under the label of its neighbour."""
    real(self, samples, labels.roll(1, dims=0))


def _cross_weights(repelling_factor: float, pulling_factor: float) -> Any:
    """Multiply the coefficients of both sides."""
    real = pairs.cross_weights

    def scaled(affinity: Tensor, sum_pos: Tensor, sum_neg: Tensor, repelling: int) -> Tensor:
        coefficients = real(affinity, sum_pos, sum_neg, repelling)
        coefficients[..., :repelling] *= repelling_factor
        coefficients[..., repelling:] *= pulling_factor
        return coefficients

    return patch.object(pairs, "cross_weights", scaled)


OTHER_VALUES = (
    # A learning rate of zero.
    mutant("toy.no_updates", schedule, learning_rate=lambda step, **spec: 0.0),
    # Other images are held out than the split says.
    mutant("digits.held_out_leaks", digits, HELD_OUT_EVERY=2),
)

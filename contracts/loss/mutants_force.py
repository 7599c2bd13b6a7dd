"""Mistakes in the force, the objective, the gradient and the reduction of features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

import drift.cfg
import drift.clouds
import drift.loss
import drift.precision
from verify.api import mutant

from .mutants import Function, replaced, switched

# Force


@mutant("loss.drop_repulsion")
@contextmanager
def drop_repulsion(subject: object) -> Iterator[None]:
    """Only the positives pull."""

    def change(original: Function) -> Function:
        def cross_weights(affinity: Tensor, pos: Tensor, neg: Tensor, repelling: int) -> Tensor:
            coefficients: Tensor = original(affinity, torch.zeros_like(pos), neg, repelling)
            return coefficients

        return cross_weights

    with replaced("cross_weights", change):
        yield


@mutant("loss.mean_position")
@contextmanager
def mean_position(subject: object) -> Iterator[None]:
    """The mean sample is subtracted instead of x times the sum of coefficients."""

    def change(original: Function) -> Function:
        return lambda coefficients, call: (
            original(coefficients, call) - call.gen.mean(1, keepdim=True)
        )

    with replaced("force", change):
        yield


@mutant("loss.force_norm_per_group")
@contextmanager
def force_norm_per_group(subject: object) -> Iterator[None]:
    """The force is normalised within each class."""
    with replaced("force_power", lambda _: lambda raw: raw.square().mean((1, 2), keepdim=True)):
        yield


@mutant("loss.unnormalised_force")
@contextmanager
def unnormalised_force(subject: object) -> Iterator[None]:
    """The forces of the temperatures are added as they are."""
    with replaced("force_power", lambda original: lambda raw: torch.ones_like(original(raw))):
        yield


# Objective and gradient


@mutant("loss.one_loss_per_temperature")
@contextmanager
def one_loss_per_temperature(subject: object) -> Iterator[None]:
    """The losses of the temperatures are added, not their forces."""
    with switched(temperature_aggregation="sum_losses"):
        yield


@mutant("loss.temperatures")
@contextmanager
def temperatures(subject: object, *, values: Sequence[float]) -> Iterator[None]:
    """Another default set of temperatures."""
    defaults = drift.loss.drift_loss.__kwdefaults__
    with patch.dict(defaults, temperatures=tuple(values)):
        yield


@mutant("loss.gradient_without_scale")
@contextmanager
def gradient_without_scale(subject: object) -> Iterator[None]:
    """The closed form forgets that x_n is gen divided by the coordinate scale."""

    def change(original: Function) -> Function:
        return lambda force, scale: original(force, torch.ones_like(scale))

    with replaced("gradient_of_sum", change):
        yield


@mutant("loss.gradient_through_scale")
@contextmanager
def gradient_through_scale(subject: object) -> Iterator[None]:
    """The coordinate scale is not detached, so gradient also flows through the distances."""
    call: list[drift.clouds.Clouds] = []
    gather = drift.clouds.gather

    def remember(*arguments: Any) -> drift.clouds.Clouds:
        call[:] = [gather(*arguments)]
        return call[0]

    def attach_gradient(gen: Tensor, drifted: drift.loss.Drift) -> Tensor:
        x = gen.to(drifted.force.dtype)
        # Distances of coincident points have no gradient: the expansion is clipped there.
        pairs = [drift.loss.distances(x, y) for y in (x, *call[0].targets[1:])]
        scale = drift.loss.mean_distance(torch.cat(pairs, dim=-1), call[0].weight)
        x_n = x / drift.loss.coordinate_scale(scale, x.shape[-1])
        return drift.loss.mean_square(x_n - (x_n + drifted.force).detach())

    with (
        patch.object(drift.clouds, "gather", remember),
        patch.object(drift.loss, "attach_gradient", attach_gradient),
    ):
        yield


@mutant("loss.inside_autocast")
@contextmanager
def inside_autocast(subject: object) -> Iterator[None]:
    """The distances are computed in whatever precision the caller's autocast chose."""

    def change(original: Function) -> Function:
        return lambda x, y: original(x, y).to(x.dtype)

    with (
        patch.object(drift.precision, "full_precision", lambda device: nullcontext()),
        replaced("distances", change),
    ):
        yield


# Features


@mutant("loss.sum_over_locations")
@contextmanager
def sum_over_locations(subject: object) -> Iterator[None]:
    """The losses of a map's locations are added instead of averaged."""
    with switched(location_reduction="sum"):
        yield


@mutant("loss.locations_mixed")
@contextmanager
def locations_mixed(subject: object) -> Iterator[None]:
    """Locations are folded into the batch without moving the axis first."""

    def fold(features: Tensor) -> Tensor:
        batch, samples, locations, width = features.shape
        return features.reshape(batch * locations, samples, width)

    with patch.object(drift.clouds, "fold_locations", fold):
        yield


@mutant("loss.unit_uncond_weight")
@contextmanager
def unit_uncond_weight(subject: object) -> Iterator[None]:
    """Guidance is ignored: unconditional samples weigh as much as generated ones."""

    def ones(alpha: Tensor, **counts: int) -> Tensor:
        return torch.ones_like(alpha)

    with patch.object(drift.cfg, "uncond_weight", ones):
        yield

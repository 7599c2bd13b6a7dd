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
import drift.pairs
import drift.precision
import drift.target
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
        def force(
            coefficients: Tensor, call: drift.clouds.Centred, out: Tensor | None = None
        ) -> Tensor:
            right: Tensor = original(coefficients, call)
            return right - (call.centre if right.ndim == 3 else call.centre[:, None])

        return force

    with replaced("force", change):
        yield


@mutant("loss.force_norm_per_group")
@contextmanager
def force_norm_per_group(subject: object) -> Iterator[None]:
    """The force is normalised within each class."""

    def each(products: Sequence[Tensor], group: object) -> list[Tensor]:
        return [drift.target.with_count(one.double()) for one in products]

    with replaced("power_totals", lambda _: each):
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

    def attach_gradient(gen: Tensor, drifted: drift.target.Drift) -> Tensor:
        x = gen.to(drifted.force.dtype)
        dist = drift.pairs.distances(x, torch.cat([x, *call[0].targets[1:]], dim=1))
        figures = drift.target.distance_sums(dist, call[0].weight)
        scale = drift.target.mean_distance(figures.sum(dim=0))
        x_n = x / drift.target.coordinate_scale(scale, x.shape[-1])
        return (x_n - (x_n + drifted.force).detach()).square().mean(dim=(1, 2))

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

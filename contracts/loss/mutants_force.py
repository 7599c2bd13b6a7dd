"""Mistakes in the force, the objective, the gradient and the reduction of features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
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

from .mutants import switched

# Force


@mutant("loss.drop_repulsion", drift.pairs, "cross_weights")
def drop_repulsion(
    original: Any, affinity: Tensor, pos: Tensor, neg: Tensor, repelling: int
) -> Tensor:
    """Only the positives pull."""
    coefficients: Tensor = original(affinity, torch.zeros_like(pos), neg, repelling)
    return coefficients


@mutant("loss.mean_position", drift.pairs, "force")
def mean_position(
    original: Any, coefficients: Tensor, call: drift.clouds.Centred, out: Tensor | None = None
) -> Tensor:
    """The mean sample is subtracted instead of x times the sum of coefficients."""
    right: Tensor = original(coefficients, call)
    return right - (call.centre if right.ndim == 3 else call.centre[:, None])


@mutant("loss.force_norm_per_group", drift.target, "power_totals")
def force_norm_per_group(real: Any, products: Sequence[Tensor], group: object) -> list[Tensor]:
    """The force is normalised within each class."""
    return [drift.target.with_count(one.double()) * len(one) for one in products]


@mutant("loss.unnormalised_force", drift.target, "force_power")
def unnormalised_force(original: Any, raw: Any) -> Any:
    """The forces of the temperatures are added as they are."""
    return torch.ones_like(original(raw))


# Objective and gradient


@mutant("loss.one_loss_per_temperature")
def one_loss_per_temperature(subject: object) -> AbstractContextManager[Any]:
    """The losses of the temperatures are added, not their forces."""
    return switched(temperature_aggregation="sum_losses")


@mutant("loss.temperatures")
def temperatures(subject: object, *, values: Sequence[float]) -> AbstractContextManager[Any]:
    """Another default set of temperatures."""
    defaults = drift.loss.drift_loss.__kwdefaults__
    return patch.dict(defaults, temperatures=tuple(values))


@mutant("loss.gradient_without_scale", drift.target, "gradient_factor")
def gradient_without_scale(real: Any, shape: Any, c: Any) -> Any:
    """The closed form forgets that x_n is gen divided by the coordinate scale."""
    return real(shape, c / c)


@mutant("loss.nan_gradient", drift.loss, "attach_gradient")
def nan_gradient(real: Any, gen: Tensor, drifted: drift.target.Drift, *more: Any) -> Any:
    """One entry of the gradient is no number; loss and info are right."""
    gradient = drifted.gradient.clone()
    gradient[-1, -1, -1] = torch.nan
    return real(gen, drifted._replace(gradient=gradient), *more)


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
        x = gen.to(drifted.gradient.dtype)
        dist = drift.pairs.distances(x, torch.cat([x, *call[0].targets[1:]], dim=1))
        figures = drift.target.distance_sums(dist, call[0].weight)
        scale = drift.target.mean_distance(figures.sum(dim=0))
        x_n = x / drift.target.coordinate_scale(scale, x.shape[-1])
        c = drifted.coordinate_scale
        force = drifted.gradient / drift.target.gradient_factor(x.shape, c)
        value: Tensor = (x_n - (x_n + force).detach()).square().mean(dim=(1, 2))
        return value

    with (
        patch.object(drift.clouds, "gather", remember),
        patch.object(drift.loss, "attach_gradient", attach_gradient),
    ):
        yield


@mutant("loss.inside_autocast")
@contextmanager
def inside_autocast(subject: object) -> Iterator[None]:
    """The distances are computed in whatever precision the caller's autocast chose."""
    real = drift.pairs.distances
    with (
        patch.object(drift.precision, "full_precision", lambda device: nullcontext()),
        patch.object(drift.pairs, "distances", lambda x, y: real(x, y).to(x.dtype)),
    ):
        yield


# Features


@mutant("loss.sum_over_locations")
def sum_over_locations(subject: object) -> AbstractContextManager[Any]:
    """The losses of a map's locations are added instead of averaged."""
    return switched(location_reduction="sum")


@mutant("loss.locations_mixed", drift.clouds, "fold_locations")
def locations_mixed(real: Any, features: Tensor) -> Tensor:
    """Locations are folded into the batch without moving the axis first."""
    batch, samples, locations, width = features.shape
    return features.reshape(batch * locations, samples, width)


@mutant("loss.unit_uncond_weight", drift.cfg, "uncond_weight")
def unit_uncond_weight(real: Any, alpha: Tensor, **counts: int) -> Tensor:
    """Guidance is ignored: unconditional samples weigh as much as generated ones."""
    return torch.ones_like(alpha)

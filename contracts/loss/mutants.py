"""Mistakes in distances, softmaxes and weights of the drifting loss.

Each changes one function, constant or switch of the engine in place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

import drift.clouds
import drift.loss
import drift.pairs
import drift.semantics
import drift.target
from verify.api import mutant


def owner_of(name: str) -> ModuleType:
    """The module of the loss that defines NAME."""
    return next(m for m in (drift.pairs, drift.target, drift.loss) if name in vars(m))


def switched(**switches: Any) -> AbstractContextManager[Any]:
    """The reference semantics with other values of some switches.

    As they stand now: a second change must not undo a first one.
    """
    changed = dataclasses.replace(drift.semantics.SEMANTICS["reference"], **switches)
    return patch.dict(drift.semantics.SEMANTICS, reference=changed)


# Distances, scale and mask


@mutant("loss.squared_distance", drift.pairs, "distances")
def squared_distance(original: Any, x: Any, y: Any) -> Any:
    """The distance without its root."""
    return original(x, y).square_()


@mutant("loss.scale_per_group", drift.target, "distance_totals")
def scale_per_group(real: Any, figures: Sequence[Tensor], group: object) -> list[Tensor]:
    """One mean distance for each class instead of one for the batch."""
    return [one.double()[:, None, None] for one in figures]


@mutant("loss.scale_without_weights", drift.target, "distance_sums")
def scale_without_weights(original: Any, d: Any, w: Any) -> Any:
    """The mean distance counts every column once."""
    return original(d, torch.ones_like(w))


@mutant("loss.scale_without_own", drift.target, "distance_sums")
def scale_without_own(original: Any, dist: Tensor, weight: Tensor) -> Tensor:
    """Self-distances, which are zero, are left out of the mean."""
    figures: Tensor = original(dist, weight)
    figures[:, 0] *= dist.shape[-1] / (dist.shape[-1] - 1)
    return figures


@mutant("loss.fixed_scale", drift.target, "mean_distance")
def fixed_scale(original: Any, total: Any) -> Any:
    """Features are not normalised at all."""
    return torch.ones_like(original(total))


@mutant("loss.mask_neighbour", drift.pairs, "mask_own")
def mask_neighbour(original: Any, d: Any, added: Any) -> Any:
    """The mask is off by one column."""
    return original(d[..., 1:], added)


# Softmaxes and affinities


@mutant("loss.swap_softmax_axes", drift.pairs, "softmaxes")
def swap_softmax_axes(original: Any, *call: Any) -> Any:
    """The softmax over targets runs over samples and the other way round.

    Their product is the same, so only the recorded stages tell.
    """
    return original(*call)[::-1]


@mutant("loss.softmax_one_axis", drift.pairs, "softmaxes")
def softmax_one_axis(real: Any, *call: Any, axis: str) -> tuple[Tensor, Tensor]:
    """One of the softmaxes stands in for both."""
    one = real(*call)[{"targets": 0, "samples": 1}[axis]]
    return one, one.clone()


@mutant("loss.softmax_across_groups", drift.pairs, "softmaxes")
def softmax_across_groups(original: Any, logits: Tensor, *call: Any) -> tuple[Tensor, Tensor]:
    """The softmax over samples runs over those of all classes."""
    moved = logits.movedim(-2, 1)
    across = moved.flatten(0, 1).softmax(dim=0).view_as(moved)
    return original(logits, *call)[0], across.movedim(1, -2)


@mutant("loss.drop_zero_weight_columns", drift.pairs, "softmaxes")
def drop_zero_weight_columns(
    original: Any, logits: Tensor, weight: Tensor, *call: Any
) -> tuple[Tensor, Tensor]:
    """Columns of weight 0 are masked out of both softmaxes."""
    gone = (weight == 0)[..., None, :]
    kept = original(logits.masked_fill(gone, -torch.inf), weight, *call)
    return kept[0].masked_fill(gone, 0.0), kept[1].masked_fill(gone, 0.0)


@mutant("loss.no_root", drift.pairs, "affinities")
def no_root(original: Any, *call: Any) -> Any:
    """The product of the softmaxes without the square root."""
    return original(*call).square_()


@mutant("loss.affinity_floor")
def affinity_floor(subject: object, *, value: float) -> AbstractContextManager[Any]:
    """Another floor under the square root."""
    return switched(affinity_floor=value)


# Weights


@mutant("loss.sqrt_weight", drift.pairs, "apply_weight")
def sqrt_weight(original: Any, a: Any, w: Any) -> Any:
    """The affinity is multiplied by sqrt(w)."""
    return original(a, w.sqrt())


@mutant("loss.log_weight")
def log_weight(subject: object) -> AbstractContextManager[Any]:
    """log w is added to the logits; the softmax over samples cancels it."""
    return switched(uncond_weight="in_kernel")


@mutant("loss.weight_order", drift.clouds, "gather")
def weight_order(original: Any, *call: Any) -> Any:
    """The weights of the positives are put in front of those of the other targets."""
    right = original(*call)
    shift = right.targets[-1].shape[1]
    return right._replace(weight=right.weight.roll(shift, dims=1))


OTHER_VALUES = (
    # Distances are normalised, coordinates are not.
    mutant(
        "loss.raw_coordinates",
        drift.target,
        coordinate_scale=lambda scale, features: torch.ones_like(scale),
    ),
    # A generated sample is its own nearest negative.
    mutant("loss.no_self_mask", drift.pairs, mask_own=lambda dist, added: None),
    # The affinities are not weighted.
    mutant("loss.ignore_weight", drift.pairs, apply_weight=lambda affinity, weight: affinity),
)

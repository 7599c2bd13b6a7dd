"""Mistakes in distances, softmaxes and weights of the drifting loss.

Each changes one function, constant or switch of the engine in place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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

Function = Callable[..., Any]


@contextmanager
def replaced(name: str, change: Callable[[Function], Function]) -> Iterator[None]:
    """The loss's function NAME becomes `change(original)`, in the module that calls it."""
    owner = owner_of(name)
    with patch.object(owner, name, change(getattr(owner, name))):
        yield


def owner_of(name: str) -> ModuleType:
    """The module of the loss that defines NAME."""
    return next(m for m in (drift.pairs, drift.target, drift.loss) if name in vars(m))


@contextmanager
def switched(**switches: Any) -> Iterator[None]:
    """The reference semantics with other values of some switches.

    As they stand now: a second change must not undo a first one.
    """
    changed = dataclasses.replace(drift.semantics.SEMANTICS["reference"], **switches)
    with patch.dict(drift.semantics.SEMANTICS, reference=changed):
        yield


# Distances, scale and mask


@mutant("loss.squared_distance")
@contextmanager
def squared_distance(subject: object) -> Iterator[None]:
    """The distance without its root."""
    with replaced("distances", lambda original: lambda x, y: original(x, y).square_()):
        yield


@mutant("loss.scale_per_group")
@contextmanager
def scale_per_group(subject: object) -> Iterator[None]:
    """One mean distance for each class instead of one for the batch."""

    def each(figures: Sequence[Tensor], group: object) -> list[Tensor]:
        return [one.double()[:, None, None] for one in figures]

    with replaced("distance_totals", lambda _: each):
        yield


@mutant("loss.scale_without_weights")
@contextmanager
def scale_without_weights(subject: object) -> Iterator[None]:
    """The mean distance counts every column once."""
    with replaced("distance_sums", lambda original: lambda d, w: original(d, torch.ones_like(w))):
        yield


@mutant("loss.scale_without_own")
@contextmanager
def scale_without_own(subject: object) -> Iterator[None]:
    """Self-distances, which are zero, are left out of the mean."""

    def change(original: Function) -> Function:
        def distance_sums(dist: Tensor, weight: Tensor) -> Tensor:
            figures: Tensor = original(dist, weight)
            figures[:, 0] *= dist.shape[-1] / (dist.shape[-1] - 1)
            return figures

        return distance_sums

    with replaced("distance_sums", change):
        yield


@mutant("loss.fixed_scale")
@contextmanager
def fixed_scale(subject: object) -> Iterator[None]:
    """Features are not normalised at all."""
    with replaced("mean_distance", lambda original: lambda total: torch.ones_like(original(total))):
        yield


@mutant("loss.raw_coordinates")
@contextmanager
def raw_coordinates(subject: object) -> Iterator[None]:
    """Distances are normalised, coordinates are not."""
    with replaced("coordinate_scale", lambda _: lambda scale, features: torch.ones_like(scale)):
        yield


@mutant("loss.no_self_mask")
@contextmanager
def no_self_mask(subject: object) -> Iterator[None]:
    """A generated sample is its own nearest negative."""
    with replaced("mask_own", lambda _: lambda dist, added: None):
        yield


@mutant("loss.mask_neighbour")
@contextmanager
def mask_neighbour(subject: object) -> Iterator[None]:
    """The mask is off by one column."""
    with replaced("mask_own", lambda original: lambda d, added: original(d[..., 1:], added)):
        yield


# Softmaxes and affinities


@mutant("loss.swap_softmax_axes")
@contextmanager
def swap_softmax_axes(subject: object) -> Iterator[None]:
    """The softmax over targets runs over samples and the other way round.

    Their product is the same, so only the recorded stages tell.
    """
    with replaced("softmaxes", lambda original: lambda *call: original(*call)[::-1]):
        yield


@mutant("loss.softmax_one_axis")
@contextmanager
def softmax_one_axis(subject: object, *, axis: str) -> Iterator[None]:
    """One of the softmaxes stands in for both."""
    kept = {"targets": 0, "samples": 1}[axis]

    def change(original: Function) -> Function:
        def softmaxes(*call: Any) -> tuple[Tensor, Tensor]:
            one = original(*call)[kept]
            return one, one.clone()

        return softmaxes

    with replaced("softmaxes", change):
        yield


@mutant("loss.softmax_across_groups")
@contextmanager
def softmax_across_groups(subject: object) -> Iterator[None]:
    """The softmax over samples runs over those of all classes."""

    def change(original: Function) -> Function:
        def softmaxes(logits: Tensor, *call: Any) -> tuple[Tensor, Tensor]:
            moved = logits.movedim(-2, 1)
            across = moved.flatten(0, 1).softmax(dim=0).view_as(moved)
            return original(logits, *call)[0], across.movedim(1, -2)

        return softmaxes

    with replaced("softmaxes", change):
        yield


@mutant("loss.drop_zero_weight_columns")
@contextmanager
def drop_zero_weight_columns(subject: object) -> Iterator[None]:
    """Columns of weight 0 are masked out of both softmaxes."""

    def change(original: Function) -> Function:
        def softmaxes(logits: Tensor, weight: Tensor, *call: Any) -> tuple[Tensor, Tensor]:
            gone = (weight == 0)[..., None, :]
            kept = original(logits.masked_fill(gone, -torch.inf), weight, *call)
            return kept[0].masked_fill(gone, 0.0), kept[1].masked_fill(gone, 0.0)

        return softmaxes

    with replaced("softmaxes", change):
        yield


@mutant("loss.no_root")
@contextmanager
def no_root(subject: object) -> Iterator[None]:
    """The product of the softmaxes without the square root."""
    with replaced("affinities", lambda original: lambda *call: original(*call).square_()):
        yield


@mutant("loss.affinity_floor")
@contextmanager
def affinity_floor(subject: object, *, value: float) -> Iterator[None]:
    """Another floor under the square root."""
    with switched(affinity_floor=value):
        yield


# Weights


@mutant("loss.sqrt_weight")
@contextmanager
def sqrt_weight(subject: object) -> Iterator[None]:
    """The affinity is multiplied by sqrt(w)."""
    with replaced("apply_weight", lambda original: lambda a, w: original(a, w.sqrt())):
        yield


@mutant("loss.log_weight")
@contextmanager
def log_weight(subject: object) -> Iterator[None]:
    """log w is added to the logits; the softmax over samples cancels it."""
    with switched(uncond_weight="in_kernel"):
        yield


@mutant("loss.ignore_weight")
@contextmanager
def ignore_weight(subject: object) -> Iterator[None]:
    """The affinities are not weighted."""
    with replaced("apply_weight", lambda _: lambda affinity, weight: affinity):
        yield


@mutant("loss.weight_order")
@contextmanager
def weight_order(subject: object) -> Iterator[None]:
    """The weights of the positives are put in front of those of the other targets."""

    def gather(*call: Any) -> drift.clouds.Clouds:
        right = original(*call)
        shift = right.targets[-1].shape[1]
        return right._replace(weight=right.weight.roll(shift, dims=1))

    original = drift.clouds.gather
    with patch.object(drift.clouds, "gather", gather):
        yield

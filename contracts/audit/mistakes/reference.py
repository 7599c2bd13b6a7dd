"""The stages of the reference's loss as functions of the stages that they are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from verify.numeric.arrays import Array, as_array

from . import variants
from .known import Switches

Values = Mapping[str, Any]
RIGHT = Switches()

# Stage -> the stages that it is made from, besides what the loss is given.
MADE_FROM: Mapping[str, tuple[str, ...]] = {
    "distance": (),
    "scale": ("distance",),
    "coordinate_scale": ("scale",),
    "masked_distance": ("distance", "scale"),
    "affinity": ("masked_distance",),
    "coefficients": ("affinity",),
    "force": ("coefficients", "coordinate_scale"),
    "total_force": ("force",),
}


def _scale(values: Values) -> Array:
    weight = np.broadcast_to(as_array(values["weight"])[:, None], values["distance"].shape)
    return as_array((values["distance"] * weight).sum() / weight.sum())


def _coordinate_scale(values: Values) -> Array:
    root = np.sqrt(values["features"])
    return as_array(np.maximum(as_array(values["scale"]) / root, RIGHT.coordinate_floor))


def _masked_distance(values: Values) -> Array:
    divisor = np.maximum(_by_group(values["scale"]), RIGHT.distance_floor)
    return variants.masked(values["distance"] / divisor, values["generated"], RIGHT)


def _affinity(values: Values) -> Array:
    logits = as_array(values["masked_distance"]) / -float(values["temperature"])
    return variants.affinity(logits, RIGHT)


def _coefficients(values: Values) -> Array:
    weighted = values["affinity"] * as_array(values["weight"])[:, None, :]
    positive = np.arange(weighted.shape[2]) >= values["repelling"]
    return variants.crossed(weighted, positive, RIGHT)


def _force(values: Values) -> Array:
    signed, gen = as_array(values["coefficients"]), as_array(values["gen"])
    pulled = signed @ as_array(values["targets"]) - signed.sum(-1, keepdims=True) * gen
    return as_array(pulled / _by_group(values["coordinate_scale"]))


def _total_force(values: Values) -> Array:
    return as_array(sum(variants.normalised(as_array(raw), RIGHT) for raw in values["force"]))


def _by_group(scale: Any) -> Array:
    return as_array(scale).reshape(-1, 1, 1)


STAGES: Mapping[str, Callable[[Values], Array]] = {
    "distance": lambda values: variants.distance(
        as_array(values["gen"]), as_array(values["targets"]), RIGHT
    ),
    "scale": _scale,
    "coordinate_scale": _coordinate_scale,
    "masked_distance": _masked_distance,
    "affinity": _affinity,
    "coefficients": _coefficients,
    "force": _force,
    "total_force": _total_force,
}

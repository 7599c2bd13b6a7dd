"""The mistakes that are known: a switch of the loss for each, and what each is called."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["LATE", "MISTAKES", "Switches", "together", "with_mistakes"]


@dataclass(frozen=True)
class Switches:
    """The reference; each other value is a mistake somebody may make."""

    distance: str = "euclidean"
    clip: float = 1e-8
    targets: str = "all"
    scale_over: str = "call"
    scale_weight: str = "all"
    scale_own: bool = True
    coordinate_floor: float = 1e-3
    distance_floor: float = 1e-3
    scale_root: Any = True
    scale: bool = True
    coordinates: bool = True
    own: str = "100"
    own_force: bool = True
    kernel: str = "plain"
    taus: str = "given"
    tau: str = "as it is"
    softmax: str = "both"
    samples_of: str = "group"
    root: bool = True
    floor: float = 1e-6
    weight: str = "after"
    weight_order: str = "gen neg pos"
    cross: Any = True
    repulsion: float = 1.0
    attraction: float = 1.0
    centre: str = "own"
    norm_over: str = "call"
    norm: Any = True
    force_in: str = "coordinates"
    power_floor: float = 1e-8
    aggregation: str = "forces"
    loss_factor: float = 1.0
    value_factor: float = 1.0
    group_share: bool = False
    loss_over: str = "samples and features"
    gradient: str = "right"
    live: str = "samples"


# What it is, in words -> the switches that make it.
MISTAKES: Mapping[str, Mapping[str, Any]] = {
    "squared distances": {"distance": "squared"},
    "distances by the mean over features, not the sum": {"distance": "mean"},
    "cosine distances": {"distance": "cosine"},
    "distances of unit vectors": {"distance": "unit"},
    "1e-8 added under the root of a distance, not a clip": {"distance": "added"},
    "city-block distances": {"distance": "cityblock"},
    "no clip under the root of a distance": {"clip": 0.0},
    "clip 1e-12 under the root of a distance": {"clip": 1e-12},
    "clip 1e-6 under the root of a distance": {"clip": 1e-6},
    "clip 1e-4 under the root of a distance": {"clip": 1e-4},
    "unconditional samples left out": {"targets": "no neg"},
    "feature scale for each group of its own": {"scale_over": "group"},
    "feature scale without weights": {"scale_weight": "ones"},
    "feature scale over the positives alone": {"scale_weight": "positives"},
    "weighted mean distance not divided by the mean weight": {"scale_weight": "undivided"},
    "feature scale without the own distances": {"scale_own": False},
    "feature scale as the median distance": {"scale_weight": "median"},
    "feature scale as the root mean square distance": {"scale_weight": "square"},
    "no floor under the feature scale": {"coordinate_floor": 1e-8, "distance_floor": 1e-8},
    "no floor under the divisor of coordinates": {"coordinate_floor": 1e-8},
    "no floor under the divisor of distances": {"distance_floor": 1e-8},
    "floor 1e-2 under the feature scale": {"coordinate_floor": 1e-2, "distance_floor": 1e-2},
    "coordinates over the number of features instead of its root": {"scale_root": "number"},
    "feature scale without the root of the number of features": {"scale_root": False},
    "features not normalised": {"scale": False},
    "coordinates not normalised": {"coordinates": False},
    "no self mask": {"own": "none"},
    "self mask of 1 in place of 100": {"own": "1"},
    "generated samples exert no force": {"own_force": False},
    "self mask one column off": {"own": "neighbour"},
    "generated samples are no negatives": {"own": "gone"},
    "self mask before the division by the scale": {"own": "before"},
    "the first temperature alone": {"taus": "first"},
    "the last temperature alone": {"taus": "last"},
    "the default temperatures whatever is asked": {"taus": "default"},
    "temperature times the root of the number of features": {"tau": "root"},
    "temperature squared": {"tau": "squared"},
    "temperature halved": {"tau": "halved"},
    "temperature doubled": {"tau": "doubled"},
    "Gaussian kernel exp(-d^2 / 2 tau)": {"kernel": "halved"},
    "Gaussian kernel exp(-d^2 / tau)": {"kernel": "square"},
    "softmax over targets alone": {"softmax": "targets"},
    "softmax over samples alone": {"softmax": "samples"},
    "softmax over samples of all groups": {"samples_of": "call"},
    "arithmetic mean of the softmaxes": {"softmax": "mean"},
    "softmax over the targets of each side of its own": {"softmax": "sides"},
    "product of the softmaxes without its root": {"root": False},
    "affinity floor 1e-12": {"floor": 1e-12},
    "affinity floor 1e-4": {"floor": 1e-4},
    "affinity floor 1e-5": {"floor": 1e-5},
    "affinity floor 1e-7": {"floor": 1e-7},
    "affinity floor 1e-8": {"floor": 1e-8},
    "no affinity floor": {"floor": 0.0},
    "affinity floor 1e-3 under the root": {"floor": 1e-3},
    "weight as its logarithm inside the softmaxes (an effective sqrt(w); w = 0 leaves them)": {
        "weight": "logits"
    },
    "square root of the weight": {"weight": "root"},
    "square of the weight": {"weight": "square"},
    "weights ignored": {"weight": "ignored", "scale_weight": "ones"},
    "weights ignored but in the feature scale": {"weight": "ignored"},
    "weight as its logarithm inside the softmaxes and as a factor after them": {
        "weight": "logits and after"
    },
    "guidance with the other sign": {"weight": "negated"},
    "weights in another order than the targets": {"weight_order": "pos gen neg"},
    "coefficients without the other side's sum": {"cross": False},
    "coefficients with their own side's sum": {"cross": "own"},
    "positives with their own side's sum": {"cross": "positives own"},
    "negatives with their own side's sum": {"cross": "negatives own"},
    "no repulsion": {"repulsion": 0.0},
    "repulsion halved": {"repulsion": 0.5},
    "no attraction": {"attraction": 0.0},
    "positives repel": {"attraction": -1.0},
    "negatives attract": {"repulsion": -1.0},
    "the mean sample taken from the force": {"centre": "mean"},
    "force norm for each group of its own": {"norm_over": "group"},
    "force norm for each sample of its own": {"norm_over": "sample"},
    "force over its mean square, without the root": {"norm": "square"},
    "force over the root of its summed square": {"norm": "sum"},
    "floor 1e-4 under the mean square of the force": {"power_floor": 1e-4},
    "force not normalised": {"norm": False},
    "force over the mean length of its vectors, not of their entries": {"norm": "length"},
    "1e-8 added to the mean square of the force, not a floor": {"norm": "added"},
    "force normalised in the coordinates of the input": {"force_in": "input"},
    "no floor under the force norm": {"power_floor": 1e-16},
    "losses of the temperatures added, not their forces": {"aggregation": "losses"},
    "forces of the temperatures averaged": {"aggregation": "mean force"},
    "sum of the forces normalised again": {"aggregation": "force again"},
    "losses of the temperatures averaged": {"aggregation": "mean loss"},
    "loss in the coordinates of the input": {"loss_over": "input"},
    "loss halved": {"loss_factor": 0.5},
    "loss halved, its gradient not": {"value_factor": 0.5},
    "loss divided by the number of groups": {"group_share": True},
    "loss summed over samples and features": {"loss_over": "nothing"},
    "loss summed over features": {"loss_over": "samples"},
    "loss summed over samples": {"loss_over": "features"},
    "gradient without the coordinate scale": {"gradient": "no scale"},
    "gradient of half the square": {"gradient": "half"},
    "gradient doubled": {"gradient": "double"},
    "gradient of the mean over groups": {"gradient": "mean"},
    "gradient with the other sign, or positives and negatives exchanged": {"gradient": "negative"},
    "nothing detached: the gradient goes through target and scale": {"live": "all"},
    "target not detached: the gradient goes through the force": {"live": "force"},
    "divisor of coordinates not detached": {"live": "scale"},
    "divisor of coordinates not detached, the generated samples among the targets detached": {
        "live": "scale of samples"
    },
}

# Those of the gradient alone that are slow to try: for numbers whose loss is explained.
LATE = frozenset(name for name, switches in MISTAKES.items() if "live" in switches)


def with_mistakes(*names: str) -> Switches:
    """The reference with these mistakes."""
    changes: dict[str, Any] = {}
    for name in names:
        changes |= MISTAKES[name]
    return dataclasses.replace(Switches(), **changes)


def together(names: Sequence[str]) -> bool:
    """Whether no two of the mistakes set the same switch."""
    switches = [switch for name in names for switch in MISTAKES[name]]
    return len(set(switches)) == len(switches)

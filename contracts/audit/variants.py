"""The loss written once with a switch for each known mistake, in float64.

With every switch as it stands it is the oracle's loss (a test holds the two together). It explains
what a stranger's numbers are; it judges nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from verify.numeric.arrays import Array, as_array

__all__ = ["MISTAKES", "Switches", "outcome"]


@dataclass(frozen=True)
class Switches:
    """The reference; each other value is a mistake somebody may make."""

    distance: str = "euclidean"
    clip: float = 1e-8
    targets: str = "all"
    scale_over: str = "call"
    scale_weight: str = "all"
    scale_own: bool = True
    scale_floor: float = 1e-3
    scale_root: Any = True
    scale: bool = True
    coordinates: bool = True
    own: str = "100"
    taus: str = "given"
    tau_root: bool = False
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
    power_floor: float = 1e-8
    aggregation: str = "forces"
    loss_factor: float = 1.0
    loss_over: str = "samples and features"
    gradient: str = "right"


# What it is, in words -> the switches that make it.
MISTAKES: Mapping[str, Mapping[str, Any]] = {
    "squared distances": {"distance": "squared"},
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
    "no floor under the feature scale": {"scale_floor": 1e-8},
    "floor 1e-2 under the feature scale": {"scale_floor": 1e-2},
    "coordinates over the number of features instead of its root": {"scale_root": "number"},
    "feature scale without the root of the number of features": {"scale_root": False},
    "features not normalised": {"scale": False},
    "coordinates not normalised": {"coordinates": False},
    "no self mask": {"own": "none"},
    "self mask one column off": {"own": "neighbour"},
    "generated samples are no negatives": {"own": "gone"},
    "self mask before the division by the scale": {"own": "before"},
    "the first temperature alone": {"taus": "first"},
    "the last temperature alone": {"taus": "last"},
    "the default temperatures whatever is asked": {"taus": "default"},
    "temperature times the root of the number of features": {"tau_root": True},
    "softmax over targets alone": {"softmax": "targets"},
    "softmax over samples alone": {"softmax": "samples"},
    "softmax over samples of all groups": {"samples_of": "call"},
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
    "weights ignored": {"weight": "ignored"},
    "weights in another order than the targets": {"weight_order": "pos gen neg"},
    "coefficients without the other side's sum": {"cross": False},
    "coefficients with their own side's sum": {"cross": "own"},
    "no repulsion": {"repulsion": 0.0},
    "repulsion halved": {"repulsion": 0.5},
    "no attraction": {"attraction": 0.0},
    "the mean sample taken from the force": {"centre": "mean"},
    "force norm for each group of its own": {"norm_over": "group"},
    "force norm for each sample of its own": {"norm_over": "sample"},
    "force over its mean square, without the root": {"norm": "square"},
    "force over the root of its summed square": {"norm": "sum"},
    "floor 1e-4 under the mean square of the force": {"power_floor": 1e-4},
    "force not normalised": {"norm": False},
    "no floor under the force norm": {"power_floor": 1e-16},
    "losses of the temperatures added, not their forces": {"aggregation": "losses"},
    "forces of the temperatures averaged": {"aggregation": "mean force"},
    "losses of the temperatures averaged": {"aggregation": "mean loss"},
    "loss in the coordinates of the input": {"loss_over": "input"},
    "loss halved": {"loss_factor": 0.5},
    "loss summed over features": {"loss_over": "samples"},
    "loss summed over samples": {"loss_over": "features"},
    "gradient without the coordinate scale": {"gradient": "no scale"},
    "gradient of half the square": {"gradient": "half"},
    "gradient of the mean over groups": {"gradient": "mean"},
    "gradient with the other sign, or positives and negatives exchanged": {"gradient": "negative"},
}


def outcome(
    given: Mapping[str, Any], temperatures: Sequence[float], switches: Switches
) -> tuple[Array, Array]:
    """Loss [B] and gradient [B, G, S]."""
    gen, pos = as_array(given["gen"]), as_array(given["pos"])
    neg = gen[:, :0] if given.get("neg") is None else as_array(given["neg"])
    if switches.targets == "no neg":
        neg = gen[:, :0]
        given = {name: value for name, value in given.items() if name != "weight_neg"}
    clouds = {"gen": gen, "neg": neg, "pos": pos}
    weights = [_weight(given, name, cloud) for name, cloud in clouds.items()]
    y, w = np.concatenate(list(clouds.values()), axis=1), np.concatenate(weights, axis=1)
    generated, repelling = gen.shape[1], gen.shape[1] + neg.shape[1]
    if switches.weight_order != "gen neg pos":
        w = np.roll(w, pos.shape[1], axis=1)
    positive = np.arange(y.shape[1]) >= repelling
    d = _distance(gen, y, switches)
    s = _scale(d, w, positive, generated, switches)
    root = {True: np.sqrt(gen.shape[2]), False: 1.0, "number": gen.shape[2]}[switches.scale_root]
    c = np.maximum(s / root, _floor(switches))
    c = np.ones_like(c) if not switches.coordinates else c
    d_n = _masked(d / np.maximum(s, _floor(switches)), generated, switches)
    if switches.own == "before":
        own = np.arange(generated)
        d_n[:, own, own] += 100.0 / np.maximum(s[..., 0], _floor(switches))
    total, losses = np.zeros_like(gen), []
    for tau in _taus(temperatures, switches):
        tau = tau * np.sqrt(gen.shape[2]) if switches.tau_root else tau
        coefficients = _coefficients(-d_n / tau, w, positive, switches)
        pulled = coefficients.sum(-1, keepdims=True)
        away = pulled * gen if switches.centre == "own" else gen.mean(1, keepdims=True)
        force = _normalised((coefficients @ y - away) / c, switches)
        total += force
        losses.append(_reduced(force, switches))
    return _result(total, losses, c, len(temperatures), switches)


def _taus(temperatures: Sequence[float], switches: Switches) -> Sequence[float]:
    kept = {"first": temperatures[:1], "last": temperatures[-1:], "default": (0.02, 0.05, 0.2)}
    return kept.get(switches.taus, temperatures)


def _weight(given: Mapping[str, Any], name: str, cloud: Array) -> Array:
    weight = given.get(f"weight_{name}")
    return np.ones(cloud.shape[:2]) if weight is None else as_array(weight)


def _floor(switches: Switches) -> float:
    return switches.scale_floor


def _distance(x: Array, y: Array, switches: Switches) -> Array:
    difference = x[:, :, None] - y[:, None]
    if switches.distance == "cityblock":
        return as_array(np.abs(difference).sum(-1))
    squared = np.maximum((difference**2).sum(-1), switches.clip)
    return as_array(squared if switches.distance == "squared" else np.sqrt(squared))


def _scale(d: Array, w: Array, positive: Array, generated: int, switches: Switches) -> Array:
    """[B, 1, 1], the same for all groups or not."""
    if not switches.scale:
        return np.ones((len(d), 1, 1))
    counted = {"ones": np.ones_like(w), "positives": w * positive}.get(switches.scale_weight, w)
    shared = np.repeat(counted[:, None, :], d.shape[1], axis=1)
    if not switches.scale_own:
        shared[:, range(generated), range(generated)] = 0.0
    axes = (1, 2) if switches.scale_over == "group" else None
    if switches.scale_weight == "undivided":
        whole = (d * shared).mean(axis=axes, keepdims=True)
        return np.broadcast_to(whole, (len(d), 1, 1))
    mean = (d * shared).sum(axis=axes, keepdims=True) / np.maximum(
        shared.sum(axis=axes, keepdims=True), 1e-300
    )
    return np.broadcast_to(mean, (len(d), 1, 1))


def _masked(d_n: Array, generated: int, switches: Switches) -> Array:
    masked, own = d_n.copy(), np.arange(generated)
    if switches.own == "100":
        masked[:, own, own] += 100.0
    elif switches.own == "neighbour":
        masked[:, own[:-1], own[1:]] += 100.0
    elif switches.own == "gone":
        masked[:, :, own] += 100.0
    return masked


def _coefficients(logits: Array, w: Array, positive: Array, switches: Switches) -> Array:
    if switches.weight == "logits":
        logits = logits + np.log(np.maximum(w, 1e-300))[:, None, :]
    over_targets, over_samples = (
        _softmax(logits, (2,)),
        _softmax(logits, (1,) if switches.samples_of == "group" else (0, 1)),
    )
    product = {"both": over_targets * over_samples, "targets": over_targets**2,
               "samples": over_samples**2}[switches.softmax]  # fmt: skip
    product = np.maximum(product, switches.floor)
    a = np.sqrt(product) if switches.root else product
    factor = {"after": w, "root": np.sqrt(w), "square": w**2}.get(switches.weight, np.ones_like(w))
    a = a * factor[:, None, :]
    pull = (a * positive).sum(-1, keepdims=True)
    push = (a * np.logical_not(positive)).sum(-1, keepdims=True)
    if switches.cross is False:
        pull, push = np.ones_like(pull), np.ones_like(push)
    elif switches.cross == "own":
        pull, push = push, pull
    return as_array(a * np.where(positive, switches.attraction * push, -switches.repulsion * pull))


def _softmax(logits: Array, axes: tuple[int, ...]) -> Array:
    raised = np.exp(logits - logits.max(axis=axes, keepdims=True))
    return as_array(raised / raised.sum(axis=axes, keepdims=True))


def _normalised(raw: Array, switches: Switches) -> Array:
    if switches.norm is False:
        return raw
    axes = {"call": None, "group": (1, 2), "sample": (2,)}[switches.norm_over]
    power = (raw**2).mean(axis=axes, keepdims=True)
    if switches.norm == "sum":
        power = power * raw.size
    power = np.maximum(power, switches.power_floor)
    return as_array(raw / (power if switches.norm == "square" else np.sqrt(power)))


def _reduced(force: Array, switches: Switches) -> Array:
    square = force**2
    if switches.loss_over == "samples":
        return as_array(square.sum(2).mean(1))
    if switches.loss_over == "features":
        return as_array(square.sum(1).mean(1))
    return as_array(square.mean((1, 2)))


def _result(
    total: Array, losses: list[Array], c: Array, count: int, switches: Switches
) -> tuple[Array, Array]:
    share = 1.0 / count if switches.aggregation.startswith("mean") else 1.0
    regressed = total * share
    loss = _reduced(regressed, switches) if "force" in switches.aggregation else (
        share * np.sum(losses, axis=0)
    )  # fmt: skip
    if switches.loss_over == "input":
        loss, regressed = loss * c[:, 0, 0] ** 2, regressed * c**2
    groups, samples, features = total.shape
    spread = {"samples": samples, "features": features}.get(switches.loss_over, samples * features)
    divisor = 1.0 if switches.gradient == "no scale" else c
    factor = {"half": 0.5, "mean": 1.0 / groups, "negative": -1.0}.get(switches.gradient, 1.0)
    gradient = -2.0 * factor * regressed / (spread * divisor)
    return switches.loss_factor * loss, switches.loss_factor * as_array(gradient)


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

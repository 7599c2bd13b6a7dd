"""The loss written once with a switch for each known mistake, in float64.

With every switch as it stands it is the oracle's loss (a test holds the two together). It explains
what a stranger's numbers are; it judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from verify.numeric.arrays import Array, as_array

from .known import Switches

__all__ = ["outcome"]

Given = Mapping[str, Any]


@dataclass(frozen=True)
class Clouds:
    """Generated samples x [B, G, S], all targets y [B, T, S] and their weights w [B, T]."""

    x: Array
    y: Array
    w: Array
    generated: int
    repelling: int

    @property
    def positive(self) -> Any:
        """Which targets attract."""
        return np.arange(self.y.shape[1]) >= self.repelling

    @property
    def other(self) -> Any:
        """Which targets are unconditional samples."""
        place = np.arange(self.y.shape[1])
        return (place >= self.generated) & (place < self.repelling)


def outcome(given: Given, temperatures: Sequence[float], switches: Switches) -> tuple[Array, Array]:
    """Loss [B] and gradient [B, G, S]."""
    clouds = _clouds(given, switches)
    d = distance(clouds.x, clouds.y, switches)
    s, c = _scales(d, clouds, switches)
    total, losses = _forces(clouds, d, s, c, temperatures, switches)
    loss, gradient = _result(total, losses, c, len(temperatures), switches)
    if switches.live != "samples":
        gradient = _live_gradient(given, temperatures, switches)
    return loss, gradient


def _clouds(given: Given, switches: Switches) -> Clouds:
    gen, pos = as_array(given["gen"]), as_array(given["pos"])
    neg = gen[:, :0] if given.get("neg") is None else as_array(given["neg"])
    if switches.targets == "no neg":
        neg = gen[:, :0]
        given = {name: value for name, value in given.items() if name != "weight_neg"}
    clouds = {"gen": gen, "neg": neg, "pos": pos}
    weights = [_weight(given, name, cloud) for name, cloud in clouds.items()]
    y, w = np.concatenate(list(clouds.values()), axis=1), np.concatenate(weights, axis=1)
    if switches.weight_order != "gen neg pos":
        w = np.roll(w, pos.shape[1], axis=1)
    return Clouds(gen, y, w, gen.shape[1], gen.shape[1] + neg.shape[1])


def _weight(given: Given, name: str, cloud: Array) -> Array:
    weight = given.get(f"weight_{name}")
    return np.ones(cloud.shape[:2]) if weight is None else as_array(weight)


def _scales(d: Array, clouds: Clouds, switches: Switches) -> tuple[Array, Array]:
    """The feature scale and the divisor of coordinates, [B, 1, 1] each."""
    s = _scale(d, clouds, switches)
    features = clouds.x.shape[2]
    root = {True: np.sqrt(features), False: 1.0, "number": features}[switches.scale_root]
    c = np.maximum(s / root, switches.coordinate_floor)
    return s, c if switches.coordinates else np.ones_like(c)


def _forces(
    clouds: Clouds,
    d: Array,
    s: Array,
    c: Array,
    temperatures: Sequence[float],
    switches: Switches,
) -> tuple[Array, list[Array]]:
    """The sum of the normalised forces [B, G, S], and the loss [B] of each temperature alone."""
    divisor = np.maximum(s, switches.distance_floor)
    d_n = masked(d / divisor, clouds.generated, switches)
    if switches.own == "before":
        own = np.arange(clouds.generated)
        d_n[:, own, own] += 100.0 / divisor[..., 0]
    if switches.kernel != "plain":
        d_n = d_n**2 / (2.0 if switches.kernel == "halved" else 1.0)
    total, losses = np.zeros_like(clouds.x), []
    for tau in _taus(temperatures, clouds.x.shape[2], switches):
        coefficients = _coefficients(-d_n / tau, clouds, switches)
        pulled = coefficients.sum(-1, keepdims=True)
        away = pulled * clouds.x
        away = away if switches.centre == "own" else clouds.x.mean(1, keepdims=True)
        over = c if switches.force_in == "coordinates" else 1.0
        force = normalised((coefficients @ clouds.y - away) / over, switches)
        total += force
        losses.append(_reduced(force, switches))
    if switches.aggregation == "force again":
        total = normalised(total, switches)
    return total, losses


def _taus(temperatures: Sequence[float], features: int, switches: Switches) -> list[float]:
    kept = {"first": temperatures[:1], "last": temperatures[-1:], "default": (0.02, 0.05, 0.2)}
    changed: Sequence[float] = kept.get(switches.taus, temperatures)
    if switches.tau == "squared":
        return [tau**2 for tau in changed]
    factor = {"root": float(np.sqrt(features)), "halved": 0.5, "doubled": 2.0}
    return [tau * factor.get(switches.tau, 1.0) for tau in changed]


def distance(x: Array, y: Array, switches: Switches) -> Array:
    """[B, G, T] of x [B, G, S] to y [B, T, S]."""
    if switches.distance in ("cosine", "unit"):
        x, y = (one / np.maximum(_length(one), 1e-30) for one in (x, y))
    difference = x[:, :, None] - y[:, None]
    if switches.distance == "cityblock":
        return as_array(np.abs(difference).sum(-1))
    square = (difference**2).sum(-1) / (x.shape[2] if switches.distance == "mean" else 1)
    if switches.distance == "added":
        return as_array(np.sqrt(square + switches.clip))
    squared = np.maximum(square, switches.clip)
    if switches.distance == "cosine":
        return as_array(squared / 2)
    return as_array(squared if switches.distance == "squared" else np.sqrt(squared))


def _length(x: Array) -> Array:
    return as_array(np.sqrt((x**2).sum(-1, keepdims=True)))


def _scale(d: Array, clouds: Clouds, switches: Switches) -> Array:
    """[B, 1, 1], the same for all groups or not."""
    if not switches.scale:
        return np.ones((len(d), 1, 1))
    w = clouds.w
    plain = switches.scale_weight in ("ones", "median", "square")
    counted = np.ones_like(w) if plain else w
    counted = w * clouds.positive if switches.scale_weight == "positives" else counted
    shared = np.repeat(counted[:, None, :], d.shape[1], axis=1)
    if not switches.scale_own:
        shared[:, range(clouds.generated), range(clouds.generated)] = 0.0
    axes = (1, 2) if switches.scale_over == "group" else None
    if switches.scale_weight == "median":
        return np.broadcast_to(np.median(d, axis=axes, keepdims=True), (len(d), 1, 1))
    if switches.scale_weight == "undivided":
        whole = (d * shared).mean(axis=axes, keepdims=True)
        return np.broadcast_to(whole, (len(d), 1, 1))
    power = 2.0 if switches.scale_weight == "square" else 1.0
    mean = (d**power * shared).sum(axis=axes, keepdims=True) / np.maximum(
        shared.sum(axis=axes, keepdims=True), 1e-300
    )
    return np.broadcast_to(mean ** (1.0 / power), (len(d), 1, 1))


def masked(d_n: Array, generated: int, switches: Switches) -> Array:
    """Distances over the scale, with those of a generated sample to itself put far away."""
    masked, own = d_n.copy(), np.arange(generated)
    if switches.own.isdigit():
        masked[:, own, own] += float(switches.own)
    elif switches.own == "neighbour":
        masked[:, own[:-1], own[1:]] += 100.0
    elif switches.own == "gone":
        masked[:, :, own] += 100.0
    return masked


def _coefficients(logits: Array, clouds: Clouds, switches: Switches) -> Array:
    w = clouds.w
    if switches.weight.startswith("logits"):
        logits = logits + np.log(np.maximum(w, 1e-300))[:, None, :]
    factors = {"after": w, "root": np.sqrt(w), "square": w**2, "logits and after": w,
               "negated": np.where(clouds.other, -w, w)}  # fmt: skip
    factor = factors.get(switches.weight, np.ones_like(w))
    a = affinity(logits, switches, clouds.positive) * factor[:, None, :]
    if not switches.own_force:
        a[:, :, : clouds.generated] = 0.0
    return crossed(a, clouds.positive, switches)


def affinity(logits: Array, switches: Switches, positive: Any = None) -> Array:
    """Root of the product of both softmaxes [B, G, T], not yet weighted."""
    over_targets, over_samples = (
        _softmax(logits, (2,)),
        _softmax(logits, (1,) if switches.samples_of == "group" else (0, 1)),
    )
    if switches.softmax == "sides":
        sides = [_softmax(logits[..., side], (2,)) for side in (~positive, positive)]
        over_targets = np.concatenate(sides, axis=2)
    product = {"targets": over_targets**2, "samples": over_samples**2,
               "mean": ((over_targets + over_samples) / 2) ** 2,
               }.get(switches.softmax, over_targets * over_samples)  # fmt: skip
    product = np.maximum(product, switches.floor)
    return as_array(np.sqrt(product) if switches.root else product)


def crossed(a: Array, positive: Any, switches: Switches) -> Array:
    """Signed coefficients [B, G, T] of weighted affinities: each times the other side's sum."""
    pull = (a * positive).sum(-1, keepdims=True)
    push = (a * np.logical_not(positive)).sum(-1, keepdims=True)
    of_positives, of_negatives = push, pull
    if switches.cross is False:
        of_positives, of_negatives = np.ones_like(push), np.ones_like(pull)
    if switches.cross in ("own", "positives own"):
        of_positives = pull
    if switches.cross in ("own", "negatives own"):
        of_negatives = push
    signs = switches.attraction * of_positives, -switches.repulsion * of_negatives
    return as_array(a * np.where(positive, *signs))


def _softmax(logits: Array, axes: tuple[int, ...]) -> Array:
    raised = np.exp(logits - logits.max(axis=axes, keepdims=True))
    return as_array(raised / raised.sum(axis=axes, keepdims=True))


def normalised(raw: Array, switches: Switches) -> Array:
    """A force over its root mean square."""
    if switches.norm is False:
        return raw
    axes = {"call": None, "group": (1, 2), "sample": (2,)}[switches.norm_over]
    power = (raw**2).mean(axis=axes, keepdims=True)
    power = power * {"sum": raw.size, "length": raw.shape[2]}.get(switches.norm, 1)
    floor = switches.power_floor
    power = power + floor if switches.norm == "added" else np.maximum(power, floor)
    return as_array(raw / (power if switches.norm == "square" else np.sqrt(power)))


def _reduced(force: Array, switches: Switches) -> Array:
    square = force**2
    if switches.loss_over == "samples":
        return as_array(square.sum(2).mean(1))
    if switches.loss_over == "features":
        return as_array(square.sum(1).mean(1))
    return as_array(square.sum((1, 2)) if switches.loss_over == "nothing" else square.mean((1, 2)))


def _result(
    total: Array, losses: list[Array], c: Array, count: int, switches: Switches
) -> tuple[Array, Array]:
    groups, samples, features = total.shape
    share = 1.0 / count if switches.aggregation.startswith("mean") else 1.0
    regressed = total * share
    loss = _reduced(regressed, switches) if "force" in switches.aggregation else (
        share * np.sum(losses, axis=0)
    )  # fmt: skip
    if switches.loss_over == "input":
        loss, regressed = loss * c[:, 0, 0] ** 2, regressed * c**2
    spread = {"samples": samples, "features": features, "nothing": 1}.get(
        switches.loss_over, samples * features
    )
    divisor = 1.0 if switches.gradient == "no scale" else c
    factors = {"half": 0.5, "double": 2.0, "mean": 1.0 / groups, "negative": -1.0}
    gradient = -2.0 * factors.get(switches.gradient, 1.0) * regressed / (spread * divisor)
    whole = switches.loss_factor / (groups if switches.group_share else 1)
    return switches.value_factor * whole * loss, whole * as_array(gradient)


# -- gradients of what is detached in the reference -----------------------------------------------

STEP = 1e-5  # of the divisor of coordinates: the error of a central difference is 1e-10 of it


def _live_gradient(given: Given, temperatures: Sequence[float], switches: Switches) -> Array:
    """The gradient with more than the generated sample alone in it, by central differences."""
    x = as_array(given["gen"])
    objective = _objective(given, temperatures, switches)
    step = STEP * max(float(np.abs(x).max()), 1e-12)
    gradient = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        moved = np.zeros_like(x)
        moved[place] = step
        gradient[place] = (objective(x + moved) - objective(x - moved)) / (2 * step)
    return gradient


def _objective(given: Given, temperatures: Sequence[float], switches: Switches) -> Any:
    """The sum of losses as a function of what is not detached of the generated samples."""
    start = _clouds(given, switches)
    d_0 = distance(start.x, start.y, switches)
    s_0, c_0 = _scales(d_0, start, switches)
    force_0, _ = _forces(start, d_0, s_0, c_0, temperatures, switches)
    target = start.x / c_0 + force_0

    def objective(x: Array) -> float:
        clouds = _clouds({**given, "gen": x}, switches)
        if switches.live == "scale of samples":
            clouds = replace(clouds, y=start.y)
        d = distance(x, clouds.y, switches)
        s, c = _scales(d, clouds, switches)
        if switches.live.startswith("scale"):
            return float(((x / c - target) ** 2).mean((1, 2)).sum())
        s, c = (s, c) if switches.live == "all" else (s_0, c_0)
        force, _ = _forces(clouds, d, s, c, temperatures, switches)
        return float((force**2).mean((1, 2)).sum())

    return objective

"""Float64 NumPy oracle: field, loss, guidance scale and schedule, from the equations.

It shares no code with the engine and none of its numerical choices: distances come from direct
differences, groups are treated one by one, and nothing is done in place. Slow on purpose.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verify.numeric.arrays import Array, as_array

# The numbers of the reference semantics (method section 2, steps 1, 3, 4 and 5).
CLIP = 1.0e-8
SCALE_FLOOR = 1.0e-3
SELF_DISTANCE = 100.0
AFFINITY_FLOOR = 1.0e-6
POWER_FLOOR = 1.0e-8
# Algorithm 2 of the paper.
ALGORITHM_2_MASK = 1.0e6


@dataclass
class Result:
    """Everything the loss goes through: loss [B], gradient [B, G, S], info, stages by name."""

    loss: Array
    gradient: Array
    info: dict[str, float]
    stages: dict[str, Array] = field(default_factory=dict)


def drifting_field(
    x: Any,
    y_pos: Any,
    y_neg: Any,
    *,
    temperature: float,
    mask_self: bool = False,
    normalize: str = "xy",
) -> Array:
    """Algorithm 2: x [N, D], y_pos [P, D], y_neg [M, D] -> V [N, D]."""
    x, y_pos, y_neg = as_array(x), as_array(y_pos), as_array(y_neg)
    distance = np.array([[_norm(a - b) for b in (*y_pos, *y_neg)] for a in x])
    if mask_self:
        for i in range(len(x)):
            distance[i, len(y_pos) + i] += ALGORITHM_2_MASK
    log_kernel = -distance / temperature
    if normalize == "xy":
        affinity = np.sqrt(_share(log_kernel, axis=1) * _share(log_kernel, axis=0))
    else:
        affinity = {"y": _share(log_kernel, axis=1), "none": np.exp(log_kernel)}[normalize]
    v = np.zeros_like(x)
    for i, row in enumerate(affinity):
        positive, negative = row[: len(y_pos)], row[len(y_pos) :]
        for a, y in zip(positive, y_pos, strict=True):
            v[i] += a * negative.sum() * y
        for a, y in zip(negative, y_neg, strict=True):
            v[i] -= a * positive.sum() * y
    return as_array(v)


def drift_loss(
    gen: Any,
    pos: Any,
    neg: Any = None,
    *,
    weight_gen: Any = None,
    weight_pos: Any = None,
    weight_neg: Any = None,
    temperatures: Sequence[float] = (0.02, 0.05, 0.2),  # the default that interface v1 froze
    semantics: str = "reference",
) -> tuple[Array, dict[str, float]]:
    """As `drift.loss.drift_loss`, on anything that converts to an array."""
    weights = {"gen": weight_gen, "pos": weight_pos, "neg": weight_neg}
    result = trace_loss(gen, pos, neg, weights, temperatures=temperatures, semantics=semantics)
    return result.loss, result.info


def trace_loss(
    gen: Any,
    pos: Any,
    neg: Any = None,
    weights: Mapping[str, Any] | None = None,
    *,
    temperatures: Iterable[float],
    semantics: str = "reference",
) -> Result:
    """The loss with its gradient and its stages under the names of the recorded cases."""
    paper = {"reference": False, "paper": True}[semantics]
    gen, pos = as_array(gen), as_array(pos)
    neg = np.zeros((len(gen), 0, gen.shape[2])) if neg is None else as_array(neg)
    y, w = _targets(gen, neg, pos, weights or {})
    (groups, generated, features), repelling = gen.shape, gen.shape[1] + neg.shape[1]

    distance = np.array([[[_clipped(p - q) for q in y[b]] for p in gen[b]] for b in range(groups)])
    weighted = float(np.mean(distance * w[:, None, :]))
    scale = weighted / float(np.mean(w))
    c = max(scale / math.sqrt(features), SCALE_FLOOR)
    normed = _normalised(distance, scale, generated, paper)
    stages = {
        "dist": distance,
        "weighted_dist_mean": as_array(weighted),
        "targets_w_mean": as_array(np.mean(w)),
        "scale": as_array(scale),
        "scale_inputs": as_array(c),
        "dist_normed_masked": normed,
    }
    info, forces = {"scale": scale}, []
    for tau in map(float, temperatures):
        at_tau, force = _one_temperature(normed, y / c, gen / c, w, repelling, tau, paper)
        stages.update({f"R{tau}/{name}": value for name, value in at_tau.items()})
        info[f"loss_{tau}"] = float(at_tau["f_norm"])
        forces.append(force)
    total = np.sum(forces, axis=0)
    regressed = forces if paper else [total]
    loss = np.sum([np.mean(one**2, axis=(1, 2)) for one in regressed], axis=0)
    gradient = -2.0 * total / (generated * features * c)
    stages |= {"force_across_R": total, "goal_scaled": gen / c + total}
    stages |= {"loss": loss, "grad_gen": gradient}
    return Result(loss, gradient, info, stages)


def feature_loss(
    gen_features: Mapping[str, Any],
    real_features: Mapping[str, Any],
    alpha: Any,
    *,
    positives: int,
    temperatures: Sequence[float],
    semantics: str,
) -> tuple[float, dict[str, float]]:
    """As `drift.loss.feature_loss`: one loss per name over all labels and locations."""
    total, info = 0.0, dict[str, float]()
    for name in gen_features:
        gen, real = as_array(gen_features[name]), as_array(real_features[name])
        pairs = [(b, place) for b in range(len(gen)) for place in range(gen.shape[2])]
        weight = uncond_weight(
            alpha, generated=gen.shape[1], unconditional=real.shape[1] - positives
        )
        loss, figures = drift_loss(
            np.stack([gen[b, :, place] for b, place in pairs]),
            np.stack([real[b, :positives, place] for b, place in pairs]),
            np.stack([real[b, positives:, place] for b, place in pairs]),
            weight_neg=[[weight[b]] * (real.shape[1] - positives) for b, _ in pairs],
            temperatures=temperatures,
            semantics=semantics,
        )
        per_label = loss.sum() / len(gen)
        value = float(per_label if semantics == "paper" else per_label / gen.shape[2])
        total += value
        info |= {f"loss/{name}": value} | {f"{k}/{name}": v for k, v in figures.items()}
    return total, info


def sample_alpha(
    u: Any,
    *,
    power: float,
    minimum: float,
    maximum: float,
    point_mass: float = 0.0,
    u_point: Any = None,
) -> Array:
    """Inverse CDF of p(alpha) ~ alpha^-k on [minimum, maximum], with a point mass at 1."""
    u = as_array(u)
    pw = 1.0 - power
    if pw == 0.0:
        alpha = np.exp(np.log(minimum) + u * (np.log(maximum) - np.log(minimum)))
    else:
        alpha = (minimum**pw + u * (maximum**pw - minimum**pw)) ** (1.0 / pw)
    return alpha if u_point is None else np.where(as_array(u_point) < point_mass, 1.0, alpha)


def uncond_weight(alpha: Any, *, generated: int, unconditional: int) -> Array:
    """w = (alpha - 1)(G - 1) / max(1, N) (paper, A.7)."""
    return (as_array(alpha) - 1.0) * (generated - 1) / max(1, unconditional)


def learning_rate(
    step: int, *, base: float, warmup_steps: int, total_steps: int, kind: str
) -> float:
    """Linear from 1e-6 to `base`, then constant, or a cosine that ends at 1e-6 of `base`."""
    if step < warmup_steps:
        return 1.0e-6 + (base - 1.0e-6) * step / warmup_steps
    if kind == "const":
        return base
    length = max(total_steps - warmup_steps, 1)
    turn = math.pi * min(step - warmup_steps, length) / length
    return base * (1.0e-6 + (1.0 - 1.0e-6) * 0.5 * (1.0 + math.cos(turn)))


def _targets(gen: Array, neg: Array, pos: Array, weights: Mapping[str, Any]) -> tuple[Array, Array]:
    """[B, T, S] and [B, T] in the order generated, unconditional, positive."""
    named = {"gen": gen, "neg": neg, "pos": pos}
    w = [
        np.ones(cloud.shape[:2]) if weights.get(name) is None else as_array(weights[name])
        for name, cloud in named.items()
    ]
    shaped = [one.reshape(cloud.shape[:2]) for one, cloud in zip(w, named.values(), strict=True)]
    return np.concatenate([gen, neg, pos], axis=1), np.concatenate(shaped, axis=1)


def _normalised(distance: Array, scale: float, generated: int, paper: bool) -> Array:
    """Distances in units of the scale; each generated sample is far from itself."""
    own = np.zeros_like(distance)
    own[:, range(generated), range(generated)] = 1.0
    divisor = max(scale, SCALE_FLOOR)
    if paper:
        return (distance + ALGORITHM_2_MASK * own) / divisor
    return distance / divisor + SELF_DISTANCE * own


def _one_temperature(
    normed: Array, y: Array, x: Array, w: Array, repelling: int, tau: float, paper: bool
) -> tuple[dict[str, Array], Array]:
    """Step 5: the stages of one tau and its normalised force."""
    log_kernel = -normed / tau
    columns = w[:, None, :] * np.ones_like(normed)
    over_targets = _share(log_kernel, axis=2, weight=columns if paper else None)
    over_samples = _share(log_kernel, axis=1, weight=columns if paper else None)
    floor = 0.0 if paper else AFFINITY_FLOOR
    clipped = np.sqrt(np.maximum(over_targets * over_samples, floor))
    affinity = clipped if paper else clipped * columns
    sum_pos = affinity[:, :, repelling:].sum(axis=2)
    sum_neg = affinity[:, :, :repelling].sum(axis=2)
    is_positive = np.arange(affinity.shape[2]) >= repelling
    c = np.where(is_positive, affinity * sum_neg[..., None], -affinity * sum_pos[..., None])
    total = c.sum(axis=2)
    raw = np.einsum("bij,bjs->bis", c, y) - total[..., None] * x
    f = np.mean(raw**2)
    force_scale = np.sqrt(max(f, POWER_FLOOR))
    stages = {
        "affinity_row": over_targets,
        "affinity_col": over_samples,
        "affinity_clipped": clipped,
        "sum_pos": sum_pos,
        "sum_neg": sum_neg,
        "R_coeff": c,
        "total_coeffs": total,
        "force_raw": raw,
        "f_norm": as_array(f),
        "force_scale": as_array(force_scale),
    }
    return stages, raw / force_scale


def _share(log_kernel: Array, *, axis: int, weight: Array | None = None) -> Array:
    """Kernel (times weight) over its sum along an axis; 0 where the sum is 0."""
    kernel = np.exp(log_kernel - log_kernel.max(axis=axis, keepdims=True))
    if weight is not None:
        kernel = kernel * weight
    total = kernel.sum(axis=axis, keepdims=True)
    return as_array(np.divide(kernel, total, out=np.zeros_like(kernel), where=total > 0.0))


def _norm(difference: Array) -> float:
    return math.sqrt(float(np.dot(difference, difference)))


def _clipped(difference: Array) -> float:
    return math.sqrt(max(float(np.dot(difference, difference)), CLIP))

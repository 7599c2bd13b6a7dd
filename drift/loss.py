"""The drifting loss on features (paper, A.5-A.7; symbols and equations: `specs/`).

Shapes: B groups (class labels, or labels times locations), G generated, N unconditional and P
positive samples, T = G + N + P targets in this order, S features, tau a temperature.

The objective pulls each normalised sample x_n = gen / sg(c) towards sg(x_n + force), c being the
coordinate scale. So the value is mean(force^2) and the gradient is -2 force / (G S c), both known
in the forward pass: nothing of size [B, G, T] is kept for the backward pass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from drift import cfg, clouds, precision, trace
from drift.semantics import Semantics, semantics_named

__all__ = ["drift_loss", "feature_loss"]

SQUARED_DISTANCE_CLIP = 1.0e-8  # of |x - y|^2, before the root
SCALE_FLOOR = 1.0e-3  # of the divisor of coordinates and of the divisor of distances
FORCE_POWER_FLOOR = 1.0e-8  # of f, the mean square of the force of one temperature

SELF_MASKS = {"normalised+100": 100.0, "raw+1e6": 1.0e6}


class Drift(NamedTuple):
    """What the loss regresses on: force [B, G, S] (summed over tau) in normalised coordinates."""

    force: Tensor
    coordinate_scale: Tensor
    loss: Tensor
    info: dict[str, Tensor]


def drift_loss(
    gen: Tensor,
    pos: Tensor,
    neg: Tensor | None = None,
    *,
    weight_gen: Tensor | None = None,
    weight_pos: Tensor | None = None,
    weight_neg: Tensor | None = None,
    temperatures: Sequence[float] = (0.02, 0.05, 0.2),
    semantics: str = "reference",
) -> tuple[Tensor, dict[str, Tensor]]:
    """gen [B, G, S], pos [B, P, S], neg [B, N, S] -> loss [B] and the raw figures behind it.

    weight_*      [B, G], [B, P], [B, N]; one where not given; not negative, and not all zero
    temperatures  distinct, above 0, in units of the mean distance; their forces are added
    semantics     "reference" (the published checkpoints) or "paper" (`drift.semantics`)

    info holds detached scalars: `scale`, the weighted mean distance over the whole call, and for
    each temperature `loss_<tau>`, the mean square of its force before normalisation. The loss
    itself is flat by construction; `loss_<tau>` are the figures that fall.

    Computed in float32, or in float64 where gen is float64, also inside autocast. The gradient
    reaches gen only, and only through x_n. There is no second derivative. Raises InputError
    with the argument's name where an argument does not fit.
    """
    switches = semantics_named(semantics)
    taus = clouds.checked_temperatures(temperatures)
    call = clouds.gather(gen, pos, neg, weight_gen, weight_pos, weight_neg)
    with torch.no_grad(), precision.full_precision(gen.device):
        drift = _drift(call, taus, switches)
        if trace.active():
            _record_outcome(call.gen, drift)
    return attach_gradient(gen, drift), drift.info


def feature_loss(
    gen_features: Mapping[str, Tensor],
    real_features: Mapping[str, Tensor],
    alpha: Tensor,
    *,
    positives: int,
    temperatures: Sequence[float],
    semantics: str,
) -> tuple[Tensor, dict[str, Tensor]]:
    """name -> gen [B, G, L, D] and real [B, P + N, L, D]; alpha [B] -> loss, a scalar, and info.

    The first P = `positives` real samples are the positives, the others are unconditional and get
    the weight w(alpha) (A.7); all other weights are one. Each of the L locations is a group of its
    own, and one name is one call of `drift_loss` with B L groups, so that its scales are shared by
    all labels and locations (A.6). The loss is the mean over groups (under `paper`: the sum over
    locations, the mean over labels), added over names. No gradient reaches the real features.

    info holds, detached and for each name, `loss/<name>`, `scale/<name>`, `loss_<tau>/<name>`.
    A trace has its stages under `<name>/`.
    """
    switches = semantics_named(semantics)
    generated, real_samples = clouds.check_features(gen_features, real_features, alpha, positives)
    unconditional = real_samples - positives
    w = cfg.uncond_weight(alpha, generated=generated, unconditional=unconditional)
    values: list[Tensor] = []
    info: dict[str, Tensor] = {}
    for name, gen in gen_features.items():
        locations = gen.shape[2]
        real = clouds.fold_locations(real_features[name].detach())
        w_groups = w[:, None, None].expand(-1, locations, unconditional).flatten(0, 1)
        with trace.scope(name):
            loss, figures = drift_loss(
                clouds.fold_locations(gen),
                real[:, :positives],
                real[:, positives:],
                weight_neg=w_groups,
                temperatures=temperatures,
                semantics=semantics,
            )
        values.append(reduce_locations(loss, locations, switches))
        info[f"loss/{name}"] = values[-1].detach()
        info.update({f"{figure}/{name}": number for figure, number in figures.items()})
    return torch.stack(values).sum(), info


def reduce_locations(loss: Tensor, locations: int, switches: Semantics) -> Tensor:
    """loss [B L] -> a scalar: the mean over groups, or the sum over L and the mean over B."""
    mean = loss.mean()
    return mean * locations if switches.location_reduction == "sum" else mean


def _drift(call: clouds.Clouds, taus: Sequence[float], switches: Semantics) -> Drift:
    """The regression target, its value and the raw figures."""
    total = torch.zeros_like(call.gen)
    separate = call.gen.new_zeros(len(call.gen))
    with trace.scope("step32"):
        dist = torch.cat([distances(call.gen, y) for y in call.targets], dim=-1)
        trace.record("dist", dist)
        scale = mean_distance(dist, call.weight)
        c = coordinate_scale(scale, call.gen.shape[-1])
        trace.record("scale_inputs", c)
        d_n = normalised_distances(dist, scale, switches)
        trace.record("dist_normed_masked", d_n)
        info = {"scale": scale}
        for tau in taus:
            with trace.scope(f"R{tau}"):
                one, info[f"loss_{tau}"] = _force_at(tau, d_n, c, call, switches)
            total += one
            if switches.temperature_aggregation == "sum_losses":
                separate += mean_square(one)
    loss = objective(total, separate, switches)
    return Drift(total, c, loss, info)


def _force_at(
    tau: float, d_n: Tensor, c: Tensor, call: clouds.Clouds, switches: Semantics
) -> tuple[Tensor, Tensor]:
    """The normalised force [B, G, S] of one temperature, and f, its mean square before that."""
    coefficients = pair_coefficients(d_n / -tau, call, switches)
    raw = force(coefficients, call).div_(c)
    trace.record("force_raw", raw)
    f = force_power(raw)
    trace.record("f_norm", f)
    force_scale = f.clamp_min(FORCE_POWER_FLOOR).sqrt()
    trace.record("force_scale", force_scale)
    return raw.div_(force_scale), f


def distances(x: Tensor, y: Tensor) -> Tensor:
    """d = sqrt(max(|x|^2 + |y|^2 - 2 x y, clip)): [B, G, S], [B, M, S] -> [B, G, M].

    The expansion cancels for points that are close together compared with their norms; the
    reference's figures contain that, and it is one matrix product.
    """
    squared = torch.matmul(x, y.mT).mul_(-2.0)
    squared += x.square().sum(-1)[:, :, None]
    squared += y.square().sum(-1)[:, None, :]
    return squared.clamp_min_(SQUARED_DISTANCE_CLIP).sqrt_()


def mean_distance(dist: Tensor, weight: Tensor) -> Tensor:
    """scale = mean(d w_j) / mean(w_j) over the whole call, self-distances included (A.6, A.7).

    dist [B, G, T], weight [B, T] -> a scalar.
    """
    weighted = (dist.mean(dim=1) * weight).mean()
    weight_mean = weight.mean()
    trace.record("weighted_dist_mean", weighted)
    trace.record("targets_w_mean", weight_mean)
    scale = weighted / weight_mean
    trace.record("scale", scale)
    return scale


def coordinate_scale(scale: Tensor, features: int) -> Tensor:
    """c, the divisor of coordinates: after it the mean distance is sqrt(S) (A.6)."""
    return (scale / math.sqrt(features)).clamp_min(SCALE_FLOOR)


def normalised_distances(dist: Tensor, scale: Tensor, switches: Semantics) -> Tensor:
    """d_n [B, G, T] with mean one, the generated samples' own distances masked; consumes dist."""
    raw_mask = switches.self_mask.startswith("raw")
    if raw_mask:
        mask_own(dist, SELF_MASKS[switches.self_mask])
    dist /= scale.clamp_min(SCALE_FLOOR)
    if not raw_mask:
        mask_own(dist, SELF_MASKS[switches.self_mask])
    return dist


def mask_own(dist: Tensor, added: float) -> None:
    """Add to d[b, i, i], in place: the first G targets are the generated samples themselves."""
    dist.diagonal(dim1=-2, dim2=-1).add_(added)


def pair_coefficients(logits: Tensor, call: clouds.Clouds, switches: Semantics) -> Tensor:
    """The coefficients c_j [B, G, T] of one temperature."""
    over_targets, over_samples = softmaxes(logits, call.weight, switches)
    trace.record("affinity_row", over_targets)
    trace.record("affinity_col", over_samples)
    affinity = affinities(over_targets, over_samples, switches.affinity_floor)
    trace.record("affinity_clipped", affinity)
    if switches.uncond_weight == "after_softmax":
        affinity = apply_weight(affinity, call.weight)
    sum_pos, sum_neg = side_sums(affinity, call.repelling)
    trace.record("sum_pos", sum_pos)
    trace.record("sum_neg", sum_neg)
    coefficients = cross_weights(affinity, sum_pos, sum_neg, call.repelling)
    trace.record("R_coeff", coefficients)
    return coefficients


def softmaxes(logits: Tensor, weight: Tensor, switches: Semantics) -> tuple[Tensor, Tensor]:
    """Softmax over the T targets and over the G samples of the same group, each [B, G, T]."""
    over_samples = logits.softmax(dim=-2)
    if switches.uncond_weight == "in_kernel":
        # w_j k is normalised by both sums; in the one over samples w_j cancels.
        logits = logits + weight.log()[:, None, :]
    return logits.softmax(dim=-1), over_samples


def affinities(over_targets: Tensor, over_samples: Tensor, floor: float) -> Tensor:
    """A = sqrt(max(product of the softmaxes, floor)) [B, G, T]; consumes `over_targets`."""
    return over_targets.mul_(over_samples).clamp_min_(floor).sqrt_()


def apply_weight(affinity: Tensor, weight: Tensor) -> Tensor:
    """A_j w_j, in place (A.7)."""
    return affinity.mul_(weight[:, None, :])


def side_sums(affinity: Tensor, repelling: int) -> tuple[Tensor, Tensor]:
    """Sums of A over the positives and over the other targets, each [B, G]."""
    return affinity[..., repelling:].sum(-1), affinity[..., :repelling].sum(-1)


def cross_weights(affinity: Tensor, sum_pos: Tensor, sum_neg: Tensor, repelling: int) -> Tensor:
    """c_j = A_j times the other side's sum, negative where a target repels; consumes `affinity`."""
    affinity[..., :repelling] *= -sum_pos[..., None]
    affinity[..., repelling:] *= sum_neg[..., None]
    return affinity


def force(coefficients: Tensor, call: clouds.Clouds) -> Tensor:
    """sum_j c_j y_j - (sum_j c_j) x: [B, G, T] -> [B, G, S], in the coordinates of the input."""
    total_coeffs = total_coefficient(coefficients, call.repelling)
    trace.record("total_coeffs", total_coeffs)
    pulled = -total_coeffs[..., None] * call.gen
    start = 0
    for y in call.targets:
        pulled.baddbmm_(coefficients[..., start : start + y.shape[1]], y)
        start += y.shape[1]
    return pulled


def total_coefficient(coefficients: Tensor, repelling: int) -> Tensor:
    """sum_j c_j, [B, G, T] -> [B, G]; a remainder within rounding is zero.

    S+ and S- being the sums of A, the two sides add up to S- S+ and -S+ S-: exactly zero. What
    float arithmetic leaves of that is no force, and would be multiplied by |x|.
    """
    attracting, pushing = side_sums(coefficients, repelling)
    total = attracting + pushing
    rounding = torch.finfo(total.dtype).eps * coefficients.shape[-1] * attracting.abs()
    return total.masked_fill(total.abs() <= rounding, 0.0)


def force_power(raw: Tensor) -> Tensor:
    """f = mean(force^2) over the whole call, a scalar (A.6: the entire batch)."""
    return raw.square().mean()


def mean_square(force: Tensor) -> Tensor:
    """[B, G, S] -> [B]."""
    return force.square().mean(dim=(1, 2))


def objective(total: Tensor, separate: Tensor, switches: Semantics) -> Tensor:
    """loss [B]: of the summed force, or the sum of one loss per temperature."""
    one_loss = switches.temperature_aggregation == "sum_forces"
    return mean_square(total) if one_loss else separate


def gradient_of_sum(force: Tensor, scale: Tensor) -> Tensor:
    """d (sum_b loss[b]) / d gen = -2 force / (G S c), [B, G, S]."""
    return force * (-2.0 / (force.shape[1] * force.shape[2])) / scale


class _Pull(torch.autograd.Function):
    """loss [B], with the closed form as its gradient with respect to gen [B, G, S]."""

    @staticmethod
    def forward(ctx: Any, gen: Tensor, drift: Drift) -> Tensor:
        ctx.save_for_backward(drift.force, drift.coordinate_scale)
        ctx.dtype = gen.dtype
        return drift.loss

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor, None]:
        if torch.is_grad_enabled():
            # Otherwise the second derivative would be zero without a word.
            raise RuntimeError("drift_loss has no second derivative; drop create_graph=True")
        gradient = gradient_of_sum(*ctx.saved_tensors) * grad_loss[:, None, None]
        return gradient.to(ctx.dtype), None


def attach_gradient(gen: Tensor, drift: Drift) -> Tensor:
    """The loss [B] as a function of gen: of x_n = gen / sg(c) alone."""
    loss: Tensor = _Pull.apply(gen, drift)
    return loss


def _record_outcome(gen: Tensor, drift: Drift) -> None:
    gradient = gradient_of_sum(drift.force, drift.coordinate_scale)
    trace.record("step32/force_across_R", drift.force)
    trace.record("step32/goal_scaled", gen / drift.coordinate_scale + drift.force)
    for folder in ("step32", "out"):
        trace.record(f"{folder}/loss", drift.loss)
        trace.record(f"{folder}/grad_gen", gradient)

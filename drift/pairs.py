"""Pairs of generated samples and targets: distances, affinities, signed coefficients, forces.

Equations: `specs/symbols.md`, "Drifting loss of one feature". Shapes as in `drift.loss`: B groups,
G generated samples, T targets of which the first G are the generated samples themselves, S
features, R temperatures. What is said of [..., G, T] holds for [B, G, T] and, all temperatures at
once, for [B, R, G, T]; a weight then is [B, T] or [B, 1, T].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from drift import trace
from drift.clouds import Centred
from drift.semantics import Semantics

SQUARED_DISTANCE_CLIP = 1.0e-8  # of |x - y|^2, before the root
SCALE_FLOOR = 1.0e-3  # of the divisor of coordinates and of the divisor of distances
SELF_MASKS = {"normalised+100": 100.0, "raw+1e6": 1.0e6}

# Of |x|^2 + |y|^2: below it the expansion of |x - y|^2 has lost three digits.
CLOSE = 1.0e-3
DIFFERENCES = 1 << 18  # numbers of x - y that are held at once


class Room:
    """Tensors that are written again piece after piece, by name; of one call, and gone with it.

    An allocation of some megabytes costs as much as a pass over it, and leaves a heap of holes.
    """

    def __init__(self) -> None:
        self._held: dict[str, Tensor] = {}

    def like(self, name: str, other: Tensor) -> Tensor:
        """One of another's shape, dtype and device; it holds anything."""
        return self.empty(name, other.shape, other)

    def empty(self, name: str, shape: Sequence[int], of: Tensor) -> Tensor:
        """One of a shape, and of the dtype and device of another tensor; it holds anything."""
        size, held = math.prod(shape), self._held.get(name)
        if (
            held is None
            or held.numel() < size
            or (held.dtype, held.device) != (of.dtype, of.device)
        ):
            held = self._held[name] = of.new_empty(size)
        return held[:size].view(shape)


def distances(x: Tensor, y: Tensor) -> Tensor:
    """d = sqrt(max(|x - y|^2, clip)): [B, G, S], [B, T, S] whose first G are x -> [B, G, T].

    By |x|^2 + |y|^2 - 2 x y, one matrix product, where that does not cancel; pairs that are close
    together compared with their norms are subtracted. A sample's distance to itself is zero.
    """
    norm = y.square().sum(dim=-1)
    own = norm[:, : x.shape[1]]
    squared = (own[:, :, None] + norm[:, None, :]).baddbmm_(x, y.mT, alpha=-2.0)
    squared.diagonal(dim1=-2, dim2=-1).fill_(torch.inf)
    if (squared.amin(dim=-1) < CLOSE * (own + norm.amax(dim=-1, keepdim=True))).any():
        _subtract_close(squared, x, y, CLOSE * (own[:, :, None] + norm[:, None, :]))
    squared.diagonal(dim1=-2, dim2=-1).fill_(0.0)
    return squared.clamp_min_(SQUARED_DISTANCE_CLIP).sqrt_()


def _subtract_close(squared: Tensor, x: Tensor, y: Tensor, limit: Tensor) -> None:
    """|x - y|^2 of the pairs below the limit, in place and a few pairs at a time."""
    pairs = (squared < limit).nonzero()
    for some in torch.split(pairs, max(1, DIFFERENCES // x.shape[-1])):
        b, i, j = some.unbind(dim=1)
        squared[b, i, j] = (x[b, i] - y[b, j]).square().sum(dim=-1)


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


def pair_coefficients(
    logits: Tensor,
    weight: Tensor,
    repelling: int,
    switches: Semantics,
    record: Callable[[str, Tensor], None] = trace.record,
    room: Room | None = None,
) -> Tensor:
    """The coefficients a_j [..., G, T] of logits -d_n / tau; where there is a room, in it."""
    over_targets, over_samples = softmaxes(logits, weight, switches, room)
    record("affinity_row", over_targets)
    record("affinity_col", over_samples)
    affinity = affinities(over_targets, over_samples, switches.affinity_floor)
    record("affinity_clipped", affinity)
    if switches.uncond_weight == "after_softmax":
        affinity = apply_weight(affinity, weight)
    sum_pos, sum_neg = side_sums(affinity, repelling)
    record("sum_pos", sum_pos)
    record("sum_neg", sum_neg)
    coefficients = cross_weights(affinity, sum_pos, sum_neg, repelling)
    record("R_coeff", coefficients)
    return coefficients


def softmaxes(
    logits: Tensor, weight: Tensor, switches: Semantics, room: Room | None = None
) -> tuple[Tensor, Tensor]:
    """Softmax over the T targets and over the G samples of the same group, each [..., G, T]."""
    outs = [room.like(name, logits) if room else None for name in ("targets", "samples")]
    over_samples = torch.softmax(logits, -2, out=outs[1])
    if switches.uncond_weight == "in_kernel":
        # w_j k is normalised by both sums; in the one over samples w_j cancels.
        logits = logits + weight.log()[..., None, :]
    return torch.softmax(logits, -1, out=outs[0]), over_samples


def affinities(over_targets: Tensor, over_samples: Tensor, floor: float) -> Tensor:
    """A = sqrt(max(product of the softmaxes, floor)) [..., G, T]; consumes `over_targets`."""
    return over_targets.mul_(over_samples).clamp_min_(floor).sqrt_()


def apply_weight(affinity: Tensor, weight: Tensor) -> Tensor:
    """A_j w_j, in place (A.7)."""
    return affinity.mul_(weight[..., None, :])


def side_sums(affinity: Tensor, repelling: int) -> tuple[Tensor, Tensor]:
    """Sums of A over the positives and over the other targets, each [..., G]."""
    return affinity[..., repelling:].sum(-1), affinity[..., :repelling].sum(-1)


def cross_weights(affinity: Tensor, sum_pos: Tensor, sum_neg: Tensor, repelling: int) -> Tensor:
    """a_j = A_j times the other side's sum, negative where a target repels; consumes `affinity`."""
    affinity[..., :repelling] *= -sum_pos[..., None]
    affinity[..., repelling:] *= sum_neg[..., None]
    return affinity


def force(coefficients: Tensor, call: Centred, out: Tensor | None = None) -> Tensor:
    """sum_j a_j y_j - (sum_j a_j) x: [B, ..., G, T] -> [B, ..., G, S], for all tau one product.

    In the units of the input. The coefficients of a sample add up to zero, so that the second term
    is none; what rounding leaves of it is multiplied by coordinates about the centre.
    """
    if trace.active():
        trace.record("total_coeffs", total_coefficient(coefficients, call.repelling))
    pulled = torch.bmm(
        coefficients.flatten(1, -2), call.targets, out=None if out is None else out.flatten(1, -2)
    )
    return torch.unflatten(pulled, 1, coefficients.shape[1:-1])


def total_coefficient(coefficients: Tensor, repelling: int) -> Tensor:
    """sum_j a_j, [..., G, T] -> [..., G]; a remainder within rounding is zero.

    S+ and S- being the sums of A, the two sides add up to S- S+ and -S+ S-: exactly zero. What
    float arithmetic leaves of that is no force.
    """
    attracting, pushing = side_sums(coefficients, repelling)
    total = attracting + pushing
    rounding = torch.finfo(total.dtype).eps * coefficients.shape[-1] * attracting.abs()
    return total.masked_fill(total.abs() <= rounding, 0.0)

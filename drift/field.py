"""The drifting field of the paper, Algorithm 2 (arXiv 2602.04770; Eq. 8-12 and 17), literally.

V(x) = W+ y+ - W- y-, with affinities A = sqrt(softmax over y * softmax over x) of the kernel
exp(-|x - y| / tau), W+ = A+ times the row sum of A- and W- = A- times the row sum of A+. This is
the plain field on raw coordinates; the training loss with its normalisations is in `drift.loss`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from drift import precision
from drift.errors import InputError

__all__ = ["NORMALIZATIONS", "SELF_MASK", "drifting_field"]

# Added to the distance of a sample to itself (Algorithm 2, "ignore self").
SELF_MASK = 1.0e6

# Table 11: softmax over x and y, softmax over y only, no normalisation.
NORMALIZATIONS = ("xy", "y", "none")


def drifting_field(
    x: Tensor,
    y_pos: Tensor,
    y_neg: Tensor,
    *,
    temperature: float,
    mask_self: bool = False,
    normalize: str = "xy",
) -> Tensor:
    """x [N, D], y_pos [P, D], y_neg [M, D] -> V [N, D] (paper, Algorithm 2).

    temperature  tau > 0, in units of the distance
    mask_self    y_neg is x itself: 1e6 is added to the distance of each sample to itself
    normalize    "xy", "y" or "none" (Table 11)

    Computed in the dtype of the inputs, float32 or float64, which have to agree, also inside
    autocast. V carries no gradient: the training objective stops it there. Raises
    InputError with the argument's name where an argument does not fit.
    """
    _check(x, y_pos, y_neg, temperature, mask_self, normalize)
    with torch.no_grad(), precision.full_precision(x.device):
        dist_pos = distances(x, y_pos)
        dist_neg = distances(x, y_neg)
        if mask_self:
            dist_neg = mask_own(dist_neg)
        logits = -torch.cat([dist_pos, dist_neg], dim=1) / temperature
        w_pos, w_neg = cross_weights(*sides(affinities(logits, normalize), len(y_pos)))
        return w_pos @ y_pos - w_neg @ y_neg


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances |x_i - y_j|, [N, D] and [M, D] -> [N, M], from direct differences."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def mask_own(dist: Tensor) -> Tensor:
    """[N, N] -> [N, N]: a sample's distance to itself becomes too large to matter."""
    return dist + SELF_MASK * torch.eye(len(dist), dtype=dist.dtype, device=dist.device)


def affinities(logits: Tensor, normalize: str) -> Tensor:
    """A [N, P + M] of logits [N, P + M] (Algorithm 2; variants of Table 11)."""
    if normalize == "none":
        return logits.exp()
    over_y = logits.softmax(dim=1)
    if normalize == "y":
        return over_y
    return (over_y * logits.softmax(dim=0)).sqrt()


def sides(affinity: Tensor, positives: int) -> tuple[Tensor, Tensor]:
    """A [N, P + M] -> A+ [N, P] and A- [N, M]."""
    return affinity[:, :positives], affinity[:, positives:]


def cross_weights(a_pos: Tensor, a_neg: Tensor) -> tuple[Tensor, Tensor]:
    """W+ [N, P] and W- [N, M]: each side is weighted by the row sum of the other (Algorithm 2)."""
    w_pos = a_pos * a_neg.sum(dim=1, keepdim=True)
    w_neg = a_neg * a_pos.sum(dim=1, keepdim=True)
    return w_pos, w_neg


def _check(
    x: Tensor, y_pos: Tensor, y_neg: Tensor, temperature: float, mask_self: bool, normalize: str
) -> None:
    for name, cloud in (("x", x), ("y_pos", y_pos), ("y_neg", y_neg)):
        _check_cloud(name, cloud, x)
    if not (math.isfinite(temperature) and temperature > 0):
        raise InputError("temperature", found=temperature, expected="a finite number above 0")
    if normalize not in NORMALIZATIONS:
        raise InputError("normalize", found=repr(normalize), expected=" or ".join(NORMALIZATIONS))
    if mask_self and y_neg.shape != x.shape:
        raise InputError(
            "mask_self",
            found=f"y_neg of shape {list(y_neg.shape)}",
            expected=f"y_neg to be x itself, of shape {list(x.shape)}",
            remedy="Pass mask_self=False where the negatives are another cloud.",
        )


def _check_cloud(name: str, cloud: Tensor, x: Tensor) -> None:
    if cloud.ndim != 2 or 0 in cloud.shape:
        raise InputError(
            name,
            found=f"shape {list(cloud.shape)}",
            expected="[samples, features] with at least one of each",
        )
    if cloud.dtype not in (torch.float32, torch.float64) or cloud.dtype != x.dtype:
        raise InputError(
            name,
            found=cloud.dtype,
            expected=f"float32 or float64, the same for all clouds (x is {x.dtype})",
        )
    if cloud.shape[1] != x.shape[1]:
        raise InputError(
            name,
            found=f"shape {list(cloud.shape)}",
            expected=f"[{cloud.shape[0]}, {x.shape[1]}]: as many features as x",
        )

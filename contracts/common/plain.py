"""The drifting loss written plainly in torch, with autograd doing all of the work.

The engine never runs this: it is what its closed-form gradient is held against. Float64 and direct
differences, one affinity matrix per temperature kept for the backward pass.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["plain_loss"]


def plain_loss(
    gen: Tensor, pos: Tensor, neg: Tensor, weight: Tensor, temperatures: Sequence[float]
) -> Tensor:
    """gen [B, G, S], pos [B, P, S], neg [B, N, S], weight [B, G + N + P] -> loss [B]."""
    samples, repelling = gen.shape[1], gen.shape[1] + neg.shape[1]
    targets = torch.cat([gen, neg, pos], dim=1).detach()
    x = gen.detach()
    w = weight[:, None, :]
    d = (x[:, :, None] - targets[:, None]).square().sum(-1).clamp_min(1e-8).sqrt()
    scale = (d * w).mean() / w.mean()
    c = (scale / gen.shape[2] ** 0.5).clamp_min(1e-3)
    own = torch.eye(samples, targets.shape[1], dtype=gen.dtype)
    d = d / scale.clamp_min(1e-3) + 100.0 * own
    x_n, y_n = gen / c, targets / c
    force = torch.zeros_like(x)
    for tau in temperatures:
        product = torch.softmax(-d / tau, dim=2) * torch.softmax(-d / tau, dim=1)
        a = product.clamp_min(1e-6).sqrt() * w
        a_neg, a_pos = a[..., :repelling], a[..., repelling:]
        attract = (a_pos * a_neg.sum(2, keepdim=True)) @ y_n[:, repelling:]
        repel = (a_neg * a_pos.sum(2, keepdim=True)) @ y_n[:, :repelling]
        v = attract - repel
        force = force + v / v.square().mean().clamp_min(1e-8).sqrt()
    goal = (x_n + force).detach()
    loss: Tensor = (x_n - goal).square().mean(dim=(1, 2))
    return loss

"""The drifting loss written out from its equations in NumPy; nothing is optimised.

Equations: `specs/symbols.md`, section "Drifting loss of one feature" (paper A.6, A.7). One function
is enough for an audit: `verify audit examples/audits/textbook_numpy.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def drift_loss_and_gradient(
    gen: Array,
    pos: Array,
    neg: Array | None = None,
    *,
    weight_gen: Array | None = None,
    weight_pos: Array | None = None,
    weight_neg: Array | None = None,
    temperatures: Sequence[float] = (0.02, 0.05, 0.2),
) -> tuple[Array, Array]:
    """gen [B, G, S], pos [B, P, S], neg [B, N, S] -> loss [B], d sum(loss) / d gen [B, G, S]."""
    _, generated, features = gen.shape
    if neg is None:
        neg = gen[:, :0]
    y = np.concatenate([gen, neg, pos], axis=1)  # targets, in this order: [B, T, S]
    w = np.concatenate(
        [
            np.ones(cloud.shape[:2], gen.dtype) if weight is None else weight.astype(gen.dtype)
            for cloud, weight in ((gen, weight_gen), (neg, weight_neg), (pos, weight_pos))
        ],
        axis=1,
    )
    positive = np.arange(y.shape[1]) >= generated + neg.shape[1]

    dot = gen @ y.transpose(0, 2, 1)
    squared = (gen**2).sum(-1)[:, :, None] + (y**2).sum(-1)[:, None, :] - 2 * dot
    d = np.sqrt(np.maximum(squared, 1e-8))
    s = (d * w[:, None, :]).mean() / w.mean()
    c = max(s / np.sqrt(features), 1e-3)
    d_n = d / max(s, 1e-3)
    own = np.arange(generated)
    d_n[:, own, own] += 100.0

    total = np.zeros_like(gen)
    for tau in temperatures:
        a = signed_coefficients(-d_n / tau, w, positive)
        force = (a @ y - a.sum(-1, keepdims=True) * gen) / c
        total += force / np.sqrt(max((force**2).mean(), 1e-8))
    return (total**2).mean(axis=(1, 2)), -2 * total / (generated * features * c)


def signed_coefficients(logits: Array, w: Array, positive: NDArray[np.bool_]) -> Array:
    """a_j [B, G, T]: pulled by positives, pushed by all others, each times the other side's sum."""
    affinity = np.sqrt(np.maximum(softmax(logits, -1) * softmax(logits, -2), 1e-6))
    affinity = affinity * w[:, None, :]
    pull = affinity[..., positive].sum(-1, keepdims=True)
    push = affinity[..., ~positive].sum(-1, keepdims=True)
    return affinity * np.where(positive, push, -pull)


def softmax(logits: Array, axis: int) -> Array:
    """Softmax, with the largest entry taken out first."""
    raised = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return raised / raised.sum(axis=axis, keepdims=True)

"""The drifting loss written out from its equations in JAX, differentiated by JAX.

Equations: `specs/symbols.md`, section "Drifting loss of one feature" (paper A.6, A.7). It runs in
an environment of its own, which needs jax and numpy and neither torch nor this project:
`verify audit examples/audits/textbook_jax.py --python JAX_ENVIRONMENT/bin/python`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

jax.config.update("jax_platforms", "cpu")


def drift_loss_and_gradient(
    gen: NDArray[np.float32],
    pos: NDArray[np.float32],
    neg: NDArray[np.float32] | None = None,
    *,
    weight_gen: NDArray[np.float32] | None = None,
    weight_pos: NDArray[np.float32] | None = None,
    weight_neg: NDArray[np.float32] | None = None,
    temperatures: Sequence[float] = (0.02, 0.05, 0.2),
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """gen [B, G, S], pos [B, P, S], neg [B, N, S] -> loss [B], d sum(loss) / d gen [B, G, S]."""
    neg = gen[:, :0] if neg is None else neg
    weights = [
        np.ones(cloud.shape[:2], np.float32) if weight is None else weight
        for cloud, weight in ((gen, weight_gen), (neg, weight_neg), (pos, weight_pos))
    ]
    w = np.concatenate(weights, axis=1)
    with jax.default_matmul_precision("highest"):
        gradient, loss = _compiled(gen, neg, pos, w, temperatures=tuple(temperatures))
    return np.asarray(loss), np.asarray(gradient)


@partial(jax.jit, static_argnames="temperatures")
def _compiled(
    gen: jax.Array, neg: jax.Array, pos: jax.Array, w: jax.Array, *, temperatures: tuple[float, ...]
) -> tuple[jax.Array, jax.Array]:
    return jax.grad(_summed, has_aux=True)(gen, neg, pos, w, temperatures)


def _summed(
    gen: jax.Array, neg: jax.Array, pos: jax.Array, w: jax.Array, temperatures: tuple[float, ...]
) -> tuple[jax.Array, jax.Array]:
    """(sum over groups, loss [B]); the target of the regression carries no gradient."""
    features = gen.shape[-1]
    x = jax.lax.stop_gradient(gen)
    y = jnp.concatenate([x, neg, pos], axis=1)
    positive = jnp.arange(y.shape[1]) >= gen.shape[1] + neg.shape[1]

    squared = (x**2).sum(-1)[:, :, None] + (y**2).sum(-1)[:, None, :] - 2 * x @ y.mT
    d = jnp.sqrt(jnp.maximum(squared, 1e-8))
    s = (d * w[:, None, :]).mean() / w.mean()
    c = jnp.maximum(s / jnp.sqrt(features), 1e-3)
    d_n = d / jnp.maximum(s, 1e-3) + 100.0 * jnp.eye(gen.shape[1], y.shape[1])

    total = jnp.zeros_like(x)
    for tau in temperatures:
        a = _signed_coefficients(-d_n / tau, w, positive)
        force = (a @ y - a.sum(-1, keepdims=True) * x) / c
        total += force / jnp.sqrt(jnp.maximum((force**2).mean(), 1e-8))
    goal = jax.lax.stop_gradient(x / c + total)
    loss = ((gen / c - goal) ** 2).mean(axis=(1, 2))
    return loss.sum(), loss


def _signed_coefficients(logits: jax.Array, w: jax.Array, positive: jax.Array) -> jax.Array:
    affinity = jnp.sqrt(
        jnp.maximum(jax.nn.softmax(logits, axis=-1) * jax.nn.softmax(logits, axis=-2), 1e-6)
    )
    affinity = affinity * w[:, None, :]
    pull = (affinity * positive).sum(-1, keepdims=True)
    push = (affinity * ~positive).sum(-1, keepdims=True)
    return affinity * jnp.where(positive, push, -pull)

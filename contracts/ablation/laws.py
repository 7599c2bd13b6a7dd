"""Each variant of the loss is what its name says: gradients against the equations, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from drift import variants
from drift.loss import drift_loss
from verify.api import CheckContext, Measurement, check, mutant
from verify.numeric.arrays import Array

from ..common import oracle

G, P, N, S = 6, 5, 2, 4
TAU = 0.2
ROUNDS = 20  # of Sinkhorn's scaling


@check("ablation.variant")
def variant(ctx: CheckContext) -> Measurement:
    """Largest difference of each variant's gradient, as a share of its largest value."""
    errors = {}
    for name, how in ctx.params["variants"].items():
        gen, pos, neg, weight = _clouds(ctx.seed)
        loss, _ = drift_loss(
            gen, pos, neg, weight_neg=weight, temperatures=(TAU,), kernel=name
        )  # fmt: skip
        (found,) = torch.autograd.grad(loss.sum(), gen)
        wanted = expected(*(one.detach().numpy() for one in (gen, pos, neg, weight)), **how)
        errors[name] = float(np.abs(found.numpy() - wanted).max() / np.abs(wanted).max())
    return ctx.judge_worst(errors, "gradient of a variant", unit="of its largest value")


def _clouds(seed: int) -> tuple[torch.Tensor, ...]:
    """gen [3, G, S], pos [3, P, S], neg [3, N, S] and its weights [3, N], one of them zero."""
    generator = torch.Generator().manual_seed(seed)
    gen, pos, neg = (
        torch.randn(3, count, S, generator=generator, dtype=torch.float64) for count in (G, P, N)
    )
    weight = torch.rand(3, N, generator=generator, dtype=torch.float64) * 2
    weight[0, 0] = 0.0
    return gen.requires_grad_(), pos + 0.5, neg, weight


def expected(
    gen: Array, pos: Array, neg: Array, weight: Array, *,
    affinity: str = "xy", attraction: float = 1.0, repulsion: float = 1.0,
) -> Array:  # fmt: skip
    """d loss / d gen of attraction V+ - repulsion V-, from distances of the oracle."""
    stages = oracle.trace_loss(gen, pos, neg, {"neg": weight}, temperatures=(TAU,)).stages
    c = float(stages["scale_inputs"])
    targets = np.concatenate([gen, neg, pos], axis=1)
    w = np.concatenate([np.ones((3, G)), weight, np.ones((3, P))], axis=1)[:, None, :]
    pulls = AFFINITIES[affinity](-stages["dist_normed_masked"] / TAU, w, G + N)
    away = (targets[:, None] - gen[:, :, None]) / c  # y_j - x_i
    parts = np.einsum("bij,bijs->bis", pulls[..., G + N :], away[:, :, G + N :])
    force = attraction * parts - repulsion * np.einsum(
        "bij,bijs->bis", pulls[..., : G + N], away[:, :, : G + N]
    )
    return np.asarray(-2.0 * force / np.sqrt(np.mean(force**2)) / (G * S * c))


def _crossed(affinity: Array, w: Array, repelling: int) -> Array:
    """A w, each side times the sum of the other (Algorithm 2)."""
    weighted = np.maximum(affinity, 1e-3) * w
    negative, positive = weighted[..., :repelling], weighted[..., repelling:]
    sums = negative.sum(-1, keepdims=True), positive.sum(-1, keepdims=True)
    return np.concatenate([negative * sums[1], positive * sums[0]], axis=-1)


def _share(kernel: Array, axis: int) -> Array:
    return np.asarray(kernel / kernel.sum(axis=axis, keepdims=True))


def _of_side(one: Callable[[Array], Array]) -> Callable[[Array, Array, int], Array]:
    """Each side's kernel, with its weights, made into shares by itself."""

    def both(logits: Array, w: Array, repelling: int) -> Array:
        kernel = np.exp(logits) * w
        return np.concatenate([one(kernel[..., :repelling]), one(kernel[..., repelling:])], axis=-1)

    return both


def _coupling(logits: Array, w: Array, repelling: int) -> Array:
    """Sinkhorn's scaling, a side after the other: columns to w / sum w, then rows to one."""
    sides = []
    for side in (slice(None, repelling), slice(repelling, None)):
        plan, columns = np.exp(logits[..., side]), _share(np.maximum(w[..., side], 1e-30), -1)
        for _ in range(ROUNDS):
            plan = _share(_share(plan, -2) * columns, -1)
        sides.append(plan)
    return np.concatenate(sides, axis=-1)


def _less_bias(kernel: Array) -> Array:
    """Shares of a ratio of means, less its bias (R var w - cov(w y, w)) / (n mean(w)^2)."""
    mean, n = kernel.mean(-1, keepdims=True), kernel.shape[-1]
    share, off = kernel / (n * mean), kernel - mean
    variance = (off**2).mean(-1, keepdims=True)
    return np.asarray(share + (kernel * off / n - share * variance) / (n * mean**2))


AFFINITIES: dict[str, Callable[[Array, Array, int], Array]] = {
    "xy": lambda logits, w, repelling: _crossed(
        np.sqrt(_share(np.exp(logits), -1) * _share(np.exp(logits), -2)), w, repelling
    ),
    "y": lambda logits, w, repelling: _crossed(_share(np.exp(logits), -1), w, repelling),
    "none": lambda logits, w, repelling: _crossed(
        np.exp(logits - logits.max(axis=(-2, -1), keepdims=True)), w, repelling
    ),
    "own side": _of_side(lambda kernel: _share(kernel, -1)),
    "own side, less bias": _of_side(_less_bias),
    "coupling": _coupling,
}


@mutant("ablation.rest_dropped", variants, "balanced")
def rest_dropped(real: Any, found: Any) -> Any:
    """What the coefficients do not add up to is not put on the sample: a pull to the origin."""
    return found


@mutant("ablation.weights_left_out", variants, "_logarithm")
def weights_left_out(real: Any, weight: Any) -> Any:
    """Unconditional samples count in full."""
    return real(torch.ones_like(weight))


OTHER_LOSSES = (
    # Each variant stands under the name of another.
    mutant(
        "ablation.names_exchanged",
        variants,
        VARIANTS=dict(
            zip(variants.VARIANTS, reversed(list(variants.VARIANTS.values())), strict=True)
        ),
    ),
    # The softmax over the samples stays in where it should not.
    mutant(
        "ablation.both_softmaxes",
        variants,
        VARIANTS={**variants.VARIANTS, "softmax over y": variants.coefficients},
    ),
)

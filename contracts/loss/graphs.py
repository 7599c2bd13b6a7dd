"""Checks of what the loss leaves for the backward pass: its own gradient, and no other graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from drift import loss
from verify.api import CheckContext, Measurement, check, mutant

MOST_KEPT = 4  # a force and a scale of each of two losses


@check("loss.no_graphs")
def no_graphs(ctx: CheckContext) -> Measurement:
    """Figures have no graph, and real samples no gradient, whatever asks for one."""
    drawn = torch.Generator().manual_seed(ctx.seed)

    def cloud(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=drawn).requires_grad_()

    gen, pos, neg = cloud(2, 3, 4), cloud(2, 3, 4), cloud(2, 2, 4)
    kept: list[Tensor] = []

    def keep(value: Tensor) -> Tensor:
        kept.append(value)
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        one, info = loss.drift_loss(gen, pos, neg)
    features, real = {"a": cloud(2, 3, 2, 4)}, {"a": cloud(2, 5, 2, 4)}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        many, more = loss.feature_loss(
            features, real, torch.ones(2), positives=3, temperatures=(0.2,), semantics="reference"
        )
    torch.autograd.backward(one.sum() + many)
    held = [name for name, value in {**info, **more}.items() if value.requires_grad]
    moved = [leaf for leaf in (pos, neg, real["a"]) if leaf.grad is not None]
    still = [leaf for leaf in (gen, features["a"]) if leaf.grad is None or not leaf.grad.any()]
    return ctx.decide(
        not (held or moved or still) and len(kept) <= MOST_KEPT,
        f"{len(info) + len(more)} figures, with a graph: {held}; {len(moved)} real clouds have a "
        f"gradient, {len(still)} generated ones have none; {len(kept)} tensors are kept",
    )


@mutant("loss.figures_with_graphs", loss, "feature_loss")
def figures_with_graphs(real: Any, *given: Any, **named: Any) -> Any:
    """Figures are those that the gradient goes through."""
    total, info = real(*given, **named)
    return total, dict.fromkeys(info, total)

"""What each process of `test_loss_sharded` does: its shard of a batch against the whole batch.

Worlds of one to four are groups of ranks out of one launch of four processes.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from drift.loss import drift_loss, feature_loss
from drift.semantics import PAPER, REFERENCE, SEMANTICS

WORLDS = (1, 2, 3, 4)
TAUS = (0.02, 0.05, 0.2)
LABELS = 9
# Labels of each rank, for each world: uneven, and from three processes on one with none.
SHARDS = {1: (9,), 2: (2, 7), 3: (5, 0, 4), 4: (3, 1, 0, 5)}
MAPS = {"layer1": (6, 4), "norm_x": (1, 3), "global": (1, 24)}


class Collectives(TorchDispatchMode):
    """Counts what goes to the process group, by whatever function."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func.namespace == "c10d"
        return func(*args, **(kwargs or {}))


def work(rank: int, folder: str) -> None:
    """Join the group, treat all cases of all worlds, leave errors and counts in RANK.json."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/rendezvous",
        rank=rank,
        world_size=max(WORLDS),
        timeout=timedelta(seconds=300),
    )
    register_switches()
    found: dict[str, Any] = {}
    for world in WORLDS:
        group = dist.new_group(range(world))
        if rank < world:
            first = sum(SHARDS[world][:rank])
            own = slice(first, first + SHARDS[world][rank])
            found |= {f"{world}/{case}": error for case, error in cases(own, group)}
    Path(folder, f"{rank}.json").write_text(json.dumps(found), encoding="utf-8")
    dist.barrier()
    dist.destroy_process_group()


def register_switches() -> None:
    """Each switch of `paper` alone, under its own name."""
    for field in dataclasses.fields(REFERENCE):
        if field.name != "name":
            changed = {field.name: getattr(PAPER, field.name)}
            SEMANTICS[field.name] = dataclasses.replace(REFERENCE, **changed)


def cases(own: slice, group: Any) -> Iterator[tuple[str, dict[str, float]]]:
    """(name, {loss, gradient, info, collectives}) of this process's shard."""
    for semantics in SEMANTICS:
        for dtype in (torch.float32, torch.float64):
            name = f"{semantics}/{str(dtype).removeprefix('torch.')}"
            yield f"clouds/{name}", one_call(own, group, dtype, semantics=semantics)
            yield f"features/{name}", dictionary(own, group, dtype, semantics)
    for taus in ((0.05,), (0.2, 0.02)):
        yield f"clouds/taus {taus}", one_call(own, group, torch.float32, temperatures=taus)


def clouds(dtype: torch.dtype) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Classes of very different widths, with weights."""
    draw = torch.Generator().manual_seed(0)
    width = torch.logspace(-1, 1, LABELS)[:, None, None]
    given = [
        (width * torch.randn(LABELS, k, 5, generator=draw) + shift).to(dtype)
        for k, shift in ((6, 0.0), (8, 0.3), (4, -0.2))
    ]
    weights = {
        f"weight_{side}": 0.5 + torch.rand(LABELS, k, generator=draw).to(dtype)
        for side, k in (("gen", 6), ("pos", 8), ("neg", 4))
    }
    return given, weights


def one_call(own: slice, group: Any, dtype: torch.dtype, **options: Any) -> dict[str, float]:
    """`drift_loss`: each loss and its gradient, with unequal upstream gradients."""
    (gen, pos, neg), weights = clouds(dtype)
    upstream = torch.linspace(0.5, 2.0, LABELS, dtype=dtype)
    call = {"temperatures": TAUS} | options
    x = gen.clone().requires_grad_()
    whole, info = drift_loss(x, pos, neg, **weights, **call)
    (expected,) = torch.autograd.grad((whole * upstream).sum(), x)

    x = gen[own].clone().requires_grad_()
    shard = {key: value[own] for key, value in weights.items()}
    with Collectives() as collectives:
        loss, figures = drift_loss(x, pos[own], neg[own], **shard, **call, group=group)
        (found,) = torch.autograd.grad((loss * upstream[own]).sum(), x)
    return {
        "loss": worst(loss, whole[own]),
        "gradient": worst(found, expected[own], of=expected),
        "info": max(worst(figures[key], value) for key, value in info.items()),
        "collectives": collectives.count,
    }


def dictionary(own: slice, group: Any, dtype: torch.dtype, semantics: str) -> dict[str, float]:
    """`feature_loss` on three names: the loss of all labels, and what reaches this process's."""
    draw = torch.Generator().manual_seed(1)
    gen, real = (
        {
            name: torch.randn(LABELS, k, *shape, generator=draw).to(dtype)
            for name, shape in MAPS.items()
        }
        for k in (4, 7)
    )
    alpha = torch.linspace(1.0, 3.0, LABELS, dtype=dtype)
    call: dict[str, Any] = {"positives": 5, "temperatures": TAUS, "semantics": semantics}
    leaves = {name: value.clone().requires_grad_() for name, value in gen.items()}
    whole, info = feature_loss(leaves, real, alpha, **call)
    expected = dict(zip(leaves, torch.autograd.grad(whole, list(leaves.values())), strict=True))

    leaves = {name: value[own].clone().requires_grad_() for name, value in gen.items()}
    shard = {name: value[own] for name, value in real.items()}
    with Collectives() as collectives:
        loss, figures = feature_loss(leaves, shard, alpha[own], **call, group=group)
        found = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
    return {
        "loss": worst(loss, whole),
        "gradient": max(worst(found[n], expected[n][own], of=expected[n]) for n in MAPS),
        "info": max(worst(figures[key], value) for key, value in info.items()),
        "collectives": collectives.count,
    }


def worst(found: Tensor, expected: Tensor, of: Tensor | None = None) -> float:
    """Largest error, relative to the largest expected value; infinite for another shape."""
    if found.shape != expected.shape:
        return float("inf")
    if not found.numel():
        return 0.0
    largest = (expected if of is None else of).abs().max()
    return float((found - expected).abs().max() / largest)

"""What the loss costs beside the matrix products that it cannot avoid, in one process.

The floor is one product x y^T and three products K y of the loss's shapes, into tensors that are
there. Floor and loss are timed in turn, and a ratio is that of a pair, so that what else the
machine does falls on both. Before anything is timed, the kernel has to agree with the plain one.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drift.errors import DriftError
from drift.loss import drift_loss

# (B, G, P, N, S)
SHAPES = ((64, 64, 64, 16, 256), (256, 64, 64, 16, 128), (16, 64, 128, 32, 640))
AGREEMENT = 2.0e-4  # float32, of the largest entry of the gradient
WARM_UP = 2


class KernelError(DriftError):
    """A kernel whose gradient is not the plain one's."""


def loss(kernel: str = "plain", pairs: int = 20) -> dict[str, Any]:
    """Schema drift-bench/1: hardware, and for each shape the times and their ratios."""
    return {
        "schema": "drift-bench/1",
        "bench": "loss",
        "kernel": kernel,
        "hardware": hardware(),
        "clock": "processor time of one thread" if torch.get_num_threads() == 1 else "wall clock",
        "shapes": [_one(shape, kernel, pairs) for shape in SHAPES],
    }


def hardware() -> dict[str, Any]:
    """What two results have to share before they are compared."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
    }


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _one(shape: tuple[int, ...], kernel: str, pairs: int) -> dict[str, Any]:
    b, g, p, n, s = shape
    draw = torch.Generator().manual_seed(0)
    gen, pos, neg = (torch.randn(b, k, s, generator=draw) for k in (g, p, n))
    weight = 0.5 + torch.rand(b, n, generator=draw)
    floor = _floor(gen, torch.cat([gen, neg, pos], dim=1))

    def value_and_gradient(kernel: str = kernel) -> Tensor:
        x = gen.clone().requires_grad_()
        loss, _ = drift_loss(x, pos, neg, weight_neg=weight, kernel=kernel)
        (gradient,) = torch.autograd.grad(loss.sum(), x)
        return gradient

    _require_agreement(value_and_gradient(), value_and_gradient("plain"), kernel)
    times = [(_seconds(floor), _seconds(value_and_gradient)) for _ in range(WARM_UP + pairs)]
    times = times[WARM_UP:]
    return {
        "B, G, P, N, S": list(shape),
        "floor_ms": 1e3 * min(one for one, _ in times),
        "loss_ms": 1e3 * min(two for _, two in times),
        "ratio_median": statistics.median(two / one for one, two in times),
        "ratio_of_fastest": min(two for _, two in times) / min(one for one, _ in times),
    }


def _floor(x: Tensor, y: Tensor) -> Callable[[], Tensor]:
    k = torch.rand(len(x), x.shape[1], y.shape[1])
    pairs, forces = torch.empty_like(k), torch.empty_like(x)

    def products() -> Tensor:
        torch.bmm(x, y.mT, out=pairs)
        for _ in range(3):
            torch.bmm(k, y, out=forces)
        return forces

    return products


def _require_agreement(found: Tensor, expected: Tensor, kernel: str) -> None:
    off = float((found - expected).abs().max() / expected.abs().max())
    if not off <= AGREEMENT:
        raise KernelError("kernel", found=f"{kernel}, off by {off:.2g}", expected="the plain one")


def _seconds(function: Callable[[], Tensor]) -> float:
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    began = clock()
    function()
    return clock() - began

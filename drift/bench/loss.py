"""What the loss costs beside the matrix products that it cannot avoid.

The floor is one product x y^T and three products K y of the loss's shapes, into tensors that are
there. Before anything is timed, the kernel has to agree with the plain one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from drift.bench.timing import Case, Work
from drift.errors import DriftError
from drift.loss import drift_loss

# (B, G, P, N, S)
SHAPES = ((64, 64, 64, 16, 256), (256, 64, 64, 16, 128), (16, 64, 128, 32, 640))
AGREEMENT = 2.0e-4  # float32, of the largest entry of the gradient
FLOOR = "one product x y^T and three products K y"


class KernelError(DriftError):
    """A kernel whose gradient is not the plain one's."""


def cases(kernel: str = "plain") -> list[Case]:
    """Value and gradient of the loss at each shape; raises KernelError for a wrong kernel."""
    return [_case(shape, kernel) for shape in SHAPES]


def _case(shape: tuple[int, ...], kernel: str) -> Case:
    b, g, p, n, s = shape
    draw = torch.Generator().manual_seed(0)
    gen, pos, neg = (torch.randn(b, k, s, generator=draw) for k in (g, p, n))
    weight = 0.5 + torch.rand(b, n, generator=draw)

    def value_and_gradient(kernel: str = kernel) -> Tensor:
        x = gen.detach().requires_grad_()
        loss, _ = drift_loss(x, pos, neg, weight_neg=weight, kernel=kernel)
        (gradient,) = torch.autograd.grad(loss.sum(), x)
        return gradient

    _require_agreement(value_and_gradient(), value_and_gradient("plain"), kernel)
    name = ", ".join(f"{letter} {size}" for letter, size in zip("BGPNS", shape, strict=True))
    return Case(name, value_and_gradient, _floor(gen, torch.cat([gen, neg, pos], dim=1)), FLOOR)


def _floor(x: Tensor, y: Tensor) -> Work:
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

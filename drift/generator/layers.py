"""Linear maps and norms; the parameters stay float32 and are cast where they are used."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

NORM_EPS = 1.0e-6  # of every norm; torch's own default for LayerNorm is 1e-5

# How a linear's weight is drawn; the functions are those of drift.generator.init.
Law = Literal["xavier", "alpha", "modulation", "output"]
NormKind = Literal["rms", "layer"]


def wide(x: Tensor) -> Tensor:
    """x in float32, or in its own precision where that is higher."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def scaled(x: Tensor, factor: float) -> Tensor:
    """x times a constant that is first rounded to x's precision, as the reference does."""
    return x * x.new_full((), factor)


def gain(weight: Tensor) -> Tensor:
    """The learned scale of a norm."""
    return weight


def rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    """Affine RMSNorm over the last axis: computed in float32, rounded once to x's precision."""
    x32 = wide(x)
    return functional.rms_norm(x32, x.shape[-1:], gain(weight).to(x32.dtype), NORM_EPS).to(x.dtype)


def layer_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """LayerNorm over the last axis, precision as in `rms_norm`."""
    x32 = wide(x)
    if weight is None or bias is None:
        return functional.layer_norm(x32, x.shape[-1:], eps=NORM_EPS).to(x.dtype)
    affine = gain(weight).to(x32.dtype), bias.to(x32.dtype)
    return functional.layer_norm(x32, x.shape[-1:], *affine, eps=NORM_EPS).to(x.dtype)


def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x W^T + b in the precision of x; in bfloat16 the product is rounded before b is added."""
    weight, bias = weight.to(x.dtype), bias.to(x.dtype)
    return (
        functional.linear(x, weight) + bias
        if x.dtype == torch.bfloat16
        else functional.linear(x, weight, bias)
    )


def silu_by_operation(x: Tensor) -> Tensor:
    """x / (1 + exp(-x)) with every operation rounded to x's precision, as the reference does it.

    torch's fused SiLU rounds once: nearer to the truth, but another last bit in bfloat16.
    """
    denominator = 1 + torch.exp(-x.clamp(min=-80.0))  # the clamp keeps the gradient finite
    return x * denominator.reciprocal()


class Norm(nn.Module):
    """RMSNorm with a learned scale, or LayerNorm with scale and shift only where `affine`."""

    def __init__(self, width: int, kind: NormKind, *, affine: bool = False) -> None:
        super().__init__()
        self.kind = kind
        self.weight = nn.Parameter(torch.empty(width)) if kind == "rms" or affine else None
        self.bias = nn.Parameter(torch.empty(width)) if kind == "layer" and affine else None

    def forward(self, x: Tensor) -> Tensor:
        """x [..., width] -> [..., width]"""
        if self.kind == "layer":
            return layer_norm(x, self.weight, self.bias)
        assert self.weight is not None
        return rms_norm(x, self.weight)

    def extra_repr(self) -> str:
        return self.kind


class Linear(nn.Module):
    """x W^T + b in the precision of x; `law` names how W is drawn, b starts at zero."""

    def __init__(self, width_in: int, width_out: int, *, law: Law = "xavier") -> None:
        super().__init__()
        self.law: Law = law
        self.weight = nn.Parameter(torch.empty(width_out, width_in))
        self.bias = nn.Parameter(torch.empty(width_out))

    def forward(self, x: Tensor) -> Tensor:
        """x [..., width_in] -> [..., width_out]"""
        return affine(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        width_out, width_in = self.weight.shape
        return f"{width_in} -> {width_out}, {self.law}"


class Table(nn.Module):
    """Learned rows: indices [...] -> [..., width]; `law` names the spread they are drawn with."""

    def __init__(self, rows: int, width: int, *, law: Literal["class", "style"]) -> None:
        super().__init__()
        self.law: Literal["class", "style"] = law
        self.weight = nn.Parameter(torch.empty(rows, width))

    def forward(self, indices: Tensor) -> Tensor:
        return functional.embedding(indices, self.weight)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]} rows of {self.weight.shape[1]}"

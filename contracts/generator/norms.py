"""Checks of the generator's norms against their formulas, in every kind and precision."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from drift.generator import layers
from verify.api import CheckContext, Measurement, check, mutant
from verify.numeric.arrays import largest

WIDTH, EPS = 6, 1.0e-6
ONE_ROUNDING = 2.0**-8  # of bfloat16, in shares of the largest value


@check("generator.norms")
def norms(ctx: CheckContext) -> Measurement:
    """RMSNorm with its scale, LayerNorm with and without one, of small values and of large ones."""
    drawn = torch.Generator().manual_seed(ctx.seed)
    errors: dict[str, float] = {}
    for kind, affine, size in product(("rms", "layer"), (False, True), (1.0e-3, 1.0, 1.0e3)):
        x = size * torch.randn(2, 5, WIDTH, generator=drawn)
        norm = layers.Norm(WIDTH, kind, affine=affine)  # type: ignore[arg-type]
        with torch.no_grad():
            for part in norm.parameters():
                part.copy_(torch.randn(WIDTH, generator=drawn))
        expected = by_hand(x, norm)
        name = f"{kind}, affine {affine}, {size}"
        errors[name] = largest(norm(x).double() - expected) / largest(expected)
        short = norm(x.bfloat16())
        off = largest(short.double() - by_hand(x.bfloat16(), norm)) / largest(expected)
        right = short.dtype == torch.bfloat16 and off < ONE_ROUNDING
        errors[f"{name}, bfloat16"] = 0.0 if right else float("inf")
    return ctx.judge_worst(errors, "of the largest value")


def by_hand(x: Tensor, norm: Any) -> Tensor:
    """float64: x over its root mean square, or less its mean over its deviation."""
    wide = x.double().numpy()
    if norm.kind == "layer":
        wide = wide - wide.mean(-1, keepdims=True)
    found = torch.from_numpy(wide / np.sqrt((wide**2).mean(-1, keepdims=True) + EPS))
    scale = 1.0 if norm.weight is None else norm.weight.detach().double()
    shift = 0.0 if norm.bias is None else norm.bias.detach().double()
    return found * scale + shift


@mutant("generator.shift_left_out", layers, "layer_norm")
def shift_left_out(real: Any, x: Tensor, weight: Any, bias: Any) -> Tensor:
    """The shift of a LayerNorm is never added."""
    found: Tensor = real(x, weight, None if bias is None else torch.zeros_like(bias))
    return found


# The root of the mean square is that of torch's own eps.
OTHER_EPS = mutant("generator.eps_of_the_library", layers, NORM_EPS=1.0e-5)

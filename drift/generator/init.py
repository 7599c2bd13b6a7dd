"""Initial parameters as the reference draws them (method.md section 5).

Linears xavier-uniform with zero bias, but for the guidance MLP (normal), adaLN and the output
head (zero); tables and the register embedding normal; norms one; positions sine-cosine.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from drift.generator import tokens
from drift.generator.layers import Linear, Norm, Table

CLASS_STD = 0.02
STYLE_STD = 0.02
REGISTER_STD = 0.02
ALPHA_STD = 0.02


def xavier_(weight: Tensor, generator: torch.Generator | None) -> None:
    """Uniform in +-sqrt(6 / (inputs + outputs)); the fused qkv counts all its outputs."""
    nn.init.xavier_uniform_(weight, generator=generator)


def alpha_(weight: Tensor, generator: torch.Generator | None) -> None:
    """The two linears of the guidance MLP."""
    nn.init.normal_(weight, std=ALPHA_STD, generator=generator)


def modulation_(weight: Tensor, generator: torch.Generator | None) -> None:
    """adaLN-zero: no shift, no scale, closed gates."""
    nn.init.zeros_(weight)


def output_(weight: Tensor, generator: torch.Generator | None) -> None:
    """The output head: an untrained generator returns exactly zero."""
    nn.init.zeros_(weight)


def class_(weight: Tensor, generator: torch.Generator | None) -> None:
    nn.init.normal_(weight, std=CLASS_STD, generator=generator)


def style_(weight: Tensor, generator: torch.Generator | None) -> None:
    nn.init.normal_(weight, std=STYLE_STD, generator=generator)


def registers_(weight: Tensor, generator: torch.Generator | None) -> None:
    nn.init.normal_(weight, std=REGISTER_STD, generator=generator)


def positions_(weight: Tensor, grid: int) -> None:
    """weight [1, grid*grid, D]"""
    with torch.no_grad():
        weight.copy_(tokens.sincos_positions(grid, weight.shape[-1]))


def initialise(
    module: nn.Module,
    generator: torch.Generator | None,
    *,
    positions: Tensor,
    registers: Tensor | None,
) -> None:
    """Draw every parameter anew, in the order of the modules; on the meta device do nothing.

    positions  the learned positions [1, grid*grid, D]; registers their embedding, if there is one
    generator  on the device of the parameters; None: torch's default generator
    """
    if positions.is_meta:
        return
    # Built here so that each law is looked up when it is used.
    laws = {
        "xavier": xavier_,
        "alpha": alpha_,
        "modulation": modulation_,
        "output": output_,
        "class": class_,
        "style": style_,
    }
    for part in module.modules():
        if isinstance(part, Linear):
            laws[part.law](part.weight, generator)
            nn.init.zeros_(part.bias)
        elif isinstance(part, Table):
            laws[part.law](part.weight, generator)
        elif isinstance(part, Norm):
            _neutral(part)
    positions_(positions, round(positions.shape[1] ** 0.5))
    if registers is not None:
        registers_(registers, generator)


def _neutral(norm: Norm) -> None:
    if norm.weight is not None:
        nn.init.ones_(norm.weight)
    if norm.bias is not None:
        nn.init.zeros_(norm.bias)

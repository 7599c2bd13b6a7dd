"""Initial parameters as the reference draws them.

Kernels: normal, truncated at two standard deviations and rescaled to the variance 1 / fan-in;
biases zero; norms one and zero.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from drift.encoder.layers import Conv, GroupNorm, Linear

# Standard deviation of a unit normal truncated at +-2: dividing by it restores the variance.
TRUNCATED_STD = 0.87962566103423978
CUT = 2.0


def fan_in(weight: Tensor) -> int:
    """Inputs of one output: columns of a matrix, channels times kernel area of a convolution."""
    return weight[0].numel()


def lecun_normal_(weight: Tensor, generator: torch.Generator | None) -> None:
    """Fill `weight` from the truncated normal with variance 1 / fan-in."""
    scale = 1.0 / (math.sqrt(fan_in(weight)) * TRUNCATED_STD)
    nn.init.trunc_normal_(weight, std=scale, a=-CUT * scale, b=CUT * scale, generator=generator)


def initialise(model: nn.Module, generator: torch.Generator | None = None) -> None:
    """Draw every parameter of `model` anew, in the order of its modules.

    `generator` None uses torch's default generator, as torch's own layers do.
    """
    for module in model.modules():
        if isinstance(module, GroupNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, Conv | Linear):
            lecun_normal_(module.weight, generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

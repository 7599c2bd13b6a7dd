"""Which squares of the input the autoencoder does not see (paper A.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from drift.errors import InputError


def mask_from_uniform(uniform: Tensor, ratio: Tensor | float, *, patch: int) -> Tensor:
    """uniform [B, h, w], ratio [B] or a number -> mask [B, 1, h*patch, w*patch], 1 = masked.

    A square is masked where its uniform lies below the ratio of its sample.
    """
    threshold = torch.as_tensor(ratio, dtype=uniform.dtype, device=uniform.device)
    squares = (uniform < threshold.reshape(-1, 1, 1)).to(uniform.dtype)
    rows = squares.repeat_interleave(patch, dim=1)
    return rows.repeat_interleave(patch, dim=2).unsqueeze(1)


def draw_mask(
    batch: int,
    size: tuple[int, int],
    *,
    ratio: tuple[float, float],
    patch: int,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
) -> Tensor:
    """A random mask [batch, 1, *size] on the patchified grid, 1 = masked.

    ratio  the range from which each sample draws its own share of masked squares; (0.5, 0.5) in
           every published configuration
    """
    if size[0] % patch or size[1] % patch:
        raise InputError(
            "draw_mask", found=f"a grid of {size}", expected=f"multiples of the mask patch {patch}"
        )
    low, high = ratio
    if not 0.0 <= low <= high <= 1.0:
        raise InputError("draw_mask: ratio", found=ratio, expected="0 <= low <= high <= 1")
    shares = low + (high - low) * torch.rand(batch, generator=generator, device=device)
    squares = (batch, size[0] // patch, size[1] // patch)
    uniform = torch.rand(squares, generator=generator, device=device)
    return mask_from_uniform(uniform, shares, patch=patch)

"""Bilinear resize with half-pixel centres, antialiased when it shrinks.

What the reference's `jax.image.resize(..., method="bilinear")` computes: the decoder grows its maps
with it, and the second encoder brings every image to 224 x 224 with it.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

ANTIALIAS = True
ALIGN_CORNERS = False


def resize_bilinear(images: Tensor, size: tuple[int, int]) -> Tensor:
    """images [B, C, H, W] -> [B, C, *size], in the dtype of the images.

    An unchanged size returns the input itself. The filter is evaluated in float32 at least: a
    bfloat16 image loses precision once, at the end.
    """
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    wide = images if images.itemsize >= 4 else images.float()
    resized = functional.interpolate(
        wide, size=size, mode="bilinear", align_corners=ALIGN_CORNERS, antialias=ANTIALIAS
    )
    return resized.to(images.dtype)

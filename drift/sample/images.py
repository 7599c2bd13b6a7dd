"""From samples in [-1, 1] to the bytes that every metric sees."""

from __future__ import annotations

import torch
from torch import Tensor

from drift.errors import InputError

LEVELS = 255


def to_uint8(unit: Tensor) -> Tensor:
    """[0, 1] to bytes by truncation; beyond the range to its ends, NaN to 0.

    Truncation, not rounding, is the reference's (evaluation.rounding): half a level darker on
    average, on both sides of a comparison or on neither.
    """
    inside = torch.nan_to_num(unit, nan=0.0, posinf=1.0, neginf=0.0).clamp(0.0, 1.0)
    return (inside * LEVELS).to(torch.uint8)


def pixels(samples: Tensor) -> Tensor:
    """Samples [N, C, H, W] in [-1, 1] -> uint8 of the same shape.

    Raises InputError for a sample that is not finite: it would become a black or a white image.
    """
    bad = int((~torch.isfinite(samples)).flatten(1).any(dim=1).sum()) if len(samples) else 0
    if bad:
        raise InputError(
            "samples",
            found=f"{bad} of {len(samples)} with numbers that are not finite",
            expected="finite samples",
            remedy="The weights or the decoder are damaged; evaluate an earlier checkpoint.",
        )
    return to_uint8((samples.float() + 1.0) / 2.0)


def signed(images: Tensor) -> Tensor:
    """uint8 -> float32 in [-1, 1]."""
    return images.float() / (LEVELS / 2) - 1.0


def rgb(images: Tensor) -> Tensor:
    """[N, 1 or 3, H, W] -> [N, 3, H, W]: a grey image three times, as image folders are read."""
    if images.shape[1] not in (1, 3):
        raise InputError("images", found=f"{images.shape[1]} channels", expected="1 or 3")
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images

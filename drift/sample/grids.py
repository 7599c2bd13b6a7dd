"""Pictures of samples."""

from __future__ import annotations

from io import BytesIO

import torch
from torch import Tensor
from torch.nn import functional

from drift.errors import InputError

MARGIN = 2
LEAST_SIDE = 32  # smaller images are enlarged, pixel by pixel
MOST = 400  # images of a grid


def shows_images(samples: Tensor) -> bool:
    """Whether samples [N, C, H, W] are images, not latents."""
    return samples.shape[1] in (1, 3)


def levels(samples: Tensor) -> Tensor:
    """[N, C, H, W] in [-1, 1] -> uint8; of latents the first channel, scaled to its largest."""
    if not shows_images(samples):
        first = samples[:, :1]
        samples = first / first.abs().amax().clamp_min(1e-6)
    return ((samples.clamp(-1, 1) + 1) * 127.5).to(torch.uint8)


def grid(images: Tensor, columns: int) -> Tensor:
    """uint8 [N, C, H, W] -> uint8 [C, rows (H+2)+2, columns (W+2)+2], white between, row by row."""
    if images.dtype != torch.uint8 or images.ndim != 4 or not len(images) or columns < 1:
        raise InputError(
            "grid", found=f"{images.dtype} {tuple(images.shape)}, {columns} columns",
            expected="uint8 [N, C, H, W] and at least one column",
        )  # fmt: skip
    factor = -(-LEAST_SIDE // min(images.shape[-2:]))
    if factor > 1:
        images = images.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    missing = -len(images) % columns
    images = torch.cat([images, images.new_full((missing, *images.shape[1:]), 255)])
    framed = functional.pad(images, (0, MARGIN, 0, MARGIN), value=255)
    rows = [torch.cat(list(row), dim=2) for row in torch.split(framed, columns)]
    return functional.pad(torch.cat(rows, dim=1), (MARGIN, 0, MARGIN, 0), value=255)


def png(image: Tensor) -> bytes:
    """uint8 [1 or 3, H, W] -> the bytes of a PNG; the same pixels give the same bytes."""
    from PIL import Image

    array = image.permute(1, 2, 0).contiguous().numpy()
    picture = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    buffer = BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()

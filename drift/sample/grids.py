"""Pictures of samples, each under the name of its class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from io import BytesIO
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from drift.errors import InputError

MARGIN = 2
LEAST_SIDE = 32  # smaller images are enlarged, pixel by pixel
MOST = 400  # images of a grid
CAPTION = 13  # pixels above a row whose images are named
LETTERS = 10


def shows_images(samples: Tensor) -> bool:
    """Whether samples [N, C, H, W] are images, not latents."""
    return samples.shape[1] in (1, 3)


def levels(samples: Tensor) -> Tensor:
    """[N, C, H, W] in [-1, 1] -> uint8; of latents the first channel, scaled to its largest."""
    if not shows_images(samples):
        first = samples[:, :1]
        samples = first / first.abs().amax().clamp_min(1e-6)
    return ((samples.clamp(-1, 1) + 1) * 127.5).to(torch.uint8)


def grid(images: Tensor, columns: int, names: Sequence[str] | None = None) -> Tensor:
    """uint8 [N, C, H, W] -> uint8 [C, rows (H+2)+2, columns (W+2)+2], white between, row by row.

    names  of the N images, such as of their classes: each row then has CAPTION pixels more above
           it, where neighbours with one name share it
    """
    named = names is None or len(names) == len(images)
    if (
        images.dtype != torch.uint8
        or images.ndim != 4
        or not len(images)
        or columns < 1
        or not named
    ):
        said = "" if names is None else f", {len(names)} names"
        raise InputError(
            "grid", found=f"{images.dtype} {tuple(images.shape)}, {columns} columns{said}",
            expected="uint8 [N, C, H, W], at least one column, and a name for each image or none",
        )  # fmt: skip
    factor = -(-LEAST_SIDE // min(images.shape[-2:]))
    if factor > 1:
        images = images.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    missing = -len(images) % columns
    images = torch.cat([images, images.new_full((missing, *images.shape[1:]), 255)])
    framed = functional.pad(images, (0, MARGIN, 0, MARGIN), value=255)
    rows = [torch.cat(list(row), dim=2) for row in torch.split(framed, columns)]
    if names is not None:
        parts = (names[start : start + columns] for start in range(0, len(names), columns))
        rows = [_captioned(row, part, columns) for row, part in zip(rows, parts, strict=True)]
    return functional.pad(torch.cat(rows, dim=1), (MARGIN, 0, MARGIN, 0), value=255)


def names_of(labels: Sequence[int], names: Sequence[str] | None) -> list[str]:
    """What a picture calls the class of each label: its name, or the label itself where it has none
    or one of other than ASCII characters, which the letters of pictures do not hold."""
    given = [names[label] if names else "" for label in labels]
    held = [name.isascii() and name.isprintable() and bool(name.strip()) for name in given]
    return [
        name if shown else str(label)
        for label, name, shown in zip(labels, given, held, strict=True)
    ]


def caption(name: str, width: int) -> Tensor:
    """uint8 [CAPTION, width], black on white: a name, cut where it would not fit."""
    from PIL import Image, ImageDraw

    strip = Image.new("L", (width, CAPTION), 255)
    room = width - MARGIN
    cut = next(n for n in range(len(name), -1, -1) if _font().getlength(name[:n]) <= room)
    ImageDraw.Draw(strip).text((0, 0), name[:cut], fill=0, font=_font())
    return torch.from_numpy(np.array(strip))


def _captioned(row: Tensor, names: Sequence[str], columns: int) -> Tensor:
    """A row of `columns` images [C, H, W] below the names of the first of them."""
    each, shown = row.shape[2] // columns, []
    for name, same in groupby(names):
        shown.append(caption(name, each * len(list(same))))
    strip = functional.pad(torch.cat(shown, 1), (0, each * (columns - len(names))), value=255)
    return torch.cat([strip.expand(len(row), -1, -1), row], dim=1)


@cache
def _font() -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(LETTERS)


def png(image: Tensor) -> bytes:
    """uint8 [1 or 3, H, W] -> the bytes of a PNG; the same pixels give the same bytes."""
    from PIL import Image

    array = image.permute(1, 2, 0).contiguous().numpy()
    picture = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    buffer = BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()

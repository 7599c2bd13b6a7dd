"""Random resized crops of images, for the encoder's pre-training (paper A.3).

The paper names the augmentation and none of its numbers; these are the customary ones (DEC-0213).
A crop is a function of the image's sides and of uniform numbers, which the caller draws: the same
numbers give the same crop, whatever was read before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from drift.data import crop as cropping

SCALE = (0.08, 1.0)  # area of the crop over that of the image
RATIO = (3 / 4, 4 / 3)  # width of the crop over its height
TRIES = 10
NUMBERS = 4 * TRIES  # uniform numbers of one crop: area, ratio, left and top of each try
KERNEL = Image.Resampling.BILINEAR


@dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels."""

    left: int
    top: int
    width: int
    height: int


def numbers(n: int, generator: torch.Generator) -> Tensor:
    """What n crops need: uniform, float64 [n, NUMBERS]."""
    return torch.rand(n, NUMBERS, generator=generator, dtype=torch.float64)


def box_of(sides: tuple[int, int], uniform: Sequence[float]) -> Box:
    """The crop of an image of sides (width, height).

    Area uniform in SCALE, logarithm of the ratio uniform in RATIO, place uniform; of several tries
    the first that fits. Where none does, the largest crop in the middle whose ratio is in RATIO.
    """
    width, height = sides
    low, high = (math.log(bound) for bound in RATIO)
    for i in range(0, len(uniform), 4):
        u_area, u_ratio, u_left, u_top = uniform[i : i + 4]
        area = width * height * (SCALE[0] + u_area * (SCALE[1] - SCALE[0]))
        ratio = math.exp(low + u_ratio * (high - low))
        wide, tall = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < tall <= height:
            return Box(_place(u_left, width - wide), _place(u_top, height - tall), wide, tall)
    wide = min(width, max(1, round(height * RATIO[1])))
    tall = min(height, max(1, round(width / RATIO[0])))
    return Box((width - wide) // 2, (height - tall) // 2, wide, tall)


def resized_crop(image: Image.Image, box: Box, size: int) -> Image.Image:
    """The box, brought to a square of `size`; a box that is one already is kept to the pixel."""
    right, bottom = box.left + box.width, box.top + box.height
    cut = image.crop((box.left, box.top, right, bottom))
    return cropping.filtered(cut, (size, size), KERNEL)


def random_resized_crop(image: Image.Image, size: int, uniform: Sequence[float]) -> Image.Image:
    """A random crop as a square of `size` pixels."""
    return resized_crop(image, box_of(image.size, uniform), size)


def _place(u: float, room: int) -> int:
    """One of room + 1 places; u in [0, 1)."""
    return min(int(u * (room + 1)), room)

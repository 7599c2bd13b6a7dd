"""Checks of the random resized crop of the encoder's pre-training, from its definition."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from PIL import Image

from drift import rng
from drift.data import augment, crop
from verify.api import CheckContext, Measurement, check, mutant

DRAWS = 400
SIDES = ((64, 64), (100, 75), (75, 100), (33, 40))


@check("train.random_crop")
def random_crop(ctx: CheckContext) -> Measurement:
    """Bounds of area, ratio and place; the whole image; the same draw, the same crop."""
    problem = _outside(ctx) or _spread_wrong(ctx) or _whole_image(ctx.seed) or _drawn(ctx.seed)
    reason = problem or f"{DRAWS} crops of each of {len(SIDES)} shapes lie inside their bounds"
    return ctx.decide(not problem, reason)


def _boxes(seed: int, sides: tuple[int, int]) -> list[augment.Box]:
    drawn = augment.numbers(DRAWS, rng.stream(seed, f"crop {sides}"))
    return [augment.box_of(sides, one) for one in drawn.tolist()]


def _outside(ctx: CheckContext) -> str:
    """A crop that leaves the image, or the bounds by more than the rounding to whole pixels."""
    (small, large), (low, high) = ctx.params["scale"], ctx.params["ratio"]
    for sides in SIDES:
        for box in _boxes(ctx.seed, sides):
            if box.left < 0 or box.top < 0:
                return f"{box} begins outside"
            if box.left + box.width > sides[0] or box.top + box.height > sides[1]:
                return f"{box} leaves an image of {sides}"
            if (box.width + 0.5) / (box.height - 0.5) < low:
                return f"{box} is narrower than {low:.3g}"
            if (box.width - 0.5) / (box.height + 0.5) > high:
                return f"{box} is wider than {high:.3g}"
            area = sides[0] * sides[1]
            if (box.width + 0.5) * (box.height + 0.5) < small * area:
                return f"{box} is less than {small:.0%} of {sides}"
            if (box.width - 0.5) * (box.height - 0.5) > large * area:
                return f"{box} is more than {large:.0%} of {sides}"
    return ""


def _spread_wrong(ctx: CheckContext) -> str:
    """The draws do not fill the ranges, or lean to one side of the image."""
    (small, _), (low, high) = ctx.params["scale"], ctx.params["ratio"]
    boxes = _boxes(ctx.seed, (640, 640))
    area = np.array([box.width * box.height for box in boxes]) / 640**2
    ratio = np.array([box.width / box.height for box in boxes])
    if area.min() > 1.5 * small or area.max() < 0.9:
        return f"areas from {area.min():.2f} to {area.max():.2f} only"
    if ratio.min() > low * 1.05 or ratio.max() < high / 1.05:
        return f"ratios from {ratio.min():.2f} to {ratio.max():.2f} only"
    lean = abs(float(np.log(ratio).mean()))
    if lean > 5 * math.log(high) / math.sqrt(3 * DRAWS):
        return f"the mean logarithm of the ratio is {lean:.3f}"
    for name, room in (("left", "width"), ("top", "height")):
        free = [(getattr(b, name), 640 - getattr(b, room)) for b in boxes]
        mean = float(np.mean([at / most for at, most in free if most]))
        if abs(mean - 0.5) > 5 / math.sqrt(12 * DRAWS):
            return f"crops begin at {mean:.2f} of the room on the {name}, on average"
    return ""


def _whole_image(seed: int) -> str:
    """A box that is the whole image at its own size changes no pixel."""
    levels = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    image = Image.fromarray(levels)
    kept = augment.resized_crop(image, augment.Box(0, 0, 24, 24), 24)
    same = np.array_equal(np.asarray(kept), levels)
    if not same:
        return "the whole image at its own size is changed"
    part = augment.resized_crop(image, augment.Box(3, 5, 8, 8), 8)
    cut = np.array_equal(np.asarray(part), levels[5:13, 3:11])
    return "" if cut else "a crop at its own size is not the part of the image"


def _drawn(seed: int) -> str:
    """The same numbers give the same crop, other numbers another."""
    levels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    image = Image.fromarray(levels)

    def crops(step: int) -> torch.Tensor:
        drawn = augment.numbers(3, rng.stream(seed, "crop", step)).tolist()
        made = [augment.random_resized_crop(image, 16, one) for one in drawn]
        return torch.stack([crop.pixels(one) for one in made])

    if not torch.equal(crops(1), crops(1)):
        return "one step gives two crops"
    first = crops(1)
    return "two steps give the same crops" if torch.equal(first, crops(2)) else ""


@mutant("train.crops_transposed", augment, "resized_crop")
def crops_transposed(original: Any, image: Any, box: augment.Box, size: int) -> Any:
    """Rows are taken for columns where the box is cut."""
    return original(image, augment.Box(box.top, box.left, box.height, box.width), size)


OTHER_VALUES = (
    # The scale is taken for one of the side, not of the area.
    mutant("train.crops_of_half_the_side", augment, SCALE=(0.08**2, 1.0)),
    # Width and height are drawn apart: any ratio may come.
    mutant("train.crops_squashed", augment, RATIO=(1 / 4, 4.0)),
    # Every crop begins at the upper left.
    mutant("train.crops_in_the_corner", augment, _place=lambda u, room: 0),
    # The ratio is always one.
    mutant("train.crops_square", augment, RATIO=(1.0, 1.0)),
    # Numbers come from hidden state, so a resumed run sees other crops.
    mutant(
        "train.crops_of_the_global_generator",
        augment,
        numbers=lambda n, generator: torch.rand(n, augment.NUMBERS, dtype=torch.float64),
    ),
)

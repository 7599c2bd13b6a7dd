"""What a comparison looks like: samples side by side, and the figures with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift import atomic, digits, plots
from drift.evaluate.comparison import Rival
from drift.evaluate.figures import Figure
from drift.sample import grids, images

PER_CLASS = 4
SHOWN = {
    "fid_proxy": "FID-proxy (lower is better)",
    "coverage": "coverage (higher is better)",
}


def comparison(
    path: Path,
    pixels: Tensor,
    labels: Tensor,
    figures: Mapping[str, Figure],
    real: Mapping[str, float],
    rivals: Sequence[Rival],
) -> None:
    """Write a PNG: one grid each for held-out digits, the run and its rivals, a row a class; below
    them the figures with their 95 % intervals, real training digits as a dashed line.

    pixels  uint8 [N, 1, 8, 8] of the run, labels [N]
    """
    held_out = digits.load()[1]
    side = (1, digits.SIDE, digits.SIDE)
    columns = [
        ("held-out digits", images.pixels(held_out.images.reshape(-1, *side)), held_out.labels),
        ("this run", pixels, labels),
        *((rival.name, rival.pixels, rival.labels) for rival in rivals),
    ]
    canvas = plots.figure(2.4 * len(columns), 8)
    halves: Any = canvas.subfigures(2, 1, height_ratios=[3, 1])  # typed as one, is two
    top, bottom = halves
    for axis, (name, shown, asked) in zip(top.subplots(1, len(columns)), columns, strict=True):
        axis.imshow(_rows(shown, asked), cmap="gray")
        axis.set_title(name.replace(", ", ",\n"), fontsize=9)
        axis.axis("off")
    for axis, (name, title) in zip(bottom.subplots(1, len(SHOWN)), SHOWN.items(), strict=True):
        ours = ("this run", figures[name])
        entries = [ours, *((rival.name, rival.figures[name]) for rival in rivals)]
        for place, (_, figure) in enumerate(entries):
            axis.plot([figure.low, figure.high], [place, place], color=f"C{place}", linewidth=2)
            axis.plot([figure.value], [place], "o", color=f"C{place}")
        axis.axvline(real[name], linestyle="--", color="gray", linewidth=1)
        axis.set_yticks(range(len(entries)), [label for label, _ in entries], fontsize=8)
        axis.set_ylim(len(entries) - 0.5, -0.5)
        axis.set_title(title, fontsize=9)
    atomic.write_bytes(path, plots.png(canvas))


def _rows(pixels: Tensor, labels: Tensor) -> NDArray[np.uint8]:
    """The first samples of each class, a row a class: [rows, columns] grey levels for a picture."""
    chosen = [pixels[labels == label][:PER_CLASS] for label in range(digits.CLASSES)]
    padded = [
        torch.cat([one, one.new_full((PER_CLASS - len(one), *one.shape[1:]), 255)])
        for one in chosen
    ]
    rows: NDArray[np.uint8] = grids.grid(torch.cat(padded), PER_CLASS)[0].numpy()
    return rows

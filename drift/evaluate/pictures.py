"""What a comparison looks like: samples side by side, and the figures with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift import atomic, plots
from drift.evaluate.comparison import Rival
from drift.evaluate.figures import Figure
from drift.evaluate.real import RealSet
from drift.sample import grids

PER_CLASS = 4
MOST_CLASSES = 10
SHOWN = {
    "fid_proxy": "FID-proxy (lower is better)",
    "coverage": "coverage (higher is better)",
}


def comparison(
    path: Path,
    pixels: Tensor,
    labels: Tensor,
    figures: Mapping[str, Figure],
    possible: Mapping[str, float],
    real: RealSet,
    rivals: Sequence[Rival],
) -> None:
    """Write a PNG: one grid each for held-out images, the run and its rivals, a row a class; below
    them the figures with their 95 % intervals, real training images as a dashed line.

    pixels  uint8 [N, C, H, W] of the run, labels [N]
    """
    columns = [
        ("held-out images", real.unseen, real.held_out.labels),
        ("this run", pixels, labels),
        *((rival.name, rival.pixels, rival.labels) for rival in rivals),
    ]
    canvas = plots.figure(2.4 * len(columns), 8)
    halves: Any = canvas.subfigures(2, 1, height_ratios=[3, 1])  # typed as one, is two
    top, bottom = halves
    for axis, (name, shown, asked) in zip(top.subplots(1, len(columns)), columns, strict=True):
        drawn, middles = _rows(shown, asked, len(real.classes))
        axis.imshow(drawn, cmap="gray", vmin=0, vmax=255)
        axis.set_title(name.replace(", ", ",\n"), fontsize=9)
        axis.set_xticks([])
        axis.set_yticks(middles, real.classes[: len(middles)], fontsize=7)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    for axis, (name, title) in zip(bottom.subplots(1, len(SHOWN)), SHOWN.items(), strict=True):
        ours = ("this run", figures[name])
        entries = [ours, *((rival.name, rival.figures[name]) for rival in rivals)]
        for place, (_, figure) in enumerate(entries):
            axis.plot([figure.low, figure.high], [place, place], color=f"C{place}", linewidth=2)
            axis.plot([figure.value], [place], "o", color=f"C{place}")
        axis.axvline(possible[name], linestyle="--", color="gray", linewidth=1)
        axis.set_yticks(range(len(entries)), [label for label, _ in entries], fontsize=8)
        axis.set_ylim(len(entries) - 0.5, -0.5)
        axis.set_title(title, fontsize=9)
    atomic.write_bytes(path, plots.png(canvas))


def _rows(pixels: Tensor, labels: Tensor, classes: int) -> tuple[NDArray[np.uint8], list[float]]:
    """(the first samples of the first classes, a row a class; where the rows have their middle).

    A picture is [rows, columns] of grey levels or [rows, columns, 3].
    """
    shown = min(classes, MOST_CLASSES)
    chosen = [pixels[labels == label][:PER_CLASS] for label in range(shown)]
    padded = [
        torch.cat([one, one.new_full((PER_CLASS - len(one), *one.shape[1:]), 255)])
        for one in chosen
    ]
    drawn = grids.grid(torch.cat(padded), PER_CLASS)
    found: NDArray[np.uint8] = drawn.permute(1, 2, 0).squeeze(-1).numpy()
    return found, [(row + 0.5) * len(found) / shown for row in range(shown)]

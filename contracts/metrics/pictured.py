"""Rows on the picture of a comparison: its grids, its intervals, and what they look like."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from matplotlib.colors import to_hex
from torch import Tensor

from drift import atomic, plots
from drift.evaluate import comparison, pictures
from drift.evaluate.figures import Figure
from drift.evaluate.real import RealSet

from ..common.rows import Row
from .resamples import near

__all__ = ["pictured"]


def pictured(real: RealSet, figure: Callable[[float, float], Figure]) -> Iterator[Row]:
    """Grids of a row a class beside each other, and intervals with the real ones' dashed line."""
    drawn = torch.arange(7).reshape(7, 1, 1, 1).expand(7, 1, 2, 2).to(torch.uint8)
    labels = torch.tensor([0, 0, 0, 0, 0, 2, 2])
    figures = {name: figure(1.0, 2.0) for name in pictures.SHOWN}
    rival = comparison.Rival("a, b", {n: figure(3.0, 5.0) for n in figures}, {}, drawn, labels, {})
    kept: list[Any] = []
    written: list[Any] = []

    def png(canvas: Any) -> bytes:
        kept.append(canvas)
        return b"png"

    with (
        patch.object(plots, "png", png),
        patch.object(atomic, "write_bytes", lambda *given: written.append(given)),
    ):
        possible = dict.fromkeys(figures, 1.25)
        pictures.comparison(Path("x"), drawn, labels, figures, possible, real, [rival])
    top, bottom = kept[0].subfigs
    grids = [axis.images[0].get_array() for axis in top.axes]
    yield "written", lambda: written, [(Path("x"), b"png")]
    titles = [axis.get_title() for axis in top.axes]
    yield "titles", lambda: titles, ["held-out images", "this run", "a,\nb"]
    names = [[t.get_text() for t in axis.get_yticklabels()] for axis in top.axes]
    yield "classes", lambda: names, [["a", "b", "c"]] * 3
    ticks = [(list(axis.get_xticks()), [s.get_visible() for s in axis.spines.values()])
             for axis in top.axes]  # fmt: skip
    yield "no frame", lambda: ticks, [([], [False] * 4)] * 3
    row, _ = pictures._rows(drawn, labels, 3)
    yield "the run's", lambda: [np.array_equal(g, row) for g in grids], [False, True, True]
    yield "levels of all", lambda: top.axes[1].images[0].get_clim(), (0.0, 255.0)
    yield from _rows_of(drawn, labels)
    yield from _styled(kept[0])
    lines = [[(list(line.get_xdata()), list(line.get_ydata()), line.get_linestyle(),
               line.get_marker()) for line in axis.lines] for axis in bottom.axes]  # fmt: skip
    yield "intervals", lambda: lines, [[
        ([1.0, 2.0], [0, 0], "-", "None"), ([1.5], [0], "None", "o"),
        ([3.0, 5.0], [1, 1], "-", "None"), ([4.0], [1], "None", "o"),
        ([1.25, 1.25], [0, 1], "--", "None"),
    ]] * 2  # fmt: skip
    told = [(axis.get_title(), axis.get_ylim(), [t.get_text() for t in axis.get_yticklabels()])
            for axis in bottom.axes]  # fmt: skip
    yield "what is better", lambda: told, [
        (title, (1.5, -0.5), ["this run", "a, b"]) for title in pictures.SHOWN.values()
    ]  # fmt: skip


def _styled(canvas: Any) -> Iterator[Row]:
    """Sizes, greys, and one colour for an interval and its middle, another for each entry."""
    top, bottom = canvas.subfigs
    places = [[axis.get_subplotspec().get_geometry() for axis in part.axes]
              for part in (top, bottom)]  # fmt: skip
    yield "beside each other", lambda: places, [[(1, n, k, k) for k in range(n)] for n in (3, 2)]
    yield "the size", lambda: [round(n, 9) for n in canvas.get_size_inches().tolist()], [7.2, 8.0]
    shares = [round(part.bbox.height / canvas.bbox.height, 9) for part in (top, bottom)]
    yield "shares", lambda: shares, [0.75, 0.25]
    kinds = [(axis.images[0].get_cmap().name, axis.images[0].get_clim()) for axis in top.axes]
    yield "greys", lambda: kinds, [("gray", (0.0, 255.0))] * 3
    letters = [[(axis.title.get_fontsize(), {t.get_fontsize() for t in axis.get_yticklabels()})
                for axis in part.axes] for part in (top, bottom)]  # fmt: skip
    yield "letters", lambda: letters, [[(9.0, {7})] * 3, [(9.0, {8})] * 2]
    ticks = [{tick.tick1line.get_markersize() for tick in axis.yaxis.get_major_ticks()}
             for axis in top.axes]  # fmt: skip
    yield "no ticks", lambda: ticks, [{0}] * 3
    drawn = [[(to_hex(line.get_color()), line.get_linewidth()) for line in axis.lines]
             for axis in bottom.axes]  # fmt: skip
    entries = [(to_hex(f"C{n}"), width) for n in (0, 1) for width in (2.0, 1.5)]
    yield "colours and widths", lambda: drawn, [[*entries, (to_hex("gray"), 1.0)]] * 2


def _rows_of(drawn: Tensor, labels: Tensor) -> Iterator[Row]:
    """Four of each class beside each other; white where there are fewer, ten classes at most."""
    for classes, rows in ((3, 3), (12, 10)):
        found, middles = pictures._rows(drawn, labels, classes)
        cells = [[int(cell.min()) for cell in np.array_split(part, 4, axis=1)]
                 for part in np.array_split(found, rows)]  # fmt: skip
        first = [[0, 1, 2, 3], [255] * 4, [5, 6, 255, 255]]
        yield f"of {classes}", partial(lambda c: c[:3], cells), first
        yield f"size of {classes}", partial(tuple, found.shape), (34 * rows + 2, 34 * 4 + 2)
        side = len(found) / rows
        wanted = [(n + 0.5) * side for n in range(rows)]
        yield f"middles of {classes}", partial(near, middles, wanted), wanted

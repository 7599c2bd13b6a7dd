"""The picture of a table: figures of all runs on a logarithmic axis, samples of the first seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

from drift import plots
from drift.ablate.tables import Table

WIDTH, HEIGHT_OF_ROW = 9.0, 0.95  # inches


def draw(table: Table, figures: Mapping[str, Sequence[float]], strips: Mapping[str, Path]) -> bytes:
    """Row -> a figure a seed, row -> a PNG of samples; the bytes of a PNG."""
    from matplotlib.image import imread

    names = [row.name for row in table.rows]
    drawn = plots.figure(WIDTH, 0.9 + HEIGHT_OF_ROW * len(names))
    grid = drawn.add_gridspec(len(names), 2, width_ratios=(1.25, 1))
    axes = drawn.add_subplot(grid[:, 0])
    for place, name in enumerate(names):
        values = figures[name]
        axes.plot(values, [place] * len(values), "o", color="#1f5f8b", alpha=0.75)
        shown = drawn.add_subplot(grid[place, 1])
        shown.imshow(imread(BytesIO(strips[name].read_bytes())), cmap="gray")
        shown.set_axis_off()
    axes.set_xscale("log")
    for formatted in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        formatted(lambda value, place: f"{value:g}")
    axes.set_yticks(range(len(names)), [_label(name, table) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("FID-proxy, lower is better; a point a seed")
    axes.grid(axis="x", which="both", alpha=0.3)
    axes.set_title(f"{table.title} ({table.at})" if table.ordered else table.title, fontsize=10)
    return plots.png(drawn)


def _label(name: str, table: Table) -> str:
    row = next(one for one in table.rows if one.name == name)
    return name if row.paper in (None, name) else f"{name}\n(paper: {row.paper})"

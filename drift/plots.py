"""Plots as files: a figure that belongs to no window, and the bytes of its picture."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110


def figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches; pyplot, which keeps figures and windows, is left out.

    The library is imported here: most commands draw nothing.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    empty = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(empty)
    return empty


def png(drawn: Figure) -> bytes:
    """The bytes of a PNG; without the library's version in its metadata they depend on what is
    drawn alone."""
    buffer = BytesIO()
    drawn.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()

"""The page of two traces: the first stage in which they part, drawn, and all stages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from verify.report.page.drawn import Curves
from verify.report.page.render import templates

if TYPE_CHECKING:  # it needs NumPy; a report does not
    from verify.numeric.divergence import Divergence


def render(found: Divergence, a: str, b: str) -> str:
    """One self-contained page."""
    shares = {
        row.name: row.ratio for row in found.rows if not math.isnan(row.ratio) and row.ratio > 0
    }
    drawn = None
    if found.first is not None and found.drawn is not None and found.drawn[0]:
        one, other = found.drawn
        title = f"{found.first.name}: entries around the one that differs most"
        drawn = Curves(kind="curves", title=title, curves=((a, tuple(one)), (b, tuple(other))))
    page = templates().get_template("traces.html.jinja")
    return page.render(found=found, a=a, b=b, shares=shares, drawn=drawn)

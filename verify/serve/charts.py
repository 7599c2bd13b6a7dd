"""Drawings of runs and of measurements over bundles, as SVG from numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup, escape

from verify.report.page import draw
from verify.report.page.drawn import MOST_POINTS, Curves
from verify.report.words import number, printable
from verify.serve.bundles import Point
from verify.serve.catalogue import Bundle

Rows = Sequence[dict[str, Any]]
MOST_CURVES = 4
WIDTH, HEIGHT, EDGE = 240.0, 40.0, 5.0


def thinned(rows: Rows) -> Rows:
    """At most as many rows as one curve may have, the last among them."""
    every = math.ceil(len(rows) / MOST_POINTS)
    return rows[::-1][::every][::-1] if every > 1 else rows


def curves(title: str, rows: Rows, names: Sequence[str], *, log: bool = False) -> Markup:
    """Figures of the metric log over steps; nothing where no row has them."""
    kept = [name for name in names if any(_value(row, name, log) is not None for row in rows)]
    rows = thinned(rows)
    if not kept or not rows:
        return Markup("")
    drawn = Curves(
        kind="curves", title=title,
        curves=tuple(
            (name, tuple(_value(row, name, log) for row in rows)) for name in kept[:MOST_CURVES]
        ),
    )  # fmt: skip
    return draw.curves(drawn, ends=(f"step {rows[0]['step']}", f"step {rows[-1]['step']}"))


def fields(rows: Rows) -> list[str]:
    """Names of the raw field, one a temperature, the largest last."""
    found = {name for row in rows for name in row if name.startswith("field/")}
    return sorted(found, key=_temperature)


def _temperature(name: str) -> float:
    try:
        return float(name.partition("/")[2])
    except ValueError:
        return 0.0


def _value(row: dict[str, Any], name: str, log: bool) -> float | None:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not log:
        return float(value)
    return math.log10(value) if value > 0 else None


def trend(points: Sequence[Point | None], bundles: Sequence[Bundle]) -> Markup:
    """A measurement over bundles on the scale of its tolerance; a dot is a link to its bundle.

    The line across is the tolerance; without one, the scale is that of the values.
    """
    values = [_height(one) for one in points]
    known = [value for value in values if value is not None]
    if not known:
        return Markup("")
    shares = any(one is not None and one.share is not None for one in points)
    low, high = min(0.0, *known), max(1.05 if shares else 0.0, *known)
    scale = (HEIGHT - 2 * EDGE) / ((high - low) or 1.0)
    step = (WIDTH - 2 * EDGE) / max(len(points) - 1, 1)
    line, dots, pen = [], [], "M"
    for place, (point, value, bundle) in enumerate(zip(points, values, bundles, strict=True)):
        if point is None or value is None:
            pen = "M"
            continue
        x, y = EDGE + step * place, HEIGHT - EDGE - scale * (value - low)
        line.append(f"{pen}{x:.1f} {y:.1f}")
        dots.append(_dot(point, bundle, x, y))
        pen = "L"
    mark = HEIGHT - EDGE - scale * (1.0 - low)
    allowed = f'<path class="mark" d="M0 {mark:.1f} H{WIDTH:g}"/>' if shares else ""
    label = f"{len(known)} measurements, the last {known[-1]:.3g}"
    return Markup(
        f'<svg class="trend" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="group" aria-label="{label}">'
        f'{allowed}<path class="curve c0" d="{" ".join(line)}"/>{"".join(dots)}</svg>'
    )


def _dot(point: Point, bundle: Bundle, x: float, y: float) -> str:
    said = f"{bundle.header.started}: {point.outcome}, {number(point.measured, point.unit)}"
    kind = "within" if point.outcome == "pass" else "over"
    return (
        f'<a href="/bundles/{bundle.slug}"><title>{escape(printable(said))}</title>'
        f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"/></a>'
    )


def _height(point: Point | None) -> float | None:
    """Share of the tolerance, at most four of them; else the value."""
    if point is None or point.measured is None:
        return None
    value = point.measured if point.share is None else min(abs(point.share), 4.0)
    return value if math.isfinite(value) else None

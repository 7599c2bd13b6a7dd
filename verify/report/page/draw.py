"""Drawings as SVG, from numbers alone: the same numbers give the same bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

from verify.report.page.drawn import Curves, Frames, Points
from verify.report.words import printable

# A meter: the tolerance stands in its middle, twice the tolerance is its end.
METER, METER_HEIGHT = 120.0, 12.0
WIDTH, HEIGHT, MARGIN = 640.0, 180.0, 8.0
LABELS = 64.0  # room for the numbers left of the curves
CLOUD = 320.0
BAR, BAR_STEP, DECADES = 260.0, 16.0, 12.0  # stage bars: 1e-6 to 1e6 of the tolerance


def meter(share: float | None) -> Markup:
    """A measured value on the scale of its tolerance; empty where either is no number."""
    if share is None or math.isnan(share):
        return Markup("")
    share = abs(share)
    reach = min(share / 2, 1.0) * METER
    kind = "over" if share > 1 else "within"
    label = f"{share:.3g} of the tolerance"
    beyond = f'<path class="over" d="M{METER - 6:g} 1 l6 5 l-6 5z"/>' if share > 2 else ""
    return Markup(
        f'<svg class="meter" viewBox="0 0 {METER:g} {METER_HEIGHT:g}" role="img" '
        f'aria-label="{label}"><title>{label}</title>'
        f'<rect class="track" x="0" y="3" width="{METER:g}" height="6"/>'
        f'<rect class="{kind}" x="0" y="3" width="{max(reach, 1):.2f}" height="6"/>{beyond}'
        f'<path class="mark" d="M{METER / 2:g} 0 v12"/></svg>'
    )


def bars(shares: Mapping[str, float]) -> Markup:
    """Several values on one logarithmic scale whose middle is 1; what is above stands out."""
    height = BAR_STEP * len(shares) + BAR_STEP
    rows = [_bar(number, name, value) for number, (name, value) in enumerate(shares.items())]
    middle = BAR / 2
    axis = (
        f'<path class="mark" d="M{middle:g} 0 V{height - BAR_STEP:g}"/>'
        f'<text class="axis" x="0" y="{height - 3:g}">1e-6</text>'
        f'<text class="axis" x="{middle:g}" y="{height - 3:g}" text-anchor="middle">1</text>'
        f'<text class="axis" x="{BAR:g}" y="{height - 3:g}" text-anchor="end">1e6</text>'
    )
    above = sum(value > 1 for value in shares.values())
    label = f"{len(shares)} values on a logarithmic scale, {above} above 1"
    return Markup(
        f'<svg class="bars" viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-label="{label}">'
        f"{''.join(rows)}{axis}</svg>"
    )


def _bar(number: int, name: str, value: float) -> str:
    top = BAR_STEP * number
    decades = math.log10(value) if value > 0 and math.isfinite(value) else -math.inf
    if not math.isfinite(value):
        decades = math.inf
    reach = min(max((decades + DECADES / 2) / DECADES, 0.0), 1.0) * BAR
    kind = "over" if decades > 0 else "within"
    text = escape(printable(name))
    return (
        f'<rect class="{kind}" x="0" y="{top + 3:g}" width="{max(reach, 1):.2f}" height="10"/>'
        f'<text x="{BAR + 8:g}" y="{top + 12:g}">{value:.3g}  {text}</text>'
    )


def curves(drawn: Curves, *, ends: tuple[str, str] | None = None) -> Markup:
    """Values over their index, each curve in a style of its own; gaps where nothing is finite.

    ends  what the first and the last index stand for
    """
    finite = [v for _, values in drawn.curves for v in values if v is not None]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    lines = [
        f'<path class="curve c{number}" d="{_path(values, low, high)}"/>'
        for number, (_, values) in enumerate(drawn.curves)
    ]
    names = "".join(
        f'<span class="key k{number}">{escape(printable(name))}</span>'
        for number, (name, _) in enumerate(drawn.curves)
    )
    longest = max(len(values) for _, values in drawn.curves)
    label = escape(printable(f"{drawn.title}: {longest} values from {low:.4g} to {high:.4g}"))
    first, last = (escape(printable(end)) for end in ends or ("", ""))
    under = (
        f'<text class="axis" x="{LABELS:g}" y="{HEIGHT + 12:g}">{first}</text>'
        f'<text class="axis" x="{WIDTH:g}" y="{HEIGHT + 12:g}" text-anchor="end">{last}</text>'
    )
    left = f'x="{LABELS - 6:g}" text-anchor="end"'
    height = HEIGHT + 16 if ends else HEIGHT
    return Markup(
        f'<svg class="curves" viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-label="{label}">'
        f'<text class="axis" {left} y="11">{high:.4g}</text>'
        f'<text class="axis" {left} y="{HEIGHT - 2:g}">{low:.4g}</text>'
        f"{''.join(lines)}{under if ends else ''}</svg><p>{names}</p>"
    )


def _path(values: Sequence[float | None], low: float, high: float) -> str:
    steps: list[str] = []
    move = True
    across = (WIDTH - MARGIN - LABELS) / max(len(values) - 1, 1)
    for number, value in enumerate(values):
        if value is None:
            move = True
            continue
        x = LABELS + across * number
        y = MARGIN + (HEIGHT - 2 * MARGIN) * (high - value) / (high - low)
        steps.append(f"{'M' if move else 'L'}{x:.1f} {y:.1f}")
        move = False
    # A lone point has no length: a short stroke shows it.
    return " ".join(f"{step} h2" if step[0] == "M" else step for step in steps)


def frames(drawn: Frames) -> Markup:
    """All moments of a moving cloud, one above the other; the page's script shows one at a time."""
    every = [*drawn.target, *(point for _, cloud in drawn.frames for point in cloud)]
    size = max((abs(v) for point in every for v in point), default=1.0) or 1.0
    groups = [
        f'<g class="moment" data-moment="{number}"{" hidden" if number else ""}>'
        f"{_dots(cloud, size, 'moving')}</g>"
        for number, (_, cloud) in enumerate(drawn.frames)
    ]
    label = escape(printable(f"{drawn.title}: {len(drawn.frames)} moments"))
    return Markup(
        f'<svg class="cloud" viewBox="0 0 {CLOUD:g} {CLOUD:g}" role="img" aria-label="{label}">'
        f"<g>{_dots(drawn.target, size, 'target')}</g>{''.join(groups)}</svg>"
    )


def _dots(cloud: Points, size: float, kind: str) -> str:
    scale = (CLOUD / 2 - MARGIN) / size
    middle = CLOUD / 2
    places = ((middle + scale * x, middle - scale * y) for x, y in cloud)
    return "".join(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="2"/>' for x, y in places)

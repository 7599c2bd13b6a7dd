"""Pictures of toy runs: samples over time beside the target, and the curves that go with them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from drift import digits, field, plots
from drift.errors import DriftError
from drift.toy.targets import Handwritten, Target
from drift.toy.train import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REAL, GENERATED, ABLATED, ARROWS = "#7a7a7a", "#0b5fa5", "#c4501b", "#a9b8c6"
SHOWN_POINTS = 1000
PANEL_INCHES = 2.0  # width of a panel
CURVES_INCHES = 2.6
MARGIN_INCHES = 0.55  # for titles, above the panels
MOSAIC_COLUMNS = 8  # images per class
ARROW_TEMPERATURE = 0.2  # of the mean distance, as the largest temperature of the loss
ARROWS_ACROSS = 13
FLOOR = 1e-4  # of a logarithmic axis: an unbiased energy distance may fall below 0

# What a panel shows: half its width, and its height from and to.
VIEWS = {"bimodal": (2.6, -1.4, 1.4), "checkerboard": (2.6, -2.6, 2.6)}
FAR_TOP = 5.8


class MissingLibraryError(DriftError):
    """A library of the `engine` extra is not installed."""


def render(target: Target, runs: Sequence[Run]) -> bytes:
    """One PNG: a row of snapshots for each run, then drift and distance over the updates."""
    titles = _titles(target, sorted(runs[0].snapshots))
    heights = [PANEL_INCHES * _aspect(target, run) for run in runs]
    above = sum(heights) + MARGIN_INCHES
    figure = plots.figure(PANEL_INCHES * len(titles), above + CURVES_INCHES)
    parts: Any = figure.subfigures(2, 1, height_ratios=[above, CURVES_INCHES])
    upper, lower = parts
    panels = upper.subplots(
        len(runs), len(titles), squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for row, run in zip(panels, runs, strict=True):
        draw = _digit_panels if isinstance(target, Handwritten) else _plane_panels
        draw(row, target, run)
        row[0].set_ylabel(_run_label(run, "\n"), fontsize=9)
    for panel, title in zip(panels[0], titles, strict=True):
        panel.set_title(title, fontsize=9)
    drift_axes, distance_axes = lower.subplots(1, 2)
    _drift_curves(drift_axes, runs)
    _distance_curves(distance_axes, runs)
    curves = drift_axes.get_lines()
    lower.legend(handles=curves, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    _headline(figure, target, runs)
    return plots.png(figure)


def _view(target: Target, run: Run) -> tuple[float, float, float]:
    half, low, high = VIEWS[target.name]
    return half, low, FAR_TOP if run.plan.start == "far" else high


def _aspect(target: Target, run: Run) -> float:
    """Height of a panel over its width."""
    if isinstance(target, Handwritten):
        return target.modes / MOSAIC_COLUMNS
    half, low, high = _view(target, run)
    return (high - low) / (2 * half)


def require_matplotlib() -> None:
    """Raise MissingLibraryError before minutes of training, not after."""
    if find_spec("matplotlib") is None:
        raise MissingLibraryError(
            "pictures",
            found="no matplotlib",
            expected="matplotlib, which draws them",
            remedy="pip install 'drift-verify[train]'",
        )


def _titles(target: Target, steps: Sequence[int]) -> list[str]:
    after = [f"after {step} updates" for step in steps]
    after[0] = "before training"
    if isinstance(target, Handwritten):
        return [*after, "nearest training image\n(of the last samples)", "real, held out"]
    return [*after, "target"]


def _headline(figure: Figure, target: Target, runs: Sequence[Run]) -> None:
    plan = runs[0].plan
    figure.suptitle(
        f"drift toy: {target.name}, seed {plan.seed}, {plan.recipe.steps} updates "
        "(evidence axis: proxy)",
        fontsize=10,
    )


def _run_label(run: Run, joint: str) -> str:
    what = "drifting loss" if run.plan.objective == "drifting" else "attraction only"
    return f"{run.plan.start}{joint}{what}"


def _colour(run: Run) -> str:
    return GENERATED if run.plan.objective == "drifting" else ABLATED


def _plane_panels(panels: Sequence[Axes], target: Target, run: Run) -> None:
    real = target.real()[0]
    shown = real[:SHOWN_POINTS]
    for panel, step in zip(panels, sorted(run.snapshots), strict=False):
        samples = run.snapshots[step].flatten(0, 1)[:SHOWN_POINTS]
        if run.plan.objective == "drifting":
            _arrows(panel, samples, shown, _view(target, run))
        panel.scatter(shown[:, 0], shown[:, 1], s=2, color=REAL, alpha=0.3, linewidths=0)
        panel.scatter(samples[:, 0], samples[:, 1], s=3, color=_colour(run), linewidths=0)
    panels[-1].scatter(real[:, 0], real[:, 1], s=2, color=REAL, linewidths=0)
    half, low, high = _view(target, run)
    for panel in panels:
        panel.set(xlim=(-half, half), ylim=(low, high), aspect="equal", xticks=[], yticks=[])


def _arrows(panel: Axes, samples: Tensor, real: Tensor, view: tuple[float, float, float]) -> None:
    """Direction of the literal field (Algorithm 2) on a grid: where a sample would be moved."""
    half, low, high = view
    gap = 2 * half / ARROWS_ACROSS
    across = torch.arange(-half + gap / 2, half, gap)
    places = torch.cartesian_prod(across, torch.arange(low + gap / 2, high, gap))
    tau = ARROW_TEMPERATURE * float(torch.cdist(samples, real).mean())
    v = field.drifting_field(places, real, samples, temperature=tau)
    v = 0.75 * gap * v / v.norm(dim=1, keepdim=True).clamp_min(1e-12)
    panel.quiver(
        places[:, 0],
        places[:, 1],
        v[:, 0],
        v[:, 1],
        color=ARROWS,
        angles="xy",
        scale_units="xy",
        scale=1.0,
        width=0.005,
        pivot="mid",
    )


def _digit_panels(panels: Sequence[Axes], target: Target, run: Run) -> None:
    assert isinstance(target, Handwritten)
    shown = [run.snapshots[step][:, :MOSAIC_COLUMNS] for step in sorted(run.snapshots)]
    last = shown[-1]
    nearest = target.training.images[target.nearest(last.flatten(0, 1))].view_as(last)
    real = torch.stack([kind[:MOSAIC_COLUMNS] for kind in target.real()])
    for panel, images in zip(panels, [*shown, nearest, real], strict=True):
        picture = mosaic(images).numpy()
        panel.imshow(picture, cmap="gray_r", vmin=-1, vmax=1, interpolation="nearest")
        panel.set(xticks=[], yticks=[])


def mosaic(images: Tensor) -> Tensor:
    """[classes, k, 64] -> one picture, a row for each class, two pixels of margin between."""
    rows, columns, _ = images.shape
    cell = digits.SIDE + 2
    canvas = torch.full((rows * cell, columns * cell), -1.0)
    for r in range(rows):
        for c in range(columns):
            image = images[r, c].reshape(digits.SIDE, digits.SIDE).clamp(-1, 1)
            top, left = r * cell + 1, c * cell + 1
            canvas[top : top + digits.SIDE, left : left + digits.SIDE] = image
    return canvas


def _drift_curves(axes: Axes, runs: Sequence[Run]) -> None:
    """Raw f of the largest temperature, which the loss normalises away."""
    for run in runs:
        tau = max(run.plan.recipe.temperatures)
        points = [(row["step"], row["drift"][str(tau)]) for row in run.rows if row["drift"]]
        _curve(axes, points, run, runs)
    axes.set_title(f"mean square of the drift at temperature {tau:g} (raw)", fontsize=9)
    _finish(axes)


def _distance_curves(axes: Axes, runs: Sequence[Run]) -> None:
    for run in runs:
        points = [(row["step"], max(row["energy_distance"], FLOOR)) for row in run.rows]
        _curve(axes, points, run, runs)
    axes.set_title(f"energy distance to held-out real samples (not below {FLOOR:g})", fontsize=9)
    _finish(axes)


def _curve(axes: Axes, points: Sequence[Any], run: Run, runs: Sequence[Run]) -> None:
    starts = list(dict.fromkeys(other.plan.start for other in runs))
    style = ("-", "--", ":")[starts.index(run.plan.start) % 3]
    x, y = zip(*points, strict=True)
    axes.plot(x, y, style, color=_colour(run), linewidth=1.4, label=_run_label(run, ", "))


def _finish(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.set_xlabel("updates", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(True, which="major", color="#e3e3e3", linewidth=0.6)

"""What a run looks like: one picture of samples a window, the same noise each time, and curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drift import atomic, plots, rng
from drift.generator import Generator
from drift.generator.config import code_values
from drift.ranks import parallel
from drift.sample import grids
from drift.state import record
from drift.train import run as running
from drift.train.album import Album
from drift.train.run import Run, Window

PER_CLASS = 8
MOST_CLASSES = 10


@torch.no_grad()
def samples_now(run: Run) -> Tensor | None:
    """Samples of the first classes by the average with the longest memory, [classes*8, C, H, W].

    Every process has to ask; the writer gets them.
    """
    template = run.template
    classes = min(template.generator.num_classes, MOST_CLASSES)
    count = classes * PER_CLASS
    generator = rng.stream(run.options.seed, "picture")
    height, width, channels = template.generator.input_shape
    noise = torch.randn(count, channels, height, width, generator=generator)
    shape = (count, template.generator.style_tokens)
    codes = code_values(template.generator.style_codes)
    style = torch.randint(codes, shape, generator=generator)
    averaged = run.state.ema[max(run.state.ema)]
    parameters = {
        name: parallel.whole(value).to(run.options.device) for name, value in averaged.items()
    }
    if not run.options.ranks.writer:
        return None
    made: Tensor = torch.func.functional_call(
        Generator(run.state.generator.config, device="meta"),
        parameters,
        (
            noise.to(run.options.device),
            torch.arange(classes).repeat_interleave(PER_CLASS).to(run.options.device),
            torch.full((count,), template.evaluation.alpha).to(run.options.device),
            style.to(run.options.device),
        ),
    )
    return made.cpu()


def write(path: Path, samples: Tensor, *, columns: int = PER_CLASS) -> None:
    """A PNG grid of samples [N, C, H, W] in [-1, 1]; latents show their first channel, scaled."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(path, grids.png(grids.grid(grids.levels(samples), columns)))


class Pictures:
    """A picture of every window of a run, in its folder: samples/step-00000025.png and so on.

    The album is opened at the first window, where the folder is this process's alone.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._figure = running.norms(run.template)[-1]
        self._album: Album | None = None

    def show(self, window: Window) -> None:
        """Add the picture of a window, and its row to the index; every process has to ask."""
        samples = samples_now(self._run)
        if samples is None:
            return
        if self._album is None:
            self._album = Album(self._run.options.folder, self._figure, first=window.step)
        facts = _facts(self._run, samples)
        shown = [label for label in facts["classes"] for _ in range(PER_CLASS)]
        names = grids.names_of(shown, facts["class_names"])
        grid = grids.grid(grids.levels(samples), PER_CLASS, names)
        facts |= {"width": grid.shape[2], "height": grid.shape[1]}
        self._album.add(window.step, window.row[self._figure], grids.png(grid), facts)


def _facts(run: Run, samples: Tensor) -> dict[str, Any]:
    """What a picture shows, row by row, and how it was drawn."""
    classes, names = len(samples) // PER_CLASS, run.facts["dataset"]["classes"]
    return {
        "classes": list(range(classes)),
        "class_names": list(names)[:classes] if names else None,
        "per_class": PER_CLASS,
        "shows": "images" if grids.shows_images(samples) else "the first channel of latents",
        "seed": run.options.seed,
        "alpha": run.template.evaluation.alpha,
        "ema_decay": max(run.state.ema),
    }


def curves(run: Run) -> None:
    """Draw what shows whether a run lives, from its log: field norms, spread and overlap.

    Writes curves.png in the run's folder; the loss is left out, for it is flat by construction.
    """
    rows = record.rows(run.options.folder / "metrics" / "windows.jsonl")
    panels = {
        "mean square of the raw field": [f"field/{tau}" for tau in run.template.loss.temperatures],
        "of the real samples": ["spread", "overlap"],
    }
    draw(run.options.folder / "curves.png", rows, panels)


def draw(
    path: Path, rows: Sequence[Mapping[str, Any]], panels: Mapping[str, Sequence[str]]
) -> None:
    """A PNG of figures over steps, a panel each title; logarithmic where they span decades."""
    figure = plots.figure(5 * len(panels), 3.2)
    axes = figure.subplots(1, len(panels), squeeze=False)
    for axis, (title, names) in zip(axes[0], panels.items(), strict=True):
        for name in names:
            values = [row[name] for row in rows]
            axis.plot([row["step"] for row in rows], values, marker=".", label=name)
        positive = [row[name] for row in rows for name in names if row[name] > 0]
        if positive and math.log10(max(positive) / min(positive)) > 1:
            axis.set_yscale("log")
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("step")
        axis.legend(frameon=False, fontsize=8)
    atomic.write_bytes(path, plots.png(figure))

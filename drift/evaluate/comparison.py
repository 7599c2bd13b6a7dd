"""A run beside what it has to beat, measured with the same encoder, judge and count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from drift.config import Template
from drift.evaluate import baselines
from drift.evaluate.baselines import Conditions
from drift.evaluate.figures import Figure
from drift.evaluate.proxy import Encoded, evaluate_pixels
from drift.sample import images

COMPARED = ("fid_proxy", "coverage", "class_accuracy", "precision", "recall")
BETTER, WORSE, OPEN = "better", "worse", "not separated"
RAW = "raw-pixel drifting loss"
GAUSSIANS = "class Gaussians"  # with the whole covariance of each class
INDEPENDENT = "class Gaussians, independent pixels"


@dataclass(frozen=True)
class Rival:
    """A baseline: its figures, its samples uint8 [N, C, H, W] with labels [N], how it was made.

    components  arrays behind the figures, as those of the run; the reference is the run's
    """

    name: str
    figures: Mapping[str, Figure]
    components: Mapping[str, NDArray[Any]]
    pixels: Tensor
    labels: Tensor
    made: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON for the record."""
        return {
            **self.made,
            "metrics": {name: figure.as_dict() for name, figure in self.figures.items()},
        }


def rivals(
    template: Template,
    encoded: Encoded,
    run: Conditions,
    listen: Callable[[int], None] = lambda done: None,
) -> tuple[Rival, ...]:
    """The drifting loss on raw pixels, trained as long, and Gaussians fitted to each class.

    run     how the samples were made that the rivals are held against
    listen  called with the steps done by the one that is trained
    """
    raw = baselines.raw_pixels(template, encoded.real.training, encoded.encoder, run, listen)
    drawn = {
        name: baselines.class_gaussians(
            run.count,
            generator=torch.Generator().manual_seed(run.seed),
            independent=name == INDEPENDENT,
            real=encoded.real,
        )
        for name in (INDEPENDENT, GAUSSIANS)
    }
    return (
        _measured(RAW, *raw, encoded, run.seed, asdict(run)),
        *(_measured(name, *samples, encoded, run.seed, {"seed": run.seed})
          for name, samples in drawn.items()),
    )  # fmt: skip


def verdict(ours: Figure, theirs: Figure) -> str:
    """`better` or `worse` where the 95 % intervals do not meet; otherwise nothing is claimed.

    An interval without width is one that could not be measured, as that of a distance with a single
    sample of each class: it parts from nothing.
    """
    if ours.better not in ("lower", "higher") or ours.better != theirs.better:
        return OPEN
    if not (ours.low < ours.high and theirs.low < theirs.high):
        return OPEN
    lower, upper = (ours, theirs) if ours.better == "lower" else (theirs, ours)
    if lower.high < upper.low:
        return BETTER
    return WORSE if lower.low > upper.high else OPEN


def verdicts(ours: Mapping[str, Figure], rival: Rival) -> dict[str, str]:
    """What each compared figure says against one baseline."""
    return {name: verdict(ours[name], rival.figures[name]) for name in COMPARED}


def recorded(ours: Mapping[str, Figure], found: tuple[Rival, ...]) -> dict[str, Any]:
    """The record's entries: each baseline, and how the run stands against it."""
    return {
        "baselines": {rival.name: rival.as_dict() for rival in found},
        "against": {rival.name: verdicts(ours, rival) for rival in found},
    }


def components(found: tuple[Rival, ...]) -> dict[str, NDArray[Any]]:
    """The arrays of all baselines, each under its name: `baselines/NAME/coverage/hits`."""
    return {
        f"baselines/{rival.name}/{key}": array
        for rival in found
        for key, array in rival.components.items()
    }


def _measured(
    name: str, samples: Tensor, labels: Tensor, encoded: Encoded, seed: int,
    made: Mapping[str, Any],
) -> Rival:  # fmt: skip
    pixels = images.pixels(samples)
    report = evaluate_pixels(pixels, labels, encoded=encoded, seed=seed)
    figures = {key: report.figures[key] for key in COMPARED}
    kept = {
        key: array for key, array in report.components.items()
        if key.partition("/")[0] in COMPARED and "/reference_" not in key
    }  # fmt: skip
    return Rival(name, figures, kept, pixels, labels, made)

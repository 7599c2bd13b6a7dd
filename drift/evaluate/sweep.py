"""The best of several candidates by one metric, and how many there were to choose from.

A figure that was picked is better than the candidate is: the record says from how many it was
picked, and the figure should be measured again with another seed before it is reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drift import gates
from drift.errors import DriftError
from drift.evaluate import records
from drift.evaluate.figures import Figure
from drift.evaluate.run import Evaluated


@dataclass(frozen=True)
class Candidate:
    """One checkpoint at one alpha, evaluated."""

    step: int | None
    alpha: float
    evaluated: Evaluated

    @property
    def axis(self) -> str:
        """The evidence axis that its facts leave it on."""
        return records.axis_of(self.evaluated.facts)[0]

    @property
    def collapsed(self) -> bool:
        """Classes, or all samples together, that spread far less than the real ones."""
        return bool(self.evaluated.collapsed) or any(
            note.startswith("collapse") for note in self.evaluated.notes
        )


def figure_of(candidate: Candidate, metric: str) -> Figure:
    """The figure candidates are compared by; raises DriftError where it was not measured."""
    figures: Mapping[str, Figure] = candidate.evaluated.figures
    if metric not in figures or figures[metric].better not in ("lower", "higher"):
        ordered = [name for name, figure in figures.items() if figure.better in ("lower", "higher")]
        raise DriftError("--pick", found=metric, expected=f"one of {', '.join(ordered)}")
    return figures[metric]


def pick(candidates: Sequence[Candidate], metric: str) -> int:
    """Index of the best candidate that has not collapsed.

    Raises DriftError where all have: a low FID of identical samples is no reason to keep them; and
    where candidates are on several evidence axes, since their figures do not compare.
    """
    figures = [figure_of(candidate, metric) for candidate in candidates]
    alive = [index for index, candidate in enumerate(candidates) if not candidate.collapsed]
    if not alive:
        raise DriftError(
            "sweep", found=f"{len(candidates)} candidates, all collapsed",
            expected="one whose samples spread as real ones do",
            remedy="Look at a grid of `drift sample`; the run has lost its diversity.",
        )  # fmt: skip
    numbers = [
        (f"step {candidates[index].step}", figures[index].value, candidates[index].axis)
        for index in alive
    ]
    order = gates.best_first(numbers, metric, better=figures[alive[0]].better)
    return alive[order[0]]


def rows(candidates: Sequence[Candidate], metric: str) -> list[dict[str, Any]]:
    """What the record keeps of every candidate."""
    return [
        {
            "step": candidate.step,
            "alpha": candidate.alpha,
            "metric": metric,
            "value": figure_of(candidate, metric).value,
            "interval": [figure_of(candidate, metric).low, figure_of(candidate, metric).high],
            "collapsed": candidate.collapsed,
        }
        for candidate in candidates
    ]

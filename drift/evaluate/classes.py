"""Each class on its own: a good figure over all classes can hide one that is never generated."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drift.evaluate import audit, prdc

COVERED = 0.5  # of what equal distributions cover: a class is then covered
DEFINITION = (
    f"share of real samples with a generated one of their class inside their {prdc.COVERAGE_K}-NN "
    "radius, as many generated as real ones, the mean over such parts of the generated"
)

Array = NDArray[np.floating]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class ClassReport:
    """One class: samples, share of real ones reached, what equal distributions reach, spread.

    real      real samples of the class; accuracy  share of its samples that a judge names right,
              None without a judge
    spread    of its samples, over that of the real ones
    """

    label: int
    count: int
    coverage: float
    expected_coverage: float
    spread: float
    real: int
    accuracy: float | None = None

    @property
    def covered(self) -> bool:
        """Generated, and at least half of what as many samples of the same distribution cover."""
        return self.count > 0 and self.coverage >= COVERED * self.expected_coverage

    @property
    def collapsed(self) -> bool:
        """There are samples, and they spread far less than the real ones do."""
        return self.count > 1 and self.spread < audit.COLLAPSE


def expected_coverage(real: int, generated: int) -> float:
    """Coverage of samples of the same distribution (Naeem 2020, Lemma 2); 0 without samples."""
    if not generated:
        return 0.0
    missed = math.prod((real - j) / (real + generated - j) for j in range(1, prdc.COVERAGE_K + 1))
    return 1.0 - missed


def by_class(
    features: Array,
    asked: Labels,
    real: Array,
    real_labels: Labels,
    generator: np.random.Generator,
    *,
    classes: Iterable[int],
    right: NDArray[np.bool_] | None = None,
) -> tuple[tuple[ClassReport, ...], NDArray[np.float64]]:
    """(a report of each class, by what share of the parts each real sample was reached).

    right  [N], whether a judge named the sample as asked
    Coverage grows with the number of generated samples, so they are cut into parts as large as the
    real class, and what is left over is not used. A class with too few real samples for its
    neighbours is left out.
    """
    reports, shares = [], []
    for label in classes:
        mine = generator.permutation(np.flatnonzero(asked == label))
        theirs = real[real_labels == label]
        if len(theirs) <= prdc.COVERAGE_K:
            continue
        reached = _reached(features[mine], theirs)
        shares.append(reached)
        reports.append(
            ClassReport(
                label=int(label),
                count=len(mine),
                coverage=float(reached.mean()),
                expected_coverage=expected_coverage(len(theirs), min(len(mine), len(theirs))),
                spread=audit.spread_ratio(features[mine], theirs),
                real=len(theirs),
                accuracy=None if right is None else float(right[mine].mean()) if len(mine) else 0.0,
            )
        )
    return tuple(reports), np.concatenate(shares) if shares else np.zeros(0)


def _reached(generated: Array, real: Array) -> NDArray[np.float64]:
    """For each real sample [N, D] the share of parts of N generated samples that reach it."""
    if not len(generated):
        return np.zeros(len(real))
    parts = max(1, len(generated) // len(real))
    hits = [
        prdc.coverage_hits(generated[start : start + len(real)], real)
        for start in range(0, parts * len(real), len(real))
    ]
    found: NDArray[np.float64] = np.mean(hits, axis=0)
    return found

"""What separates: paired comparisons of settings over seeds, from their figures alone.

A distance spreads as a ratio, so its logarithm is compared: over seeds the paired 95 % interval of
Student's t (`drift.experiment.judging`), said as a ratio. One comparison is 95 %; a table of them
is not corrected for their number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from drift.ablate.tables import Table
from drift.experiment import judging

# The words of all verdicts, those of the clauses on kept records too.
AS_PAPER, OTHER_WAY = "separated as in the paper", "separated the other way"
FIRST, SECOND = "the first is better", "the second is better"  # where the paper has no order
OPEN = judging.OPEN

Figures = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Comparison:
    """Two settings: how many times the second's distance is the first's, with its interval.

    resolves  the least ratio that this spread and these seeds would have separated from one
    """

    first: str
    second: str
    ratio: float
    interval: tuple[float, float] | None
    resolves: float | None
    seeds: int
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**vars(self), "interval": None if self.interval is None else list(self.interval)}


def comparisons(table: Table, figures: Figures) -> list[Comparison]:
    """Row -> a figure a seed, the seeds in one order; the first row against each, then neighbours.

    Rows stand in the paper's order, the best first, where it has one.
    """
    return [compared(first, second, figures, table) for first, second in pairs(table)]


def pairs(table: Table) -> Iterator[tuple[str, str]]:
    """What is compared: nothing twice, and neighbours only where the paper has an order."""
    names = [row.name for row in table.rows]
    yield from ((names[0], other) for other in names[1:])
    if table.ordered:
        yield from pairwise(names[1:])


def compared(first: str, second: str, figures: Figures, table: Table) -> Comparison:
    """One comparison; the verdict is unknown with a single seed."""
    logs = {name: [math.log(one) for one in figures[name]] for name in (first, second)}
    found = judging.paired(logs, {first: -1.0, second: 1.0}, better="higher")
    if found.low is None or found.high is None:
        return Comparison(first, second, math.exp(found.mean), None, None, found.seeds,
                          found.verdict)  # fmt: skip
    verdict = dict(zip((judging.BETTER, judging.WORSE), words(table), strict=True))
    return Comparison(
        first, second, math.exp(found.mean), (math.exp(found.low), math.exp(found.high)),
        math.exp(found.high - found.mean), found.seeds, verdict.get(found.verdict, OPEN),
    )  # fmt: skip


def words(table: Table) -> tuple[str, str]:
    """How it is said that the first of two settings is the better one, and that the second is."""
    return (AS_PAPER, OTHER_WAY) if table.ordered else (FIRST, SECOND)

"""Checks on the orderings: each verdict is drawn here from kept components, none is taken over."""

from __future__ import annotations

import math
from typing import Any

from drift.ablate.compared import OPEN, words
from drift.ablate.tables import TABLES, Table
from verify.api import CheckContext, Measurement, check
from verify.numeric.arrays import worst_of

from . import kept
from .kept import AXIS


@check("ablation.order")
def order(ctx: CheckContext) -> Measurement:
    """Whether all pairs of rows that the clause names have the verdict that it states."""
    found = kept.figures_of(ctx)
    if isinstance(found, Measurement):
        return found
    record, figures = found
    table, wanted = record["table"], str(ctx.params["verdict"])
    worst, said = -math.inf, []
    for first, second in ctx.params["pairs"]:
        mean, half = kept.log_ratio(figures, first, second)
        now, stated = kept.verdict(table, mean, half), kept.stated_verdict(record, first, second)
        if stated != now:
            return ctx.decide(
                False, f"{second} / {first}: the record says {stated!r}, its components {now!r}"
            )
        worst = worst_of((worst, beyond(TABLES[table], wanted, mean, half)))
        said.append(_said(first, second, mean, half))
    return ctx.judge(
        worst, "; ".join(said), unit="of the half-width", axis=AXIS,
        provenance=_provenance(record), details=_conditions(record),
    )  # fmt: skip


def beyond(table: Table, wanted: str, mean: float, half: float) -> float:
    """How far a comparison is from a verdict, in half-widths; at most 0: it is that.

    Raises ValueError for a word that the table's verdicts have not.
    """
    if wanted == OPEN:
        return (abs(mean) - half) / half if math.isfinite(half) else 0.0
    sign = (1, -1)[words(table).index(wanted)]
    return (half - sign * mean) / half if math.isfinite(half) else 1.0


def _said(first: str, second: str, mean: float, half: float) -> str:
    if not math.isfinite(half):
        return f"{second} / {first}: {math.exp(mean):.3g}, without any spread"
    low, high, seen = (math.exp(one) for one in (mean - half, mean + half, half))
    return f"{second} / {first}: {math.exp(mean):.3g} [{low:.3g}, {high:.3g}], resolves {seen:.3g}"


def _provenance(record: dict[str, Any]) -> dict[str, int | str | None]:
    return {
        "samples": record["samples"],
        "seeds": len(record["seeds"]),
        "steps": record["steps"],
    }


def _conditions(record: dict[str, Any]) -> dict[str, Any]:
    """What the figures were measured under, and what they cost."""
    names = ("template", "budget", "seeds", "extractor", "judge_sha256")
    cost = math.fsum(run["cpu_s"] for run in record["runs"])
    return {**{name: record[name] for name in names}, "cpu_s": round(cost)}

"""The coverage of a report: how much of each outlined source its clauses stand behind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from verify.outcome import Outcome
from verify.report.scoring import proven
from verify.report.views import ClauseView, CoverageView, FalsifierView
from verify.scope.coverage import Share, Standing, shares
from verify.spec.outline import Outline


def covered(
    clauses: Sequence[ClauseView],
    falsifiers: Sequence[FalsifierView],
    about: dict[str, Any],
    outlines: Sequence[Outline],
) -> list[CoverageView]:
    """One line a source, with the items behind it."""
    found = standing(clauses, falsifiers, about) if outlines else Standing({}, (), ())
    return views(shares(outlines, found))


def views(found: Iterable[Share]) -> list[CoverageView]:
    """Shares as they stand in a report."""
    return [
        CoverageView(
            authority=one.authority,
            line=one.line,
            held=one.held,
            of=len(one.items),
            items={name: str(held) for name, held in one.items.items()},
        )
        for one in found
    ]


def standing(
    clauses: Sequence[ClauseView], falsifiers: Sequence[FalsifierView], about: dict[str, Any]
) -> Standing:
    """What the clauses of a report cite, and which of them stand."""
    runs: dict[str, list[FalsifierView]] = defaultdict(list)
    for run in falsifiers:
        runs[run.clause].append(run)
    cited: dict[str, list[str]] = defaultdict(list)
    for clause in clauses:
        for source in clause.sources:
            cited[source.id].append(clause.id)
    sound = {
        clause.id
        for clause in clauses
        if clause.outcome is Outcome.PASS and proven(clause, runs[clause.id], about)
    }
    return Standing(cited, sound, {clause.id for clause in clauses if clause.axis is not None})

"""A part of a run for one machine of several: which clauses, told from the pack alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from verify.problems import NothingSelectedError, UsageError
from verify.spec.model import Clause, Kind

_WRITTEN = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})\Z", re.ASCII)


@dataclass(frozen=True)
class Shard:
    """The `index`-th of `count` parts, from 1."""

    index: int
    count: int

    def of(self, clauses: Sequence[Clause]) -> tuple[Clause, ...]:
        """Its clauses, in their order; raises NothingSelectedError where there is none.

        Those with the largest budgets are dealt first, as a run begins with them: what takes long
        is spread over the parts.
        """
        dealt = sorted(clauses, key=_cost, reverse=True)[self.index - 1 :: self.count]
        if not dealt:
            raise NothingSelectedError(
                f"--shard {self}: found no clause for it among {len(clauses)}; remedy: fewer shards"
            )
        chosen = {clause.id for clause in dealt}
        return tuple(clause for clause in clauses if clause.id in chosen)

    def told(self, selectors: Sequence[str], clauses: Sequence[Clause]) -> dict[str, Any]:
        """What the head of its evidence says: its own clauses, and what the run was asked for."""
        asked = {"index": self.index, "count": self.count, "selectors": list(selectors)}
        return {"selectors": [clause.id for clause in clauses], "shard": asked}

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def shard(text: str) -> Shard:
    """`2/4`; raises UsageError for anything else."""
    found = _WRITTEN.match(text)
    if found is None or int(found[1]) > int(found[2]):
        raise UsageError(f"--shard: found {text!r}; expected K/N with 1 <= K <= N, such as 2/4")
    return Shard(int(found[1]), int(found[2]))


def _cost(clause: Clause) -> tuple[float, int]:
    """A table's clause needs no worker; else the budget, and how often it is tried."""
    runs = clause.kind is not Kind.CONFIG
    return (clause.budget.seconds if runs else 0.0, len(clause.falsifiers) if runs else 0)

"""One table carried out: its runs as steps in a folder, then its record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from drift import atomic
from drift.ablate import record, running
from drift.ablate.tables import TABLES, Row, Table
from drift.errors import DriftError
from drift.reproduce.pipeline import Carrier, NotDoneError
from drift.reproduce.store import Done


@dataclass(frozen=True)
class Asked:
    """A table, its seeds, the folder of its steps, and the settings that all its runs share."""

    table: Table
    seeds: tuple[int, ...]
    root: Path
    budget: tuple[str, ...]

    @property
    def pairs(self) -> list[tuple[Row, int]]:
        """Every row under every seed, a whole seed after the other."""
        return [(row, seed) for seed in self.seeds for row in self.table.rows]


def asked(table: str, seeds: int, root: Path, settings: Sequence[str]) -> Asked:
    """What a command line asks for; raises DriftError for settings that no template can have."""
    found = Asked(
        TABLES[table], tuple(range(seeds)), root, (*TABLES[table].budget, *settings)
    )  # fmt: skip
    for row in found.table.rows:
        running.template_of(row, found.budget)
    return found


def planned(ask: Asked) -> list[str]:
    """What is to do, and what it costs."""
    carry = Carrier(ask.root / "steps", lambda text: None, plans=True)
    left = len(ask.pairs)
    try:
        judge = running.judge(ask.root, ask.budget, carry)
        left = sum(not _is_done(ask, row, seed, judge, carry) for row, seed in ask.pairs)
    except NotDoneError:
        pass
    cost = left * ask.table.cost_s / 60
    return [
        f"{ask.table.name}: {ask.table.title} ({ask.table.at}), {len(ask.table.rows)} settings, "
        f"{len(ask.seeds)} seeds",
        f"{left} of {len(ask.pairs)} runs to do, about {ask.table.cost_s} s of one CPU each: "
        f"{cost:.0f} minutes",
    ]


def carried_out(ask: Asked, records: Path, say: Callable[[str], None]) -> list[str]:
    """Every run that is not done yet, then the record -> what it says."""
    ask.root.mkdir(parents=True, exist_ok=True)
    try:
        with atomic.locked(ask.root, say):
            carry = Carrier(ask.root / "steps", say)
            judge = running.judge(ask.root, ask.budget, carry)
            runs = {
                (row.name, seed): _carried(ask, row, seed, judge, carry) for row, seed in ask.pairs
            }
            written = record.write(records, ask.table, ask.budget, ask.seeds, runs)
    except atomic.LockedError as error:
        raise DriftError(
            str(ask.root), found="another process at work in it", expected="one at a time",
            remedy="Wait for it, or choose another --out.",
        ) from error  # fmt: skip
    return [*record.lines(written), str(records / f"{ask.table.name}.json")]


def _carried(ask: Asked, row: Row, seed: int, judge: Done, carry: Carrier) -> Done:
    teacher = running.teacher(ask.root, seed, ask.budget, carry)
    return carry(running.measured(ask.root, row, seed, ask.budget, judge, teacher))


def _is_done(ask: Asked, row: Row, seed: int, judge: Done, carry: Carrier) -> bool:
    try:
        _carried(ask, row, seed, judge, carry)
    except NotDoneError:
        return False
    return True

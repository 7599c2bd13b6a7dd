"""The ledger: attempts at work orders, append-only, each line carrying the hash of the one before.

An attempt states what its sealed bundle found; nothing of it is typed but its note.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify.files import write_bytes
from verify.hunt.model import WorkOrder
from verify.outcome import Outcome
from verify.problems import IntegrityError, UsageError
from verify.report.model import Report
from verify.run.evidence import GENESIS, Record, chain, linked
from verify.spec.pack import LoadedPack
from verify.spec.places import PLANS
from verify.spec.select import named_by

LEDGER = Path(PLANS) / "attempts.jsonl"
KIND = "attempt"


@dataclass(frozen=True)
class Attempt:
    """One line.

    found     clause -> outcome, measured value, falsifiers killed and tried
    control   the same of the control clauses
    fallback  why it was done another way; such an attempt satisfies no gate
    """

    number: int
    order: str
    at: str
    bundle: str
    head: str
    subject: str
    found: Mapping[str, Mapping[str, Any]]
    control: Mapping[str, Mapping[str, Any]]
    fallback: str | None
    note: str

    @property
    def good(self) -> bool:
        """Whether every clause, the control's too, passed with every falsifier turning it red."""
        every = [*self.found.values(), *self.control.values()]
        return self.fallback is None and all(map(_held, every))

    @property
    def line(self) -> str:
        """In words."""
        passed = sum(map(_held, self.found.values()))
        again = sum(map(_held, self.control.values()))
        control = f", control {again}/{len(self.control)}" if self.control else ""
        fallback = f", FALLBACK ({self.fallback})" if self.fallback else ""
        note = f": {self.note}" if self.note else ""
        return (
            f"{self.number} {self.at} {self.order} {passed}/{len(self.found)} hold{control}"
            f"{fallback}, bundle {self.bundle}{note}"
        )


def attempts(loaded: LoadedPack) -> list[Attempt]:
    """All attempts; raises IntegrityError where a line was changed, moved or taken out."""
    return [_attempt(number, record) for number, record in enumerate(_records(loaded.root), 1)]


def add(
    loaded: LoadedPack,
    order: WorkOrder,
    report: Report,
    bundle: str,
    *,
    at: str,
    fallback: str | None,
    note: str,
) -> Attempt:
    """Append an attempt from a re-verified bundle; raises UsageError where it says too little."""
    known = list(_records(loaded.root))
    for record in known:
        if (record.data["order"], record.data["head"]) == (order.id, report.evidence_head):
            raise UsageError(
                f"{order.id}: found an attempt of bundle {bundle} already; expected one of its "
                "own; remedy: verify run again"
            )
    data = {
        "order": order.id,
        "at": at,
        "bundle": bundle,
        "head": report.evidence_head,
        "subject": report.about["subject"],
        "found": _findings(loaded, order, "clauses", report, bundle),
        "control": _findings(loaded, order, "control", report, bundle),
        "fallback": fallback,
        "note": note,
    }
    path = loaded.root / LEDGER
    before = path.read_bytes() if path.exists() else b""
    line, digest = linked(len(known), known[-1].hash if known else GENESIS, KIND, data)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, before + os.fsencode(line))
    return _attempt(len(known) + 1, Record(KIND, data, digest))


def _findings(
    loaded: LoadedPack, order: WorkOrder, key: str, report: Report, bundle: str
) -> dict[str, dict[str, Any]]:
    wanted = [clause.id for clause in named_by(getattr(order, key), loaded.pack.clauses)]
    views = {clause.id: clause for clause in report.clauses}
    absent = [name for name in wanted if name not in views]
    if absent:
        what = "the control was not run again" if key == "control" else "the order asks for them"
        raise UsageError(
            f"{order.id}: found no {', '.join(absent[:5])} in bundle {bundle}; expected all of its "
            f"{key}, {what}; remedy: verify run {' '.join(map(repr, getattr(order, key)))} and the "
            "rest in one run"
        )
    found = {}
    for name in wanted:
        runs = report.falsifiers_of(name)
        found[name] = {
            "outcome": str(views[name].outcome),
            "measured": views[name].measured,
            "killed": sum(run.killed for run in runs),
            "falsifiers": len(views[name].falsifiers) if report.about["falsify"] else None,
        }
    return found


def _held(found: Mapping[str, Any]) -> bool:
    """A pass whose falsifiers all ran and turned it red."""
    return bool(found["outcome"] == Outcome.PASS and found["killed"] == found["falsifiers"])


def _records(root: Path) -> Iterator[Record]:
    path = root / LEDGER
    if not path.exists():
        return
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise IntegrityError(f"{path}: not a ledger ({error})") from None
    yield from chain(text, path)


def _attempt(number: int, record: Record) -> Attempt:
    return Attempt(number=number, **record.data)

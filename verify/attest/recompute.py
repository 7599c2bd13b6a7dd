"""Figures of a record computed again by the pack's own function for records of its schema."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify.figures.evaluation import EvaluationRecord, read_evaluation
from verify.outcome import Outcome
from verify.run.results import Verdict
from verify.run.tasks import lone_task
from verify.run.workers.pool import Worker
from verify.spec.model import Budget
from verify.spec.pack import LoadedPack

BUDGET = Budget(seconds=3600, memory_mb=16384)


@dataclass(frozen=True)
class Figure:
    """A figure as it is recorded and as it came out again; `again` is None where it could not."""

    name: str
    recorded: float
    again: float | None
    allowed: float
    how: str

    @property
    def agrees(self) -> bool:
        """Whether the two are as near as the function allows; one that is missing does not."""
        return self.again is not None and abs(self.again - self.recorded) <= self.allowed

    @property
    def line(self) -> str:
        """Both values, and from what."""
        if self.again is None:
            return f"{self.name}: recorded {self.recorded!r}, not computed again: {self.how}"
        word = "agrees" if self.agrees else "DIFFERS"
        return (
            f"{self.name}: recorded {self.recorded!r}, again {self.again!r}, {word} to "
            f"{self.allowed:.3g}, from {self.how}"
        )


@dataclass(frozen=True)
class Recomputed:
    """What came of it; `problem` is what is wrong with the record besides its figures."""

    record: EvaluationRecord
    figures: tuple[Figure, ...]
    problem: str
    possible: bool  # whether the pack has a function for such records, and it came to an end

    @property
    def differing(self) -> tuple[Figure, ...]:
        """Figures that are not what they came to."""
        return tuple(one for one in self.figures if one.again is not None and not one.agrees)

    @property
    def done(self) -> tuple[Figure, ...]:
        """Figures that came out as they are recorded."""
        return tuple(one for one in self.figures if one.agrees)

    @property
    def left(self) -> tuple[Figure, ...]:
        """Figures that could not be computed again."""
        return tuple(one for one in self.figures if one.again is None)


def recompute(loaded: LoadedPack, path: Path, *, samples: bool = True) -> Recomputed:
    """Compute a record's figures again in a worker; raises UsageError for what is no record.

    samples  also from samples that are drawn again, where what draws them is kept
    """
    record = read_evaluation(path)
    schema = str(record.data.get("schema"))
    binding = loaded.bindings.find("recompute", schema)
    if binding is None:
        known = ", ".join(loaded.bindings.by_role["recompute"]) or "none"
        found = f"the pack has no function for records of the schema {schema}; it has: {known}"
        return Recomputed(record, (), found, possible=False)
    params = {"record": str(path.resolve()), "samples": samples}
    task = lone_task(loaded, path.name, binding, params, BUDGET, path.parent)
    worker = Worker(loaded.root, threads=1)
    try:
        return _answer(record, worker.run(task))
    finally:
        worker.dispose()


def _answer(record: EvaluationRecord, verdict: Verdict) -> Recomputed:
    judged = verdict.outcome in (Outcome.PASS, Outcome.FAIL)
    problem = "" if verdict.outcome is Outcome.PASS else verdict.reason
    try:
        figures = tuple(_figure(name, said) for name, said in _said(verdict).items())
    except (KeyError, TypeError, ValueError) as error:
        problem, figures = f"the pack's function gave no figures ({error})", ()
    stated = record.data.get("metrics")
    for one in figures:
        own = stated.get(one.name) if isinstance(stated, dict) else None
        if isinstance(own, dict) and own.get("value") != one.recorded:
            problem = f"{one.name}: the pack's function read {one.recorded!r}, not {own['value']!r}"
    return Recomputed(record, figures, problem, possible=judged)


def _said(verdict: Verdict) -> Mapping[str, Any]:
    found = verdict.details.get("figures", {})
    if not isinstance(found, Mapping):
        raise TypeError(f"figures are a {type(found).__name__}")
    return found


def _figure(name: str, said: Mapping[str, Any]) -> Figure:
    again = said["again"]
    numbers = [float(said["recorded"]), float(said["allowed"])]
    numbers += [] if again is None else [float(again)]
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{name}: {json.dumps(said)} is not finite")
    return Figure(name, numbers[0], None if again is None else numbers[2], numbers[1],
                  str(said["how"]))  # fmt: skip

"""A score computed again by the pack's own clause, and that clause tried on an edited score.

The harness knows no arrays. It lays copies of the evaluations into an empty folder, lets a worker
run the clause on them, then edits the score in the copies and expects the clause to turn red.
"""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from verify.attest.backing import beside
from verify.figures.evaluation import EvaluationRecord
from verify.outcome import Outcome
from verify.run.engine import Options, run
from verify.run.results import Verdict
from verify.spec.pack import LoadedPack

EDIT = 1.0e-4  # relative; far above what two orders of one float64 sum leave


@dataclass(frozen=True)
class Evaluated:
    """An evaluation with the arrays of its components; `place` is where the record names it."""

    place: str
    record: EvaluationRecord
    arrays: Path


def recompute(
    loaded: LoadedPack, clause_id: str, evaluated: tuple[Evaluated, ...], metric: str
) -> Iterator[str]:
    """What is wrong, in words: the clause does not pass, or an edited score passes it too."""
    honest = _verdict(loaded, clause_id, evaluated, None)
    if honest.outcome is not Outcome.PASS:
        yield f"{clause_id} {honest.outcome}: {honest.reason}"
        return
    for one in evaluated:
        edited = _verdict(loaded, clause_id, (one,), metric)
        if edited.outcome is not Outcome.FAIL:
            yield (
                f"{clause_id} {edited.outcome} on {one.record.path.name} with {metric} edited by "
                f"{EDIT:g}, so it does not compute {metric} again"
            )


def judged_again(
    loaded: LoadedPack, clause_ids: list[str], evaluated: tuple[Evaluated, ...]
) -> Iterator[str]:
    """Clauses about numbers that do not pass on these evaluations, whatever a bundle says.

    The bundle may have judged those of another checkpoint.
    """
    for name in clause_ids:
        found = _verdict(loaded, name, evaluated, None)
        if found.outcome is not Outcome.PASS:
            yield f"{name} {found.outcome} on these evaluations: {found.reason}"


def _verdict(
    loaded: LoadedPack, clause_id: str, evaluated: tuple[Evaluated, ...], edit: str | None
) -> Verdict:
    """The clause's verdict on these evaluations alone."""
    (clause,) = (one for one in loaded.pack.clauses if one.id == clause_id)
    with tempfile.TemporaryDirectory(prefix="verify-promote-") as name:
        folder = Path(name)
        names = [path.name for one in evaluated for path in (one.record.path, one.arrays)]
        for number, one in enumerate(evaluated):
            if edit is None and len(set(names)) == len(names):
                _lay_as_it_is(folder, one)
            else:
                _lay(folder, number, one, edit)
        options = Options(
            subject=loaded.pack.manifest.subject, jobs=1, falsify=False, evidence_dir=folder
        )
        alone = replace(loaded, pack=loaded.pack.model_copy(update={"claims": ()}))
        return run(alone, (clause,), options, lambda event: None).verdicts[clause_id]


def _lay_as_it_is(folder: Path, one: Evaluated) -> None:
    """Under its own name, so that its signature goes on being about it."""
    record = one.record.path
    for path in (record, one.arrays, beside(record)):
        if path.is_file():
            shutil.copyfile(path, folder / path.name)


def _lay(folder: Path, number: int, one: Evaluated, edit: str | None) -> None:
    """A copy of the record with its arrays, under names that do not clash."""
    arrays = f"{number:03d}-{one.arrays.name}"
    shutil.copyfile(one.arrays, folder / arrays)
    data: dict[str, Any] = copy.deepcopy(dict(one.record.data))
    data["components"] = {**data["components"], "file": arrays}
    if edit is not None:
        _edit(data["metrics"][edit])
    name = f"{number:03d}-{one.record.path.name}"
    (folder / name).write_text(json.dumps(data), encoding="utf-8")


def _edit(figure: dict[str, Any]) -> None:
    """A value that is off by a little, in an interval that still holds it."""
    change = EDIT * max(1.0, abs(figure["value"]))
    figure["value"] += change
    interval = figure.get("interval")
    if isinstance(interval, list) and len(interval) == 2:
        figure["interval"] = [interval[0], max(interval[1], figure["value"])]

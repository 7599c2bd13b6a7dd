"""Registered checks of a pack, run for a gate in the same workers as those of clauses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from verify.outcome import Outcome, Reason
from verify.run.results import Verdict
from verify.run.tasks import lone_task
from verify.run.workers.pool import Worker
from verify.spec.model import Budget
from verify.spec.pack import LoadedPack


class Checks:
    """One worker that lives as long as the questions; the same question is asked once."""

    def __init__(self, loaded: LoadedPack, evaluations: Path) -> None:
        self._loaded = loaded
        self._evaluations = evaluations
        self._worker = Worker(loaded.root, threads=1)
        self._answers: dict[str, Verdict] = {}

    def __call__(self, gate: str, check: str, params: Mapping[str, Any], budget: Budget) -> Verdict:
        """The verdict of a check; every way to go wrong is one."""
        key = json.dumps([check, params], sort_keys=True)
        if key not in self._answers:
            self._answers[key] = self._ask(gate, check, params, budget)
        return self._answers[key]

    def close(self) -> None:
        """Leave no process behind."""
        self._worker.dispose()

    def _ask(self, gate: str, check: str, params: Mapping[str, Any], budget: Budget) -> Verdict:
        binding = self._loaded.bindings.find("check", check)
        if binding is None:
            reason = f"the pack registers no check {check}"
            return Verdict(Outcome.UNKNOWN, reason, Reason.EVIDENCE_MISSING)
        return self._worker.run(
            lone_task(self._loaded, gate, binding, params, budget, self._evaluations)
        )


def checks(loaded: LoadedPack, evaluations: Path) -> closing[Checks]:
    """`with checks(...) as run:`; `evaluations` is the folder of evaluation records."""
    return closing(Checks(loaded, evaluations))

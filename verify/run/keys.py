"""What is known of a judgement before it is made, as one digest: the same key, the same question.

A key covers the clause, its task, the code, the recorded data, the evaluation records, the harness
and the environment. What a check imports or reads besides is found out while it runs, and is held
against the files as they are before its judgement is reused.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any

from verify.run.environment import environment
from verify.run.workers.pool import Task
from verify.spec.digests import (
    code_files,
    evaluations_digest,
    files_digest,
    harness_digest,
    specs_files,
)
from verify.spec.model import Clause, Kind
from verify.spec.pack import LoadedPack

SCHEMA = "verify/key/1"
# Of clauses about what code gives, which is imported and read where it is heard.
HEARD = frozenset({Kind.PROPERTY, Kind.GOLDEN, Kind.METRIC, Kind.INTERFACE})


class Keys:
    """Keys of the tasks of one run."""

    def __init__(self, loaded: LoadedPack, evidence_dir: Path) -> None:
        self._loaded = loaded
        self._evidence_dir = evidence_dir

    @cached_property
    def base(self) -> str:
        """What all tasks of a run have in common."""
        loaded = self._loaded
        return _digest(
            {
                "schema": SCHEMA,
                "harness": harness_digest(),
                "code": files_digest(code_files(loaded), loaded.root),
                "specs": files_digest(specs_files(loaded), loaded.root),
                "templates": {
                    path: loaded.documents[path].text
                    for path in loaded.pack.manifest.templates.values()
                    if path in loaded.documents
                },
                "evaluations": evaluations_digest(self._evidence_dir),
                "environment": environment(),
            }
        )

    def of(self, clause: Clause, task: Task) -> str:
        """The key of one task."""
        return _digest({**_asked(clause, task), "base": self.base})


def question(clause: Clause, task: Task) -> str:
    """The same of the clause and its task alone."""
    return _digest(_asked(clause, task))


def _asked(clause: Clause, task: Task) -> dict[str, Any]:
    payload = {name: value for name, value in task.payload.items() if name != "evidence_dir"}
    return {"clause": clause.model_dump(mode="json", by_alias=True), "task": payload}


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()

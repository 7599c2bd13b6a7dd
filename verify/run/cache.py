"""Judgements of earlier runs, reused when nothing they depend on has changed (`--cached`).

A key covers the clause, its task, the code, the recorded data and the environment; what a key
cannot cover (documents, files outside `specs/`, the speed of the machine) is never reused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import verify
from verify.files import write_bytes
from verify.run.answers import decode, restate
from verify.run.environment import environment
from verify.run.pool import Task
from verify.run.results import Verdict
from verify.spec.digests import code_files, files_below, files_digest
from verify.spec.model import Clause, Kind
from verify.spec.pack import LoadedPack
from verify.spec.places import visible

SCHEMA = "verify/cache/1"
FOLDER = Path(".verify-cache")
KINDS = frozenset({Kind.PROPERTY, Kind.GOLDEN, Kind.METRIC, Kind.INTERFACE})


class ResultCache:
    """Verdicts by key, one file each, written whole or not at all; what is corrupt is ignored."""

    def __init__(self, folder: Path, loaded: LoadedPack, *, evidence_dir: Path) -> None:
        self._folder = folder
        harness = Path(verify.__file__).parent
        base = {
            "schema": SCHEMA,
            "harness": files_digest(_sources(harness), harness),
            "code": files_digest(code_files(loaded), loaded.root),
            "specs": files_digest(files_below(loaded.specs_dir), loaded.root),
            "templates": {
                path: loaded.documents[path].text
                for path in loaded.pack.manifest.templates.values()
                if path in loaded.documents
            },
            "evaluations": files_digest(files_below(evidence_dir), evidence_dir),
            "environment": environment(),
        }
        self._base = _digest(base)

    def key(self, clause: Clause, task: Task) -> str:
        """sha256 over everything that a verdict of this task depends on."""
        payload = {name: value for name, value in task.payload.items() if name != "evidence_dir"}
        about = {"clause": clause.model_dump(mode="json", by_alias=True), "task": payload}
        return _digest({**about, "base": self._base})

    def get(self, clause: Clause, task: Task) -> Verdict | None:
        """The verdict of an earlier run with the same key, marked as such."""
        if clause.kind not in KINDS:
            return None
        key = self.key(clause, task)
        try:
            entry = json.loads(self._path(key).read_text(encoding="utf-8"))
            whole = entry["key"] == key and entry["sha256"] == _digest(entry["answer"])
            verdict = decode(entry["answer"]) if whole else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return replace(verdict, cached=True) if verdict and verdict.outcome.evaluated else None

    def put(self, clause: Clause, task: Task, verdict: Verdict) -> None:
        """Keep a judgement; a cache that cannot be written is no reason to stop."""
        if clause.kind not in KINDS or not verdict.outcome.evaluated:
            return
        key = self.key(clause, task)
        answer = restate(verdict)
        entry = {"key": key, "sha256": _digest(answer), "answer": answer}
        path = self._path(key)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, _canonical(entry).encode())

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"


def _sources(folder: Path) -> Iterable[Path]:
    return visible(folder, "**/*.py")


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(value).encode()).hexdigest()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

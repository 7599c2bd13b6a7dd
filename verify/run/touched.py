"""Digests of the files that a run's checks imported and read, each taken as it was first seen."""

from __future__ import annotations

import os
from pathlib import Path

from verify.run.results import Basis
from verify.spec.sources import CHANGED, State, digest_now, digest_of, name_of, state_of

Digests = dict[str, dict[str, str]]


class Touched:
    """What is known so far."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen: dict[str, dict[str, tuple[object, str]]] = {"imports": {}, "reads": {}}
        self._names: dict[str, str] = {}
        self._last: dict[str, frozenset[str]] = {}  # all of which were looked at

    def add(self, basis: Basis, *, cached: bool = False) -> list[str]:
        """Take note of an execution -> the names of what it read besides.

        cached  of an earlier run, for which the files were looked at already
        """
        digest = digest_of if cached else digest_now
        for kind, paths in (("imports", basis.imports), ("reads", basis.reads)):
            seen = self._seen[kind]
            if paths is self._last.get(kind):  # imports of one process, or of one earlier run
                continue
            self._last[kind] = paths
            new = [path for path in paths if path not in seen]
            seen.update({path: (_state(path), digest(path)) for path in new})
        return sorted(map(self._name, basis.reads))

    def told(self) -> Digests:
        """Name -> digest, by kind; a file that was written meanwhile has none."""
        return {
            kind: {self._name(path): _settled(path, *seen[path]) for path in sorted(seen)}
            for kind, seen in self._seen.items()
        }

    def _name(self, path: str) -> str:
        if path not in self._names:
            self._names[path] = name_of(path, self._root)
        return self._names[path]


def _settled(path: str, state: object, digest: str) -> str:
    return digest if state == _state(path) or digest == digest_of(path) else CHANGED


def _state(path: str) -> State | None:
    try:
        return state_of(os.stat(path))  # noqa: PTH116 - of thousands of files
    except OSError:
        return None

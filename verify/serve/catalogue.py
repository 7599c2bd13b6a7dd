"""What a folder holds: sealed bundles and runs, found by one look at each folder.

A bundle is read once and again when its manifest changes, and then only the head of its report; so
ten thousand of them are listed at the cost of one `stat` each. Whatever a request names is looked
up here: no path is ever made from the text of a request.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from verify.report.bundle import MANIFEST
from verify.serve.header import Header, header_of

RUN = "run_metadata.json"
DEEPEST = 4  # folders below the one that is served
REST_S = 1.0  # between two looks at the disk
Stamp = tuple[int, int]


@dataclass(frozen=True)
class Place:
    """A bundle or a run: its name in addresses, its name for people, and where it is.

    marker  the file that makes a folder one; stamp: its time and size
    """

    slug: str
    name: str
    path: Path
    marker: str
    stamp: Stamp


@dataclass(frozen=True)
class Bundle(Place):
    """A sealed bundle with the head of its report."""

    header: Header


class Catalogue:
    """Bundles and runs under a folder. Safe to ask from several threads."""

    def __init__(self, root: Path, *, rest_s: float = REST_S) -> None:
        self.root = root.resolve()
        self._rest_s = rest_s
        self._lock = threading.Lock()
        self._looked: float | None = None
        self._known: dict[str, Place] = {}
        self._bundles: dict[str, Bundle] = {}
        self._runs: dict[str, Place] = {}

    def bundles(self) -> list[Bundle]:
        """All of them, the one that began last first; those that cannot be read come last."""
        self._look()
        return list(self._bundles.values())

    def runs(self) -> list[Place]:
        """All of them, the one that was written last first."""
        self._look()
        return list(self._runs.values())

    def bundle(self, slug: str) -> Bundle | None:
        """The bundle of this name, if it is there."""
        self._look()
        return self._bundles.get(slug)

    def run(self, slug: str) -> Place | None:
        """The run of this name, if it is there."""
        self._look()
        return self._runs.get(slug)

    def _look(self) -> None:
        with self._lock:
            if self._looked is not None and time.monotonic() - self._looked < self._rest_s:
                return
            before, self._known = self._known, {}
            for path, name, stamp in _marked(str(self.root), DEEPEST):
                known = before.get(path)
                same = known is not None and (known.marker, known.stamp) == (name, stamp)
                self._known[path] = known if known and same else self._made(path, name, stamp)
            if self._known != before:
                self._sort()
            self._looked = time.monotonic()

    def _sort(self) -> None:
        everything = self._known.values()
        bundles = [one for one in everything if isinstance(one, Bundle)]
        bundles.sort(key=lambda one: (one.header.started, one.name), reverse=True)
        runs = [one for one in everything if one.marker == RUN]
        runs.sort(key=lambda one: (one.stamp, one.name), reverse=True)
        self._bundles = {one.slug: one for one in bundles}
        self._runs = {one.slug: one for one in runs}

    def _made(self, text: str, marker: str, stamp: Stamp) -> Place:
        path = Path(text)
        inside = os.fsencode(path.relative_to(self.root))
        name = path.name if inside == b"." else inside.decode("utf-8", "replace")
        last = re.sub(r"[^A-Za-z0-9]+", "-", path.name).strip("-")[:40]
        slug = f"{last}-{hashlib.sha256(inside).hexdigest()[:10]}"
        if marker == MANIFEST:
            return Bundle(slug, name, path, marker, stamp, header_of(path))
        return Place(slug, name, path, marker, stamp)


def _marked(folder: str, depth: int) -> Iterator[tuple[str, str, Stamp]]:
    """(folder, its marker, the marker's stamp) at or below a folder; within one is no other."""
    for name in (MANIFEST, RUN):
        stamp = _stamp(f"{folder}/{name}")
        if stamp is not None:
            yield folder, name, stamp
            return
    if depth == 0:
        return
    for below in _below(folder):
        yield from _marked(below, depth - 1)


def _below(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [
                one.path
                for one in entries
                if not one.name.startswith(".") and one.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return []


def _stamp(path: str) -> Stamp | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size) if stat.S_ISREG(found.st_mode) else None

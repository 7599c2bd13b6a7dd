"""Which lines of the code each clause runs, found out once: only those clauses can see a change.

Every clause gets a program of its own, so that what runs on import counts for each of them, and so
does what runs in the processes that it starts (`verify.mutate.children`). What was found is kept
by clause, for as long as it is asked the same and the files it rests on are the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from verify.files import write_bytes
from verify.mutate.source import Mutant
from verify.mutate.workers import Programs
from verify.outcome import Outcome
from verify.run.results import Verdict
from verify.run.spread import Stop, spread
from verify.run.workers.pool import Task
from verify.spec.model import Clause, Kind
from verify.spec.places import name_of as label
from verify.spec.sources import SITE, digest_of, name_of, place_of

TRACED = 5.0  # a budget's factor while lines are counted
LEAST_S, FACTOR = 5.0, 10.0  # of a clause's own time, before a changed program counts as hanging
NEAREST = 3
SAVED = 20  # clauses between two writings of the file
_KEPT = (Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN)  # others may be the machine's doing
_NOT_JUDGED = (Kind.CONFIG, Kind.BENCHMARK)  # of templates; of speed, which is another each time


@dataclass(frozen=True)
class Reached:
    """What one clause did with the code as it is; lines by file, as paths from the pack's root.

    asked  digest of the clause, its task and what all clauses have in common
    files  name -> digest of what it imported and read, without installed packages
    names  folder -> digest of the names in it, of those that it listed
    """

    clause: str
    asked: str
    outcome: str
    reason: str
    seconds: float
    lines: Mapping[str, frozenset[int]]
    files: Mapping[str, str]
    names: Mapping[str, str]

    @property
    def size(self) -> int:
        """How much it runs in all: a clause that runs little is about what it runs."""
        return sum(map(len, self.lines.values()))

    @cached_property
    def basis(self) -> str:
        """All that it rests on, as one digest."""
        return digest([self.asked, dict(self.files), dict(self.names)])


@dataclass(frozen=True)
class Reach:
    """Of all clauses, with what every program needs; `own` are files no changed text reaches."""

    clauses: Mapping[str, Reached]
    libraries: tuple[str, ...]
    own: frozenset[str]

    def judges(self, mutant: Mutant, inside: frozenset[int]) -> list[Reached]:
        """Clauses that pass and run the changed lines, the cheapest first.

        What runs on import is reached by all who import it: who also runs a function of the file
        comes first. inside: lines of functions of that file.
        """
        wanted = set(mutant.lines)
        found = [
            one
            for one in self.clauses.values()
            if one.outcome == "pass" and wanted & one.lines.get(mutant.file, frozenset())
        ]
        if mutant.inside:
            return sorted(found, key=lambda one: (one.seconds, one.clause))
        return sorted(
            found, key=lambda one: (not inside & one.lines[mutant.file], one.seconds, one.clause)
        )

    def nearest(self, mutant: Mutant, judges: Sequence[Reached]) -> list[str]:
        """Where a clause that sees a survivor would stand: who runs its lines, else its file."""
        near = list(judges) or [one for one in self.clauses.values() if mutant.file in one.lines]
        near.sort(key=lambda one: (one.size, one.clause))
        return [one.clause for one in near[:NEAREST]]


def limit_s(reached: Reached, clause: Clause) -> float:
    """How long a clause may take on a changed program."""
    return min(clause.budget.seconds, max(LEAST_S, FACTOR * reached.seconds))


def judging(clauses: Sequence[Clause]) -> list[Clause]:
    """Clauses that run code and say the same each time."""
    return [clause for clause in clauses if clause.kind not in _NOT_JUDGED]


class Finder:
    """Finds it out, and keeps in a file what still holds.

    asked  clause -> digest of what it is asked now, and of what all have in common: the harness,
           the environment; of others nothing is kept
    """

    def __init__(
        self, root: Path, places: Sequence[Path], kept: Path, asked: Mapping[str, str]
    ) -> None:
        self._root = root
        self._places = [f"{place}/" if place.is_dir() else str(place) for place in places]
        self._kept = kept
        self._asked = asked
        self._found: dict[str, Reached] = {}
        self._libraries: list[str] = []
        self._own: set[str] = set()
        self._read()

    def find(
        self, tasks: Sequence[Task], jobs: int, stop: Stop, tell: Callable[[str, int], None]
    ) -> Reach:
        """Of the clauses of some tasks; `tell` hears a clause and how many are left."""
        due = [task for task in tasks if task.key[0] not in self._found]
        workers = [Programs(self._root, 1, self._libraries) for _ in range(min(jobs, len(due)))]
        left = len(due)
        try:
            for task, reached in spread(due, workers, self._one, stop):
                left -= 1
                self._found[task.key[0]] = reached
                if left % SAVED == 0:
                    self._write()
                tell(f"{reached.clause} {reached.outcome}", left)
        finally:
            if due:
                self._write()
        wanted = {task.key[0] for task in tasks}
        found = {name: one for name, one in self._found.items() if name in wanted}
        return Reach(found, tuple(self._libraries), frozenset(self._own))

    def _one(self, worker: Programs, task: Task) -> Reached:
        worker.turn(traced=self._places)
        verdict: Verdict = worker.run(replace(task, seconds=TRACED * task.seconds))
        touched, worker.touched = worker.touched, {}
        self._libraries += [n for n in touched.get("libraries", ()) if n not in self._libraries]
        self._own |= worker.own
        worker.learn(touched.get("libraries", ()))
        name = task.key[0]
        return Reached(
            name, self._asked[name], verdict.outcome, verdict.reason, verdict.elapsed_s,
            dict(self._lines(touched.get("lines", {}))), self._files(touched),
            {name_of(folder, self._root): _names(folder) for folder in touched.get("listed", ())},
        )  # fmt: skip

    def _lines(self, found: Mapping[str, list[int]]) -> Iterator[tuple[str, frozenset[int]]]:
        for file, lines in found.items():
            yield label(Path(file), self._root), frozenset(lines)

    def _files(self, touched: Mapping[str, Any]) -> dict[str, str]:
        """Installed packages are known by their versions, which are part of what it is about; the
        code that is changed may be installed as well."""
        paths = {*touched.get("imports", ()), *touched.get("reads", ())}
        named = {name_of(path, self._root): path for path in sorted(paths)}
        code = tuple(self._places)
        return {
            name: digest_of(path)
            for name, path in named.items()
            if not name.startswith(SITE) or path.startswith(code)
        }

    def _holds(self, one: Reached) -> bool:
        return (
            one.asked == self._asked.get(one.clause)
            and one.outcome in _KEPT
            and all(digest_of(place_of(name, self._root)) == is_ for name, is_ in one.files.items())
            and all(_names(place_of(name, self._root)) == is_ for name, is_ in one.names.items())
        )

    def _read(self) -> None:
        try:
            kept = json.loads(self._kept.read_text(encoding="utf-8"))
            found = [_parsed(item) for item in kept["clauses"]]
            libraries, own = list(kept["libraries"]), set(kept["own"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return
        self._found = {one.clause: one for one in found if self._holds(one)}
        if self._found:  # else every worker tells them again
            self._libraries, self._own = libraries, own

    def _write(self) -> None:
        clauses = [
            {**asdict(one), "lines": {file: sorted(one.lines[file]) for file in sorted(one.lines)}}
            for _, one in sorted(self._found.items())
        ]
        whole: dict[str, Any] = {"clauses": clauses}
        whole |= {"libraries": self._libraries, "own": sorted(self._own)}
        self._kept.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(self._kept, json.dumps(whole).encode())


def _parsed(item: Mapping[str, Any]) -> Reached:
    lines = {file: frozenset(found) for file, found in item["lines"].items()}
    return Reached(**{**item, "lines": lines})


def _names(folder: str) -> str:
    """Digest of the names that stand in a folder, without caches and hidden ones."""
    found: list[str] = []
    with suppress(OSError):
        found = [one.name for one in Path(folder).iterdir()]
    return digest(sorted(name for name in found if not name.startswith((".", "__pycache__"))))


def digest(value: Any) -> str:
    """sha256 of JSON data."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()

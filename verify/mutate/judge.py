"""Changes drawn, tried one at a time, and judged by the clauses that run the changed lines."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from verify.mutate.operators import mutants
from verify.mutate.rate import Fate
from verify.mutate.reach import Reach, Reached, digest, limit_s
from verify.mutate.source import Mutant, Source
from verify.mutate.workers import Programs
from verify.outcome import Outcome
from verify.problems import NothingSelectedError, PackError, Problem
from verify.run.spread import Stop, spread
from verify.run.workers.pool import Task
from verify.spec.digests import files_below
from verify.spec.model import Clause
from verify.spec.places import name_of


@dataclass(frozen=True)
class Found:
    """One change and its end; `clause` is the one that noticed, `clauses` how many were asked.

    question  digest of the file and of all that the judges rest on: the same, and the end stands
    """

    mutant: str
    file: str
    line: int
    operator: str
    fate: Fate
    clause: str = ""
    reason: str = ""
    clauses: int = 0
    seconds: float = 0.0
    nearest: tuple[str, ...] = ()
    contracts: tuple[str, ...] = ()
    before: str = ""
    after: str = ""
    diff: str = ""
    question: str = ""


class Code:
    """The files whose changes are tried."""

    def __init__(self, root: Path, places: Sequence[Path], patterns: Sequence[str]) -> None:
        files = sorted({path for place in places for path in files_below(place)})
        labels = {name_of(path, root): path for path in files if path.suffix == ".py"}
        wanted = {
            label: path
            for label, path in labels.items()
            if not patterns or any(fnmatchcase(label, one) for one in patterns)
        }
        for one in patterns:
            if not any(fnmatchcase(label, one) for label in labels):
                raise NothingSelectedError(
                    f"--files: found none of {len(labels)} files of the code by {one}; "
                    "remedy: a glob such as drift/loss.py or drift/train/*"
                )
        self.sources = dict(_read(wanted))
        self.paths = wanted
        self.mutants = [one for source in self.sources.values() for one in mutants(source)]

    def inside(self, file: str) -> frozenset[int]:
        """Lines of a file's functions."""
        found = (seen.lines for seen in self.sources[file].seen if seen.inside)
        return frozenset(line for lines in found for line in lines)

    def named(self, names: Sequence[str]) -> list[Mutant]:
        """The changes of these names, which a run lists with what survived."""
        known = {one.name: one for one in self.mutants}
        for name in names:
            if name not in known:
                raise NothingSelectedError(
                    f"--change: found none of {len(known)} changes by the name {name}; remedy: a "
                    "name that a run has listed, whose line is still the same"
                )
        return [known[name] for name in dict.fromkeys(names)]

    def draw(self, seed: int, sample: int | None, left_out: Mapping[str, object]) -> list[Mutant]:
        """Changes in an order that the seed decides; the first `sample` of them, or all."""
        order = [one for one in self.mutants if one.name not in left_out]
        random.Random(seed).shuffle(order)
        drawn: list[Mutant] = []
        for one in order:
            if len(drawn) == sample:
                break
            if self.sources[one.file].runs(one.edit):
                drawn.append(one)
        return drawn


def _read(files: Mapping[str, Path]) -> Iterator[tuple[str, Source]]:
    problems = []
    for label, path in files.items():
        try:
            yield label, Source(label, path.read_bytes())
        except (SyntaxError, ValueError) as error:
            found = f"no Python ({error})"
            problems.append(Problem(label, 0, 0, "", found, "a module", "mend the file"))
    if problems:
        raise PackError(problems)


@dataclass(frozen=True)
class Trial:
    """What trying takes: who reaches what, the tasks of the clauses, and when to begin no other."""

    root: Path
    code: Code
    reach: Reach
    clauses: Mapping[str, Clause]
    tasks: Mapping[str, Task]
    ends: float | None = None  # on the monotonic clock

    def question(self, mutant: Mutant) -> str:
        """What the end of a change rests on."""
        judges = self.reach.judges(mutant, self.code.inside(mutant.file))
        text = hashlib.sha256(self.code.sources[mutant.file].data).hexdigest()
        return digest([mutant.name, text, sorted([one.clause, one.basis] for one in judges)])

    def of(self, worker: Programs, mutant: Mutant) -> Found | None:
        """The end of one change; None where the time is over."""
        if self.ends is not None and time.monotonic() >= self.ends:
            return None
        judges = self.reach.judges(mutant, self.code.inside(mutant.file))
        text = self.code.sources[mutant.file].changed(mutant.edit)
        place = self.code.paths[mutant.file]
        worker.turn((place, text))
        began = time.monotonic()
        for asked, reached in enumerate(judges, 1):
            task = self.tasks[reached.clause]
            limit = limit_s(reached, self.clauses[reached.clause])
            verdict = worker.run(replace(task, seconds=limit))
            if verdict.outcome is not Outcome.PASS:
                fate = Fate.JUDGED if verdict.outcome is Outcome.FAIL else Fate.CRASHED
                spent = time.monotonic() - began
                reason = f"{verdict.outcome}: {verdict.reason}"
                return self._found(mutant, fate, judges, reached.clause, reason, asked, spent)
        fate = Fate.SURVIVED if judges else Fate.UNREACHED
        spent = time.monotonic() - began
        return self._found(mutant, fate, judges, "", "", len(judges), spent)

    def _found(
        self, mutant: Mutant, fate: Fate, judges: Sequence[Reached],
        clause: str, reason: str, asked: int, seconds: float,
    ) -> Found:  # fmt: skip
        contracts = tuple(sorted({one.clause.partition("-")[0] for one in judges}))
        nearest = () if fate.noticed else tuple(self.reach.nearest(mutant, judges))
        diff = "" if fate.noticed else self.code.sources[mutant.file].diff(mutant)
        return Found(
            mutant.name, mutant.file, mutant.line, mutant.operator, fate, clause, reason, asked,
            round(seconds, 3), nearest, contracts, mutant.before, mutant.after, diff,
            self.question(mutant),
        )  # fmt: skip


class Kept:
    """What was found, a line a change: a trial goes on where an earlier one stopped."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Found]:
        """By the mutant's name; the last line may be cut, and is then tried again."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except OSError:
            return {}
        found = [one for line in lines if (one := _parsed(line))]
        return {one.mutant: one for one in found}

    def add(self, found: Found) -> None:
        """One more, on a line of its own whatever became of the one before."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps(asdict(found)))


def _parsed(line: str) -> Found | None:
    try:
        item = json.loads(line)
        lists = {name: tuple(item[name]) for name in ("nearest", "contracts")}
        return Found(**{**item, **lists, "fate": Fate(item["fate"])})
    except (ValueError, TypeError, KeyError):
        return None


def try_all(
    trial: Trial, drawn: Sequence[Mutant], kept: Kept, jobs: int, stop: Stop,
    tell: Callable[[Found, int], None],
) -> list[Found]:  # fmt: skip
    """The ends of the changes that there was time for, in the order of their drawing.

    `tell` hears each, and how many are left. Raises StoppedError; what was found is kept.
    """
    earlier = kept.read()
    known = {
        mutant.name: one
        for mutant in drawn
        if (one := earlier.get(mutant.name)) and one.question == trial.question(mutant)
    }
    due = [mutant for mutant in drawn if mutant.name not in known]
    workers = [Programs(trial.root, 1, trial.reach.libraries) for _ in range(min(jobs, len(due)))]
    left = len(due)
    for _, found in spread(due, workers, lambda worker, one: trial.of(worker, one), stop):
        left -= 1
        if found is not None:
            known[found.mutant] = found
            kept.add(found)
            tell(found, left)
    return [known[mutant.name] for mutant in drawn if mutant.name in known]

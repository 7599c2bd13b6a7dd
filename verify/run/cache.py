"""Judgements of earlier runs, reused when nothing they rest on has changed (`--cached`).

They are read from sealed bundles, each re-verified first: there is no other store that somebody
could edit. Reused is what has the same key (`verify.run.keys`), and imported and read files that
are still the same. Where that does not tell all that a judgement rests on - it started a program,
is about artefacts or processes, or missed evaluation records - nothing at all may have changed
around it (`verify.run.surroundings`). The speed of the machine has no key, and is never reused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from verify.outcome import Outcome, Reason
from verify.run.answers import decode
from verify.run.keys import HEARD, Keys
from verify.run.pins import Pins
from verify.run.results import Basis, Verdict
from verify.run.surroundings import UNKNOWN, Around
from verify.spec.model import Clause, Kind
from verify.spec.sources import differing, place_of

JUDGED = (Outcome.PASS, Outcome.FAIL)


@dataclass(frozen=True)
class Found:
    """A verdict of an earlier run on files that are still the same.

    heard   whether a check of a kind in HEARD rested on nothing else
    around  whether nothing else has changed either
    """

    verdict: Verdict
    heard: bool
    around: bool


class Reopened(NamedTuple):
    """A bundle that holds, and which of the files that it names are not what they were."""

    pins: Pins
    changed_imports: list[str]
    changed_reads: list[str]


def reopened(pins: Pins, root: Path) -> Reopened:
    """What a bundle says, held against the files of this machine; `root` is the pack's."""
    imports, reads = (differing(names, names, root) for names in (pins.imports, pins.reads))
    # Without the head: the whole pack is in it, nobody asks for it, and it may have to be sent.
    return Reopened(replace(pins, head={}), imports, reads)


class Earlier:
    """Verdicts of earlier runs by key.

    bundles  folders, the latest first; one is opened when a key that it names is asked for
    named    the keys that one names, not yet verified
    read     opens one with all checks; None for one that does not hold
    root     of the pack
    keys     of this run, under which they were made
    around   what lies around this run
    """

    def __init__(
        self,
        bundles: list[Path],
        named: Callable[[Path], Set[str]],
        read: Callable[[Path], Reopened | None],
        root: Path,
        keys: Keys,
        around: Around,
    ) -> None:
        self.keys = keys
        self.around = around
        self._named: dict[str, list[Path]] = {}
        for folder in bundles:
            for key in named(folder):
                self._named.setdefault(key, []).append(folder)
        self._unopened = set(bundles)
        self._read = read
        self._root = root
        self._known: dict[str, Found] = {}

    def get(self, clause: Clause, key: str) -> Verdict | None:
        """The verdict of an earlier run with the same key, marked as such."""
        if clause.kind is Kind.BENCHMARK:
            return None
        for folder in self._named.get(key, ()):
            if key not in self._known and folder in self._unopened:
                self._unopened.remove(folder)
                self._open(folder)
        found = self._known.get(key)
        if found and (found.around or (found.heard and clause.kind in HEARD)):
            return found.verdict
        return None

    def _open(self, folder: Path) -> None:
        found = self._read(folder)
        if found and found.pins.whole and not found.changed_imports:
            for key, verdict in self._verdicts(folder, found):
                self._known.setdefault(key, verdict)

    def _verdicts(self, folder: Path, found: Reopened) -> Iterator[tuple[str, Found]]:
        """What was judged on files that are still the same."""
        pins = found.pins
        same = pins.reads.keys() - set(found.changed_reads)
        places = {name: place_of(name, self._root) for name in same}
        imports = frozenset(place_of(name, self._root) for name in pins.imports)
        around = pins.around == self.around.digest != UNKNOWN
        for record in pins.records.values():
            if record["key"] and same.issuperset(record["reads"]):
                verdict = self._verdict(folder, record)
                judged = verdict.outcome in JUDGED
                basis = Basis(
                    imports,
                    reads=frozenset(places[name] for name in record["reads"]),
                    children=record["children"],
                    evaluations=record["evaluations"],
                    key=record["key"],
                )
                yield record["key"], Found(
                    replace(verdict, basis=basis),
                    heard=judged and not record["children"],
                    around=around and (judged or _missed_records(verdict, record)),
                )  # fmt: skip

    def _verdict(self, folder: Path, record: dict[str, Any]) -> Verdict:
        verdict = decode({**record, "files": {}})
        files = {Path(name).name: (folder / name).read_bytes() for name in record.get("files", {})}
        return replace(verdict, files=files, cached=True)


def _missed_records(verdict: Verdict, record: dict[str, Any]) -> bool:
    """Whether what a check found missing is among the evaluation records, which keys cover."""
    return verdict.cause is Reason.EVIDENCE_MISSING and bool(record["evaluations"])

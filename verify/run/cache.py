"""Judgements of earlier runs, reused when nothing they rest on has changed (`--cached`).

They are read from sealed bundles, each re-verified first: there is no other store that somebody
could edit. Reused is what has the same key (`verify.run.keys`), was judged by a check that started
no other process, and imported and read files that are still the same. What a key cannot cover
(documents, artefacts, the speed of the machine) is never reused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

from verify.outcome import Outcome
from verify.run.answers import decode
from verify.run.keys import Keys
from verify.run.pins import Pins
from verify.run.results import Basis, Verdict
from verify.spec.model import Clause, Kind
from verify.spec.sources import differing, place_of

KINDS = frozenset({Kind.PROPERTY, Kind.GOLDEN, Kind.METRIC, Kind.INTERFACE})
JUDGED = (Outcome.PASS, Outcome.FAIL)


class Earlier:
    """Verdicts of earlier runs by key.

    bundles  folders, the latest first; one is opened when a key that it names is asked for
    named    the keys that one names, not yet verified
    read     opens one with all checks; None for one that does not hold
    root     of the pack, for the files that a check imported or read
    keys     of this run, under which they were made
    """

    def __init__(
        self,
        bundles: list[Path],
        named: Callable[[Path], Set[str]],
        read: Callable[[Path], Pins | None],
        root: Path,
        keys: Keys,
    ) -> None:
        self.keys = keys
        self._named: dict[str, list[Path]] = {}
        for folder in bundles:
            for key in named(folder):
                self._named.setdefault(key, []).append(folder)
        self._unopened = set(bundles)
        self._read = read
        self._root = root
        self._known: dict[str, Verdict | None] = {}

    def get(self, clause: Clause, key: str) -> Verdict | None:
        """The verdict of an earlier run with the same key, marked as such."""
        if clause.kind not in KINDS:
            return None
        for folder in self._named.get(key, ()):
            if key not in self._known and folder in self._unopened:
                self._unopened.remove(folder)
                self._open(folder)
        return self._known.get(key)

    def _open(self, folder: Path) -> None:
        pins = self._read(folder)
        if pins is None or not pins.whole:
            return
        if not differing(pins.imports, pins.imports, self._root):
            for key, verdict in self._verdicts(folder, pins):
                self._known.setdefault(key, verdict)

    def _verdicts(self, folder: Path, pins: Pins) -> Iterator[tuple[str, Verdict | None]]:
        """What was judged on files that are still the same; None where it has to be done again."""
        same = pins.reads.keys() - differing(pins.reads, pins.reads, self._root)
        places = {name: place_of(name, self._root) for name in same}
        imports = frozenset(place_of(name, self._root) for name in pins.imports)
        for record in pins.records.values():
            if record["key"] and same.issuperset(record["reads"]):
                judged = record["outcome"] in JUDGED and not record["children"]
                reads = frozenset(places[name] for name in record["reads"])
                basis = Basis(imports, reads, evaluations=record["evaluations"], key=record["key"])
                yield record["key"], self._verdict(folder, record, basis) if judged else None

    def _verdict(self, folder: Path, record: dict[str, Any], basis: Basis) -> Verdict:
        verdict = decode({**record, "files": {}})
        files = {Path(name).name: (folder / name).read_bytes() for name in record.get("files", {})}
        return replace(verdict, files=files, cached=True, basis=basis)

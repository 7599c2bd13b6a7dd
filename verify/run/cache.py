"""Judgements of earlier runs, reused when nothing they rest on has changed (`--cached`).

They are read from sealed bundles, each re-verified first: there is no other store that somebody
could edit. Reused is what has the same key (`verify.run.keys`), was judged by a check that started
no other process, and imported and read files that are still the same. What a key cannot cover
(documents, artefacts, the speed of the machine) is never reused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from verify.outcome import Outcome
from verify.run.answers import decode
from verify.run.keys import Keys
from verify.run.pins import Pins
from verify.run.results import Verdict
from verify.spec.model import Clause, Kind
from verify.spec.sources import differing, place_of

KINDS = frozenset({Kind.PROPERTY, Kind.GOLDEN, Kind.METRIC, Kind.INTERFACE})
JUDGED = (Outcome.PASS, Outcome.FAIL)


class Earlier:
    """Verdicts of earlier runs by key.

    bundles  folders, the latest first
    read     opens one with all checks; None for one that does not hold
    root     of the pack, for the files that a check imported or read
    keys     of this run, under which they were made
    """

    def __init__(
        self, bundles: list[Path], read: Callable[[Path], Pins | None], root: Path, keys: Keys
    ) -> None:
        self.keys = keys
        self._bundles = bundles
        self._read = read
        self._root = root

    def get(self, clause: Clause, key: str) -> Verdict | None:
        """The verdict of an earlier run with the same key, marked as such."""
        return self._known.get(key) if clause.kind in KINDS else None

    @cached_property
    def _known(self) -> Mapping[str, Verdict]:
        found: dict[str, Verdict] = {}
        for folder in self._bundles:
            pins = self._read(folder)
            if pins is None or not pins.whole:
                continue
            if not differing(pins.imports, pins.imports, self._root):
                for key, verdict in self._verdicts(folder, pins):
                    found.setdefault(key, verdict)
        return found

    def _verdicts(self, folder: Path, pins: Pins) -> Iterator[tuple[str, Verdict]]:
        changed = set(differing(pins.reads, pins.reads, self._root))
        imports = frozenset(place_of(name, self._root) for name in pins.imports)
        for record in pins.records.values():
            judged = record["outcome"] in JUDGED and record["key"] and not record["children"]
            if judged and changed.isdisjoint(record["reads"]):
                yield record["key"], self._verdict(folder, record, imports)

    def _verdict(self, folder: Path, record: dict[str, Any], imports: frozenset[str]) -> Verdict:
        verdict = decode({**record, "files": {}})
        basis = replace(
            verdict.basis,
            imports=imports,
            reads=frozenset(place_of(name, self._root) for name in record["reads"]),
            evaluations=record["evaluations"],
            key=record["key"],
        )
        files = {Path(name).name: (folder / name).read_bytes() for name in record.get("files", {})}
        return replace(verdict, files=files, cached=True, basis=basis)

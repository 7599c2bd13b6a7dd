"""A log of decision records, read so that anybody's log gives a report and no crash.

`verify lint` refuses a pack with one broken record; here every record takes part with what could be
read of it, and the names that it may refer to come from the files beside it, where there are any.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from verify.problems import Problem, UsageError
from verify.spec.bullet_log import read_bullet_log
from verify.spec.decisions import Entry, read_entries
from verify.spec.model import Decision
from verify.spec.places import foreign, visible
from verify.spec.root import MANIFEST, find_root
from verify.spec.strict_yaml import read

FOLDER = Path("specs") / "decisions"
NAMING = ("contracts/*.yaml", "contracts/*/*.yaml", "specs/*.yaml")
FAMILIES = ("claims", "conflicts", "clauses")
# Stand in for what a broken record does not say; none of them makes a rule speak.
UNSAID = {"id": "DEC-0000", "title": "?", "status": "proposed", "date": "0001-01-01"}


@dataclass(frozen=True)
class Known:
    """What a record may refer to; a family is None where its names could not be read."""

    root: Path
    claims: frozenset[str] | None
    conflicts: frozenset[str] | None
    clauses: frozenset[str] | None


@dataclass(frozen=True)
class Draft:
    """A record with what can be used of it; `broken` are the fields that cannot."""

    entry: Entry
    record: Decision
    broken: frozenset[str]

    @property
    def name(self) -> str:
        """Its id, else the one that its place promises."""
        return self.entry.name if "id" in self.broken else self.record.id

    def has(self, *fields: str) -> bool:
        """Whether these fields can be relied on."""
        return self.broken.isdisjoint(fields)


@dataclass(frozen=True)
class Log:
    """All records of a folder, and the names they may refer to."""

    drafts: tuple[Draft, ...]
    known: Known
    problems: tuple[Problem, ...]

    @cached_property
    def by_name(self) -> dict[str, Draft]:
        """Draft by id; of two with one id the first."""
        return {draft.name: draft for draft in reversed(self.drafts)}

    def successor(self, draft: Draft) -> Draft | None:
        """The record that replaces this one, where there is one."""
        return self.by_name.get(draft.record.superseded_by or "")


def read_log(start: Path | None) -> Log:
    """The records of a pack, of a folder with specs/decisions, of a folder, or of a single file.

    Raises UsageError where there is no record at all: a log of nothing must not look sound.
    """
    root, place = _places(start)
    entries = read_bullet_log(place) if place.is_file() else read_entries(place, root)
    if not entries:
        raise UsageError(
            f"{place}: found no records; expected DEC-NNNN.md files; remedy: correct --pack, or "
            "write the first record"
        )
    known, problems = _known(root)
    return Log(tuple(map(_draft, entries)), known, problems)


def _places(start: Path | None) -> tuple[Path, Path]:
    """(root, folder or file of records)."""
    if start is None or (start / MANIFEST).is_file():
        root = find_root(start).resolve()
        return root, root / FOLDER
    if not start.exists():
        raise UsageError(
            f"{start}: found nothing there; expected a pack, a folder of records or a log; remedy: "
            "correct --pack"
        )
    place = start.resolve()
    if place.is_file():
        return place.parent, place
    return place, place / FOLDER if (place / FOLDER).is_dir() else place


def _draft(entry: Entry) -> Draft:
    if entry.record is not None:
        return Draft(entry, entry.record, frozenset())
    if entry.said is None:
        return Draft(entry, _record(UNSAID), frozenset(Decision.model_fields))
    broken = _broken(entry.said)
    whole = {name: value for name, value in entry.said.items() if name not in broken}
    return Draft(entry, _record({**UNSAID, **whole}), broken)


def _broken(front: Mapping[str, Any]) -> frozenset[str]:
    """The keys of a front matter that are missing, unknown or wrong."""
    try:
        _record(front)
    except ValidationError as error:
        return frozenset(str(item["loc"][0]) for item in error.errors(include_url=False))
    return frozenset()


def _record(front: Mapping[str, Any]) -> Decision:
    return Decision.model_validate_json(json.dumps(dict(front)))


def _known(root: Path) -> tuple[Known, tuple[Problem, ...]]:
    """The ids that the files beside the log define; a file that is broken is said, not guessed."""
    problems: list[Problem] = []
    found: dict[str, set[str]] = {family: set() for family in FAMILIES}
    paths = [path for pattern in NAMING for path in visible(root, pattern)]
    for path in paths:
        label = path.relative_to(root).as_posix()
        stray = foreign(root, label)
        document = None if stray else read(path, name=label)
        problems += [stray] if stray else document.problems if document else ()
        for family, name in _ids(document.value if document else None):
            found[family].add(name)
    if problems or not (root / MANIFEST).is_file():
        return Known(root, None, None, None), tuple(problems)
    return Known(root, *(frozenset(found[family]) for family in FAMILIES)), ()


def _ids(value: object) -> Iterator[tuple[str, str]]:
    for family in FAMILIES:
        items = value.get(family) if isinstance(value, dict) else None
        for item in _rows(items):
            if isinstance(item.get("id"), str):
                yield family, item["id"]


def _rows(items: object) -> Iterator[dict[str, Any]]:
    """The mappings of a list, and the rows of those that are tables."""
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            yield item
            yield from _rows(item.get("rows"))

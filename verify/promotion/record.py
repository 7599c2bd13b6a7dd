"""Reading a promoted-run record: what is whole is judged, what is missing or malformed blocks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from verify.problems import PackError, Problem
from verify.promotion.model import PromotedRun
from verify.spec.places import inside
from verify.spec.strict_yaml import read
from verify.spec.validation import validate


class Kind(IntEnum):
    """Why something blocks; the value is the exit code it leads to."""

    REFUSED = 1  # it is there, and it is not enough
    MISSING = 3  # it is not there
    INTEGRITY = 4  # a digest does not match

    @property
    def word(self) -> str:
        """As it is printed."""
        return self.name.lower()


_WEIGHTIEST = (Kind.INTEGRITY, Kind.REFUSED, Kind.MISSING)


@dataclass(frozen=True)
class Blocker:
    """One reason against a promotion."""

    kind: Kind
    place: str
    found: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return (
            f"{self.kind.word} {self.place}: found {self.found}; expected {self.expected}; "
            f"remedy: {self.remedy}"
        )


def exit_code(blockers: list[Blocker]) -> int:
    """0 without any; else 4 > 1 > 3."""
    kinds = {blocker.kind for blocker in blockers}
    return next((int(kind) for kind in _WEIGHTIEST if kind in kinds), 0)


@dataclass(frozen=True)
class Draft:
    """The parts of a record that are well-formed, by name; `folder` is where its files lie."""

    path: Path
    folder: Path
    parts: dict[str, Any] = field(default_factory=dict)

    def file(self, place: str, name: str, sha256: str) -> tuple[Path | None, list[Blocker]]:
        """A file beside the record, if it is there and is the one that was pinned."""
        path = inside(self.folder, name)
        if path is None or not path.is_file():
            found = f"no file {name} beside the record"
            return None, [Blocker(Kind.MISSING, place, found, "it there", "put it there")]
        actual = digest(path)
        if actual != sha256:
            remedy = "promote what was evaluated, or evaluate what is promoted"
            return None, [
                Blocker(Kind.INTEGRITY, place, f"{name} of sha256 {actual}", sha256, remedy)
            ]
        return path, []


def digest(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_draft(path: Path) -> tuple[Draft, list[Blocker]]:
    """The well-formed parts of a record, and a blocker for each field that is not.

    Raises PackError for a file that is no mapping in strict YAML.
    """
    document = read(path)
    if document.problems:
        raise PackError(document.problems)
    value: Any = document.value
    if not isinstance(value, dict):
        found = f"a {type(value).__name__}"
        raise PackError([document.problem((), found, "a promoted-run record", "rewrite it")])
    problems: list[Problem] = []
    validate(document, PromotedRun, problems)
    parts = dict(_parts(value))
    return Draft(path, path.parent.resolve(), parts), [_blocker(one) for one in sorted(problems)]


def _parts(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, info in PromotedRun.model_fields.items():
        if name in value:
            whole: Any = TypeAdapter(info.rebuild_annotation())
            try:
                yield name, whole.validate_json(json.dumps(value[name]), strict=True)
            except ValidationError:
                continue  # said by the whole record's validation, with line and place


def _blocker(problem: Problem) -> Blocker:
    missing = problem.found.startswith("no ") and problem.expected == "this key"
    kind = Kind.MISSING if missing else Kind.REFUSED
    place = f"{problem.path} (line {problem.line})"
    return Blocker(kind, place, problem.found, problem.expected, problem.remedy)

"""Decision records: markdown with front matter in specs/decisions, eight fields each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify.problems import Problem
from verify.spec.model import Decision
from verify.spec.places import foreign, read_text
from verify.spec.strict_yaml import Document, parse
from verify.spec.validation import validate

SECTIONS = (
    "Context",
    "Options",
    "Decision",
    "Rationale",
    "Evidence",
    "Residual risk",
    "Follow-up",
)
MAX_BYTES = 1 << 18
_HEADING = re.compile(r"^## +(.+?) *$", re.MULTILINE)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Entry:
    """A record's file: what could be read of it, and all that is wrong with its shape.

    front   the front matter; its value is None where it is broken
    body    the text below it, which begins on line `begins` of the file
    record  None where the front matter is not whole
    """

    file: str
    front: Document
    body: str
    begins: int
    record: Decision | None
    problems: tuple[Problem, ...]

    @property
    def stem(self) -> str:
        """The id that the file's name promises."""
        return Path(self.file).stem

    def line_of(self, offset: int) -> int:
        """Line of the file at which a character of the body stands."""
        return self.body[:offset].count("\n") + self.begins

    def problem(
        self, field: str, found: str, expected: str, remedy: str = "correct the record"
    ) -> Problem:
        """A problem with a field of the front matter, at its line."""
        value: Any = self.front.value
        at = (field,) if isinstance(value, dict) and field in value else ()
        line, column = self.front.locate(at, key=True)
        return Problem(self.file, line, column, field, found, expected, remedy)


def read_decisions(folder: Path, root: Path, problems: list[Problem]) -> tuple[Decision, ...]:
    """All records of a folder in order of their ids; defects go to `problems`."""
    entries = read_entries(folder, root)
    problems.extend(problem for entry in entries for problem in entry.problems)
    return tuple(entry.record for entry in entries if entry.record is not None)


def read_entries(folder: Path, root: Path) -> tuple[Entry, ...]:
    """Every file of a folder of records, in order of their names, whole or not."""
    paths = sorted(folder.glob("*.md")) if folder.is_dir() else []
    return tuple(_read(path, path.relative_to(root).as_posix(), root) for path in paths)


def _read(path: Path, label: str, root: Path) -> Entry:
    text = foreign(root, label) or read_text(path, label, limit=MAX_BYTES)
    if isinstance(text, Problem):
        return _without_front(label, "", [text])
    text = text.replace("\r\n", "\n")
    head, separator, body = text.removeprefix("---\n").partition("\n---\n")
    if not text.startswith("---\n") or not separator:
        expected = "a block between two lines ---"
        problem = Problem(label, 1, 1, "", "no front matter", expected, "add it")
        return _without_front(label, text, [problem])
    # One leading newline keeps the line numbers those of the file.
    front = parse("\n" + head, file=label)
    begins = head.count("\n") + 4  # two lines --- and the one after
    problems = [*front.problems, *_sections(body, label, begins)]
    record = None if front.problems else validate(front, Decision, problems)
    if record is not None and path.stem != record.id:
        expected = f"{path.stem}, the file's name"
        problems.append(Problem(label, 1, 0, "id", record.id, expected, "rename"))
    return Entry(label, front, body, begins, record, tuple(problems))


def _without_front(label: str, text: str, problems: list[Problem]) -> Entry:
    """A text of which not even the front matter was found; its sections are still looked at."""
    if any(match[1] in SECTIONS for match in _HEADING.finditer(text)):
        problems = [*problems, *_sections(text, label, 1)]
    return Entry(label, Document(label, "", None, ()), text, 1, None, tuple(problems))


def _sections(body: str, label: str, begins: int) -> Iterator[Problem]:
    body = _FENCE.sub(lambda block: block[0].replace("\n#", "\n."), body)  # no headings there
    found = list(_HEADING.finditer(body))
    lines = [body[: match.start()].count("\n") + begins for match in found]
    names = [match[1] for match in found]
    for name in SECTIONS:
        places = [line for line, title in zip(lines, names, strict=True) if title == name]
        if not places:
            line = _place_of(name, names, lines, default=body.count("\n") + begins)
            yield Problem(label, line, 0, name, "no section", f"one `## {name}`", "write it")
        for line in places[1:]:
            yield Problem(label, line, 1, name, "more than one section", "one", "merge them")
    for match, line, following in zip(found, lines, [*found[1:], None], strict=True):
        end = following.start() if following else len(body)
        if match[1] not in SECTIONS:
            expected = ", ".join(SECTIONS)
            yield Problem(label, line, 1, match[1], "another section", expected, "move it")
        elif not body[match.end() : end].strip():
            yield Problem(label, line, 1, match[1], "an empty section", "a sentence", "write it")


def _place_of(name: str, names: list[str], lines: list[int], *, default: int) -> int:
    """The line before which a missing section belongs: that of the next one, else the last."""
    later = SECTIONS[SECTIONS.index(name) + 1 :]
    return next((line for title, line in zip(names, lines, strict=True) if title in later), default)

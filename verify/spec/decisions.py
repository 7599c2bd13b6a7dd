"""Decision records: markdown with front matter in specs/decisions, eight fields each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from verify.problems import Problem
from verify.spec.model import Decision
from verify.spec.places import foreign, read_text, visible
from verify.spec.strict_yaml import parse
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


class Section(NamedTuple):
    """A part of a record: its title, the line of it, and the text below."""

    title: str
    line: int
    text: str


@dataclass(frozen=True)
class Entry:
    """A record as it stands in a file: what could be read of it, and what is wrong with its shape.

    name    the id that its place promises: the file's name, or the heading in a log of one file
    said    the fields of its front matter; None where it has none or is broken
    body    the text below the front matter, which begins on line `begins`
    record  None where the front matter is not whole
    mark    line and column of a field
    """

    file: str
    name: str
    said: Mapping[str, Any] | None
    body: str
    begins: int
    record: Decision | None
    problems: tuple[Problem, ...]
    mark: Callable[[str], tuple[int, int]]

    def line_of(self, offset: int) -> int:
        """Line of the file at which a character of the body stands."""
        return self.body[:offset].count("\n") + self.begins

    def problem(
        self, field: str, found: str, expected: str, remedy: str = "correct the record"
    ) -> Problem:
        """A problem with a field, at its line."""
        line, column = self.mark(field)
        return Problem(self.file, line, column, field, found, expected, remedy)


def read_decisions(folder: Path, root: Path, problems: list[Problem]) -> tuple[Decision, ...]:
    """All records of a folder in order of their ids; defects go to `problems`."""
    entries = read_entries(folder, root)
    problems.extend(problem for entry in entries for problem in entry.problems)
    return tuple(entry.record for entry in entries if entry.record is not None)


def read_entries(folder: Path, root: Path) -> tuple[Entry, ...]:
    """Every file of a folder of records, in order of their names, whole or not."""
    paths = visible(folder, "*.md") if folder.is_dir() else []
    return tuple(_read(path, path.relative_to(root).as_posix(), root) for path in paths)


def record_in(text: str, label: str) -> Decision | None:
    """The record of a text, or None where its front matter is not whole."""
    front = front_matter(text)
    document = None if front is None else parse("\n" + front, file=label)
    if document is None or document.problems:
        return None
    return validate(document, Decision, [])


def front_matter(text: str) -> str | None:
    """What stands between the two lines --- at the beginning of a text."""
    text = text.replace("\r\n", "\n")
    head, separator, _ = text.removeprefix("---\n").partition("\n---\n")
    return head if text.startswith("---\n") and separator else None


def section_problems(sections: Sequence[Section], label: str, *, last: int) -> Iterator[Problem]:
    """Sections that are missing, there twice, empty or not of the format; `last` line of all."""
    for name in SECTIONS:
        places = [section.line for section in sections if section.title == name]
        if not places:
            line = _place_of(name, sections, last)
            yield Problem(label, line, 0, name, "no section", f"one `## {name}`", "write it")
        for line in places[1:]:
            yield Problem(label, line, 1, name, "more than one section", "one", "merge them")
    for title, line, text in sections:
        if title not in SECTIONS:
            expected = ", ".join(SECTIONS)
            yield Problem(label, line, 1, title, "another section", expected, "move it")
        elif not text.strip():
            yield Problem(label, line, 1, title, "an empty section", "a sentence", "write it")


def _place_of(name: str, sections: Sequence[Section], last: int) -> int:
    """The line before which a missing section belongs: that of the next one, else the last."""
    later = SECTIONS[SECTIONS.index(name) + 1 :]
    return next((section.line for section in sections if section.title in later), last)


def _read(path: Path, label: str, root: Path) -> Entry:
    text = foreign(root, label) or read_text(path, label, limit=MAX_BYTES)
    if isinstance(text, Problem):
        return _without_front(path, label, "", [text])
    text = text.replace("\r\n", "\n")
    head = front_matter(text)
    if head is None:
        expected = "a block between two lines ---"
        problem = Problem(label, 1, 1, "", "no front matter", expected, "add it")
        return _without_front(path, label, text, [problem])
    body = text.removeprefix(f"---\n{head}\n---\n")
    # One leading newline keeps the line numbers those of the file.
    front = parse("\n" + head, file=label)
    said = front.value if isinstance(front.value, dict) else None
    begins = head.count("\n") + 4  # two lines --- and the one after
    problems = [*front.problems, *_sections(body, label, begins)]
    record = None if front.problems else validate(front, Decision, problems)
    if record is not None and path.stem != record.id:
        expected = f"{path.stem}, the file's name"
        problems.append(Problem(label, 1, 0, "id", record.id, expected, "rename"))

    def mark(field: str) -> tuple[int, int]:
        return front.locate((field,) if said and field in said else (), key=True)

    return Entry(label, path.stem, said, body, begins, record, tuple(problems), mark)


def _without_front(path: Path, label: str, text: str, problems: list[Problem]) -> Entry:
    """A text of which not even the front matter was found; its sections are still looked at."""
    if any(match[1] in SECTIONS for match in _HEADING.finditer(text)):
        problems = [*problems, *_sections(text, label, 1)]
    return Entry(label, path.stem, None, text, 1, None, tuple(problems), lambda field: (1, 1))


def _sections(body: str, label: str, begins: int) -> Iterator[Problem]:
    body = _FENCE.sub(lambda block: block[0].replace("\n#", "\n."), body)  # no headings there
    found = list(_HEADING.finditer(body))
    ends = [*(match.start() for match in found[1:]), len(body)]
    sections = [
        Section(match[1], body[: match.start()].count("\n") + begins, body[match.end() : end])
        for match, end in zip(found, ends, strict=False)
    ]
    return section_problems(sections, label, last=body.count("\n") + begins)

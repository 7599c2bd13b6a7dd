"""Decision records: markdown with front matter in specs/decisions, eight fields each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from verify.problems import Problem
from verify.spec.model import Decision
from verify.spec.places import foreign, read_text
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


def read_decisions(folder: Path, root: Path, problems: list[Problem]) -> tuple[Decision, ...]:
    """All records of a folder in order of their ids; defects go to `problems`."""
    records = []
    for path in sorted(folder.glob("*.md")) if folder.is_dir() else []:
        label = path.relative_to(root).as_posix()
        record = _read(path, label, root, problems)
        if record is None:
            continue
        if path.stem != record.id:
            expected = f"{path.stem}, the file's name"
            problems.append(Problem(label, 1, 0, "id", record.id, expected, "rename"))
        records.append(record)
    return tuple(records)


def _read(path: Path, label: str, root: Path, problems: list[Problem]) -> Decision | None:
    text = foreign(root, label) or read_text(path, label, limit=MAX_BYTES)
    if isinstance(text, Problem):
        problems.append(text)
        return None
    text = text.replace("\r\n", "\n")
    head, separator, body = text.removeprefix("---\n").partition("\n---\n")
    if not text.startswith("---\n") or not separator:
        expected = "a block between two lines ---"
        problems.append(Problem(label, 1, 1, "", "no front matter", expected, "add it"))
        return None
    # One leading newline keeps the line numbers those of the file.
    document = parse("\n" + head, file=label)
    problems.extend(document.problems)
    problems.extend(_sections(body, label, offset=head.count("\n") + 3))
    return None if document.problems else validate(document, Decision, problems)


def _sections(body: str, label: str, *, offset: int) -> Iterator[Problem]:
    found = list(_HEADING.finditer(body))
    names = [match[1] for match in found]
    for name in SECTIONS:
        if names.count(name) != 1:
            how_many = "no" if name not in names else "more than one"
            yield Problem(label, 0, 0, name, f"{how_many} section", f"one `## {name}`", "write it")
    for position, match in enumerate(found):
        end = found[position + 1].start() if position + 1 < len(found) else len(body)
        line = body[: match.start()].count("\n") + offset
        if match[1] not in SECTIONS:
            expected = ", ".join(SECTIONS)
            yield Problem(label, line, 1, match[1], "another section", expected, "move it")
        elif not body[match.end() : end].strip():
            yield Problem(label, line, 1, match[1], "an empty section", "a sentence", "write it")

"""A log in one file, a bullet a field: `- **ID**: DEC-0001`, `- **Context**: ...` and so on.

That is how the decision log of the public reproduction is written. Its records have no title and no
status; what they have is held against the same rules as ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from pydantic import ValidationError

from verify.problems import Problem
from verify.spec.decisions import MAX_BYTES, SECTIONS, Entry, Section, section_problems
from verify.spec.model import Decision
from verify.spec.places import read_text

FIELDS = {"ID": "id", "Date": "date", "Category": "category"}
OTHER = frozenset({"Owner"})  # read over: the log of a project names nobody
SAME = {
    "Options considered": "Options",
    "Validation evidence": "Evidence",
    "Follow-up action": "Follow-up",
}
_BULLET = re.compile(r"^- \*\*(?P<title>[^*\n]+)\*\*: *", re.MULTILINE)
_TEMPLATE = re.compile(r"^## [^\n]*template[^\n]*\n.*?(?=^## |\Z)", re.M | re.S | re.I)


def read_bullet_log(path: Path) -> tuple[Entry, ...]:
    """The records of a file in their order; one entry without fields where it cannot be read."""
    label = path.name
    text = read_text(path, label, limit=MAX_BYTES)
    if isinstance(text, Problem):
        return (Entry(label, path.stem, None, "", 1, None, (text,), lambda field: (1, 1)),)
    text = text.replace("\r\n", "\n")
    text = _TEMPLATE.sub(lambda block: "\n" * block[0].count("\n"), text)
    starts = [match.start() for match in _BULLET.finditer(text) if match["title"] == "ID"]
    return tuple(
        _entry(label, text[start:end], text[:start].count("\n") + 1)
        for start, end in pairwise([*starts, len(text)])
    )


def _entry(label: str, text: str, begins: int) -> Entry:
    said: dict[str, str] = {}
    lines: dict[str, int] = {}
    sections, problems = [], []
    for section in _bullets(text, begins):
        field = FIELDS.get(section.title)
        if field is None and section.title not in OTHER:
            sections.append(section._replace(title=SAME.get(section.title, section.title)))
        elif field in said:
            found = f"{section.title} a second time"
            problems.append(Problem(label, section.line, 1, found=found, expected="once"))
        elif field is not None:
            said[field], lines[field] = section.text.strip(), section.line
    problems += section_problems(sections, label, last=begins + text.rstrip().count("\n"))
    problems += _wrong(said, lines, label, begins)

    def mark(field: str) -> tuple[int, int]:
        return lines.get(field, begins), 1

    name = said.get("id", "?")
    return Entry(label, name, said, text, begins, None, tuple(problems), mark)


def _bullets(text: str, begins: int) -> Iterator[Section]:
    found = list(_BULLET.finditer(text))
    ends = [*(match.start() for match in found[1:]), len(text)]
    for match, end in zip(found, ends, strict=True):
        title = match["title"].strip()
        known = title in FIELDS or title in OTHER or title in SAME or title in SECTIONS
        if known or text[match.end() : end].strip():
            line = text[: match.start()].count("\n") + begins
            yield Section(title, line, text[match.end() : end])


def _wrong(
    said: dict[str, str], lines: dict[str, int], label: str, begins: int
) -> Iterator[Problem]:
    """Fields of this format that are missing or are not what the model takes."""
    for title, field in FIELDS.items():
        if field not in said:
            yield Problem(label, begins, 1, field, f"no {title}", "this field", f"add {title}")
    try:
        Decision.model_validate_json(json.dumps(said))
    except ValidationError as error:
        for item in error.errors(include_url=False):
            field = str(item["loc"][0])
            if field in said:
                line, expected = lines[field], item["msg"].removeprefix("Input should be ")
                yield Problem(label, line, 1, field, said[field], expected, "correct the value")

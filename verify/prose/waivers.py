"""Inline waivers: a comment that lets one flagged line stand, by name and with a reason.

`<!-- verify: waive owner="NAME" reason="WHY" -->` in Markdown, `% verify: waive ...` in LaTeX and
`[verify: waive ...]` in plain text. A comment alone on its line covers the next line on which a
sentence begins, any other the line it stands on. `expires="YYYY-MM-DD"` is optional.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from verify.problems import PackError, Problem
from verify.prose.reading import Comment, Prose

_START = re.compile(r"^verify:\s*")
_FIELD = re.compile(r"([a-z]+)\s*=\s*\"([^\"]*)\"")
_FIELDS = ("owner", "reason", "expires")
EXPECTED = 'verify: waive owner="NAME" reason="WHY" [expires="YYYY-MM-DD"]'


@dataclass(frozen=True)
class ProseWaiver:
    """Who lets a line stand, and why; `covers` is the line it is about."""

    file: str
    line: int
    covers: int
    owner: str
    reason: str
    expires: str | None = None

    def holds(self, today: date) -> bool:
        """Whether it has not expired; its last day still counts."""
        return self.expires is None or date.fromisoformat(self.expires) >= today


def waivers(prose: Prose) -> tuple[ProseWaiver, ...]:
    """All waivers of a file; a comment to verify that is none raises PackError with its place."""
    found, problems = [], []
    for comment in prose.comments:
        if not _START.match(comment.text):
            continue
        fields = _fields(comment.text)
        wrong = list(_wrong(comment.text, fields))
        problems += [Problem(prose.file, comment.line, 0, "", what, EXPECTED) for what in wrong]
        if not wrong:
            found.append(_waiver(prose, comment, fields))
    if problems:
        raise PackError(problems)
    return tuple(found)


def _fields(text: str) -> dict[str, str]:
    return {name: value.strip() for name, value in _FIELD.findall(text)}


def _wrong(text: str, fields: dict[str, str]) -> Iterator[str]:
    rest = _FIELD.sub("", _START.sub("", text)).split()
    if rest != ["waive"]:
        yield f"a comment to verify that says {' '.join(rest) or 'nothing'}"
    for name in fields:
        if name not in _FIELDS:
            yield f"the field {name}"
    for name in ("owner", "reason"):
        if not fields.get(name):
            yield f"a waiver without {name}"
    if "expires" in fields:
        try:
            date.fromisoformat(fields["expires"])
        except ValueError:
            yield f"the date {fields['expires']}"


def _waiver(prose: Prose, comment: Comment, fields: dict[str, str]) -> ProseWaiver:
    covers = comment.line
    if comment.alone:
        following = [s.line for s in prose.sentences if s.line > comment.line]
        covers = min(following, default=comment.line)
    return ProseWaiver(
        file=prose.file,
        line=comment.line,
        covers=covers,
        owner=fields["owner"],
        reason=fields["reason"],
        expires=fields.get("expires"),
    )

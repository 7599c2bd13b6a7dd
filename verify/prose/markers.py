"""Comments by which an author says what stands behind a sentence, or that nothing does.

`claim: CLAIM-X`       this is a paraphrase of that claim, and no more than it
`no claim: WHY`        this claims nothing, and why
`verify: waive owner="NAME" reason="WHY" [expires="YYYY-MM-DD"]`   it does, and is let stand for now

They are `<!-- ... -->` in Markdown, `% ...` in LaTeX and `[...]` in plain text. A comment that
stands by itself covers the part of the page that follows it (a paragraph, a list, a table, a block
of output); a waiver only the first sentence of it. One within a paragraph covers the sentences of
its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from verify.problems import PackError, Problem
from verify.prose.page import Comment, Prose, Sentence

_START = re.compile(r"(verify|claim|no claim):\s*", re.I)
_FIELD = re.compile(r"([a-z]+)\s*=\s*\"([^\"]*)\"")
_CLAIM = re.compile(r"CLAIM-[A-Z0-9-]+")
_FIELDS = ("owner", "reason", "expires")
WAIVER = 'verify: waive owner="NAME" reason="WHY" [expires="YYYY-MM-DD"]'
EXPECTED = {"verify": WAIVER, "claim": "claim: CLAIM-ID", "no claim": "no claim: WHY, in words"}
_FEWEST_WORDS = 2  # of a reason


class Kind(StrEnum):
    """What a marker says of what it covers."""

    CLAIM = "claim"
    NO_CLAIM = "no claim"
    WAIVER = "waiver"


@dataclass(frozen=True)
class Marker:
    """A marker, its place, and what it says; `reason` is the claim's id where it names one."""

    file: str
    line: int
    kind: Kind
    reason: str
    owner: str = ""
    expires: str | None = None
    alone: bool = False

    def holds(self, today: date) -> bool:
        """Whether it has not expired; its last day still counts."""
        return self.expires is None or date.fromisoformat(self.expires) >= today


def markers(prose: Prose) -> tuple[Marker, ...]:
    """All markers of a file; a comment that means to be one and is none raises PackError."""
    found, problems = list[Marker](), list[Problem]()
    for comment in prose.comments:
        start = _START.match(comment.text)
        if not start:
            continue
        word, said = start[1].lower(), comment.text[start.end() :].strip()
        wrong = list(_wrong(word, said))
        problems += [
            Problem(prose.file, comment.line, 0, "", what, EXPECTED[word]) for what in wrong
        ]
        if not wrong:
            found.append(_marker(prose.file, comment, word, said))
    if problems:
        raise PackError(problems)
    return tuple(found)


def _marker(file: str, comment: Comment, word: str, said: str) -> Marker:
    if word != "verify":
        return Marker(file, comment.line, Kind(word), said, alone=comment.alone)
    fields = dict(_FIELD.findall(said))
    return Marker(
        file, comment.line, Kind.WAIVER, fields["reason"].strip(), fields["owner"].strip(),
        fields.get("expires"), comment.alone,
    )  # fmt: skip


def _wrong(word: str, said: str) -> Iterator[str]:
    if word == "claim" and not _CLAIM.fullmatch(said):
        yield f"a marker that names {said or 'no claim'}"
    if word == "no claim" and len(re.findall(r"\w+", said)) < _FEWEST_WORDS:
        yield "a marker without a reason"
    if word == "verify":
        yield from _wrong_waiver(said)


def _wrong_waiver(said: str) -> Iterator[str]:
    stated = _FIELD.findall(said)
    fields = {name: value.strip() for name, value in stated}
    if len(fields) < len(stated):
        yield "a waiver that says a field twice"
    rest = _FIELD.sub("", said).split()
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


def covered(marker: Marker, sentences: Sequence[Sentence]) -> tuple[Sentence, ...]:
    """The sentences that a marker is about."""
    if not marker.alone:
        return tuple(s for s in sentences if s.line <= marker.line <= s.last)
    following = [s for s in sentences if s.line > marker.line]
    first = min(following, key=lambda s: (s.line, s.column), default=None)
    if first is None:
        return ()
    if marker.kind is Kind.WAIVER:
        return tuple(s for s in following if s.line == first.line)
    return tuple(s for s in following if s.part == first.part)


def by_sentence(
    offered: Iterable[Marker], sentences: Sequence[Sentence]
) -> dict[Sentence, list[Marker]]:
    """The markers of each sentence that any covers."""
    found: dict[Sentence, list[Marker]] = {}
    for marker in offered:
        for sentence in covered(marker, sentences):
            found.setdefault(sentence, []).append(marker)
    return found

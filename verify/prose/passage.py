"""Text that remembers where in its file each character stood."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

_NOT_A_LINE_END = re.compile(r"[^\n]")


@dataclass(frozen=True)
class Passage:
    """Cleaned text; `origins[i]` is the offset in the file of its i-th character."""

    text: str
    origins: tuple[int, ...]

    @classmethod
    def of(cls, source: str, start: int, end: int) -> Passage:
        """A stretch of a file as it stands."""
        return cls(source[start:end], tuple(range(start, end)))

    @classmethod
    def join(cls, parts: list[Passage], glue: str = "\n") -> Passage:
        """Several stretches; the glue stands where the stretch before it ended."""
        text, origins = "", list[int]()
        for part in parts:
            if text and part.text:
                text += glue
                origins += [origins[-1]] * len(glue)
            text += part.text
            origins += part.origins
        return cls(text, tuple(origins))

    def cut(self, start: int, end: int) -> Passage:
        """A part of it."""
        return Passage(self.text[start:end], self.origins[start:end])

    def strip(self) -> Passage:
        """Without the white space around it."""
        start = len(self.text) - len(self.text.lstrip())
        return self.cut(start, len(self.text.rstrip()))

    def keep(self, pattern: re.Pattern[str], group: int = 1) -> Passage:
        """Each match gives way to one of its groups."""
        text, origins, last = "", list[int](), 0
        for match in pattern.finditer(self.text):
            spans = ((last, match.start()), match.span(group))
            for start, end in spans:
                if start >= 0:
                    text += self.text[start:end]
                    origins += self.origins[start:end]
            last = match.end()
        return Passage(text + self.text[last:], (*origins, *self.origins[last:]))

    def put(self, pattern: re.Pattern[str], literal: str) -> Passage:
        """Each match gives way to a literal, which stands where the match began."""
        text, origins, last = "", list[int](), 0
        for match in pattern.finditer(self.text):
            text += self.text[last : match.start()] + literal
            origins += self.origins[last : match.start()]
            origins += [self.origins[match.start()]] * len(literal)
            last = match.end()
        return Passage(text + self.text[last:], (*origins, *self.origins[last:]))


class Lines:
    """Offsets of a file to line and column, both counted from 1."""

    def __init__(self, source: str) -> None:
        self.starts = [0, *(at + 1 for at, char in enumerate(source) if char == "\n")]

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset."""
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1


def blank(source: str, spans: Iterable[tuple[int, int]]) -> str:
    """The same text with stretches made white; offsets and lines stay."""
    parts, last = [], 0
    for start, end in sorted(spans):
        start = max(start, last)
        if end > start:
            parts += [source[last:start], _NOT_A_LINE_END.sub(" ", source[start:end])]
            last = end
    return "".join([*parts, source[last:]])

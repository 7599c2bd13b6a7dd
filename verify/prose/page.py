"""What is found in a file: sentences with their places, and what stands around them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Form(StrEnum):
    """What a sentence is part of."""

    PROSE = "prose"
    HEADING = "heading"
    QUOTE = "quote"
    CAPTION = "caption"  # also titles and alternative texts
    BADGE = "badge"
    CELL = "cell"
    LABEL = "label"  # the head of a column
    OUTPUT = "output"
    METADATA = "metadata"


WHOLE = (Form.CELL, Form.LABEL, Form.OUTPUT, Form.METADATA, Form.BADGE)


class TooDeepError(ValueError):
    """A page is nested deeper than its reader goes, so that some of it would not be read."""


@dataclass(frozen=True)
class Context:
    """What stands around a sentence and says whose it is, or of what.

    lead         the paragraph before it that ends with a colon, or a table's caption
    row, column  labels of a table cell
    before, after    its neighbours in the paragraph; `block` is the whole of it
    """

    lead: str = ""
    row: str = ""
    column: str = ""
    before: str = ""
    after: str = ""
    block: str = ""


@dataclass(frozen=True)
class Sentence:
    """One sentence and where it stands: lines and column counted from 1, its block and part."""

    text: str
    file: str = ""
    line: int = 1
    column: int = 1
    form: Form = Form.PROSE
    context: Context = field(default_factory=Context)
    last: int = 1
    part: int = 0


@dataclass(frozen=True)
class Block:
    """A paragraph, heading, item, cell or line of output: pieces of text with their lines.

    part   which part of the page it belongs to: a whole list or table is one
    """

    pieces: tuple[tuple[str, int], ...]
    form: Form = Form.PROSE
    context: Context = field(default_factory=Context)
    part: int = 0

    @property
    def text(self) -> str:
        """Its text on one line."""
        return " ".join("".join(text for text, _ in self.pieces).split())


@dataclass(frozen=True)
class Comment:
    """A comment of a file; `alone` where it is a part of the page by itself."""

    text: str
    line: int
    alone: bool


@dataclass(frozen=True)
class Page:
    """What a reader of a format finds; lines count from 1."""

    blocks: list[Block] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)


@dataclass(frozen=True)
class Prose:
    """What was read from a file."""

    file: str
    sentences: tuple[Sentence, ...]
    comments: tuple[Comment, ...]

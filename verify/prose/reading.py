"""A file as sentences with their places and what stands around them.

Markdown, LaTeX and plain text are read into blocks, blocks into sentences. Code is not prose,
unless the paragraph before it presents it as a result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from verify.problems import UsageError
from verify.prose.passage import Lines, Passage

MAX_BYTES = 1 << 20


class Form(StrEnum):
    """What a sentence is part of."""

    PROSE = "prose"
    HEADING = "heading"
    ITEM = "item"
    QUOTE = "quote"
    CELL = "cell"
    LABEL = "label"  # the head of a column
    OUTPUT = "output"
    METADATA = "metadata"


@dataclass(frozen=True)
class Context:
    """What stands around a sentence and says whose it is, or of what.

    headings  those above it, the nearest last
    lead      the paragraph before it that ends with a colon, or a table's caption
    before    the sentence before it in its paragraph
    within    what stands before it in the same sentence, where it is a clause
    row, column, beside   labels of a table cell, and the other cells of its row
    """

    headings: tuple[str, ...] = ()
    lead: str = ""
    before: str = ""
    within: str = ""
    row: str = ""
    column: str = ""
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sentence:
    """One sentence and where it begins, line and column counted from 1."""

    text: str
    file: str = ""
    line: int = 1
    column: int = 1
    form: Form = Form.PROSE
    context: Context = field(default_factory=Context)


@dataclass(frozen=True)
class Block:
    """A paragraph, heading, item, cell or line of output, before it is split."""

    passage: Passage
    form: Form
    context: Context = field(default_factory=Context)


@dataclass(frozen=True)
class Comment:
    """A comment of a file; `alone` where nothing else stands on its line."""

    text: str
    line: int
    alone: bool


@dataclass(frozen=True)
class Prose:
    """What was read from a file."""

    file: str
    sentences: tuple[Sentence, ...]
    comments: tuple[Comment, ...]


def table_row(cells: list[Passage], header: list[str], context: Context) -> list[Block]:
    """One row of a table: each cell with the label of its row and column."""
    row = cells[0].text if cells else ""
    found = []
    for number, cell in enumerate(cells):
        around = replace(
            context,
            row=row if number else "",
            column=header[number] if number < len(header) else "",
            beside=tuple(c.text for at, c in enumerate(cells) if at not in (0, number)),
        )
        found.append(Block(cell, Form.CELL, around))
    return found


Blocks = tuple[list[Block], list[tuple[str, int, int]]]  # and comments: text, start, end


def read(path: Path) -> Prose:
    """Read a file by its suffix: .md, .markdown, .tex; anything else is plain text."""
    try:
        raw = path.read_bytes()
        source = raw.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise UsageError(
            f"{path}: found a file that cannot be read ({why}); expected UTF-8 text; remedy: "
            "correct the path"
        ) from None
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{path}: found {len(raw)} bytes; expected prose, {MAX_BYTES} at most")
    return parse(source, str(path))


def parse(source: str, file: str) -> Prose:
    """Read a text whose format follows from the name of its file."""
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    blocks, comments = _reader(file)(source)
    lines = Lines(source)
    sentences = [sentence for block in blocks for sentence in _sentences(block, file, lines)]
    return Prose(
        file=file,
        sentences=tuple(sorted(sentences, key=lambda s: (s.line, s.column))),
        comments=tuple(_comment(source, lines, *comment) for comment in comments),
    )


def _reader(file: str) -> Callable[[str], Blocks]:
    from verify.prose import latex, markdown  # both build on this module

    readers = {".md": markdown.blocks, ".markdown": markdown.blocks, ".tex": latex.blocks}
    return readers.get(Path(file).suffix.lower(), _plain)


def _comment(source: str, lines: Lines, text: str, start: int, end: int) -> Comment:
    first = source.rfind("\n", 0, start) + 1
    last = source.find("\n", end)
    around = source[first:start] + source[end : last if last >= 0 else len(source)]
    return Comment(text.strip(), lines.place(end - 1)[0], alone=not around.strip())


# -- plain text -----------------------------------------------------------------------------------

_PARAGRAPH = re.compile(r"(?:[^\n]*\S[^\n]*(?:\n|$))+")
_PLAIN_COMMENT = re.compile(r"\[verify:[^\]\n]*\]")


def _plain(source: str) -> Blocks:
    comments = [(m.group()[1:-1], m.start(), m.end()) for m in _PLAIN_COMMENT.finditer(source)]
    found = []
    for match in _PARAGRAPH.finditer(source):
        passage = Passage.of(source, *match.span()).put(_PLAIN_COMMENT, " ")
        found.append(Block(passage, Form.PROSE))
    return found, comments


# -- sentences ------------------------------------------------------------------------------------

_SPACE = re.compile(r"\s+")
_END = re.compile(r"[.!?][\"'”’)\]*]*(?=\s|$)")
# What a full stop may follow without ending a sentence.
ABBREVIATIONS = frozenset(
    [
        "al",
        "e.g",
        "i.e",
        "cf",
        "vs",
        "resp",
        "approx",
        "fig",
        "figs",
        "tab",
        "tabs",
        "eq",
        "eqs",
        "sec",
        "secs",
        "app",
        "ref",
        "refs",
        "no",
        "dr",
        "prof",
        "etc",
        "mr",
        "ms",
        "st",
        "ca",
        "min",
        "max",
        "avg",
        "std",
        "dept",
        "est",
        "vol",
        "pp",
        "p",
        "ch",
        "ver",
    ]
)


def _sentences(block: Block, file: str, lines: Lines) -> Iterator[Sentence]:
    passage = block.passage.put(_SPACE, " ").strip()
    whole = block.form in (Form.CELL, Form.LABEL, Form.OUTPUT, Form.METADATA)
    before = ""
    for start, end in [(0, len(passage.text))] if whole else _ends(passage.text):
        part = passage.cut(start, end).strip()
        if not part.text:
            continue
        line, column = lines.place(part.origins[0])
        context = block.context
        if before:
            context = replace(context, before=before)
        yield Sentence(part.text, file, line, column, block.form, context)
        before = part.text


def _ends(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence; a full stop after an abbreviation ends none."""
    start = 0
    for match in _END.finditer(text):
        word = text[start : match.start()].rpartition(" ")[2].lower().lstrip("([\"'")
        follows = text[match.end() :].lstrip()[:1]
        if match.group()[0] == "." and (word in ABBREVIATIONS or follows.islower()):
            continue
        yield start, match.end()
        start = match.end()
    yield start, len(text)

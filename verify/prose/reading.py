"""A file as sentences with their places and what stands around them.

Markdown, HTML and LaTeX are read by parsers that others keep, anything else as plain text. What a
renderer shows is read: captions, titles, alternative texts, badges, footnotes, formulae, heads of
model cards and printed output. What it does not show is not: comments, source code, struck-out
text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from verify import files
from verify.problems import UsageError
from verify.prose.page import WHOLE, Block, Comment, Page, Prose, Sentence, TooDeepError
from verify.prose.text import bag

MAX_BYTES = 1 << 20


def read(path: Path) -> Prose:
    """Read a file by its suffix: .md, .markdown, .html, .tex; anything else is plain text."""
    raw = files.read(path, "UTF-8 text")
    try:
        source = raw.decode("utf-8-sig")
    except ValueError:
        raise UsageError(
            f"{path}: found a file that cannot be read (not UTF-8); expected UTF-8 text; remedy: "
            "correct the path"
        ) from None
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{path}: found {len(raw)} bytes; expected prose, {MAX_BYTES} at most")
    return parse(source, str(path))


def parse(source: str, file: str) -> Prose:
    """Read a text whose format follows from the name of its file.

    Raises UsageError for one that cannot be read whole.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    try:
        page = _reader(file)(source)
    except TooDeepError as error:
        raise UsageError(
            f"{file}:{error}, which is not read; expected a page for people; remedy: flatten it"
        ) from None
    lines = source.split("\n")
    found = [one for block in page.blocks for one in _sentences(block, file, lines)]
    found.sort(key=lambda s: (s.line, s.column))
    return Prose(file, tuple(found), tuple(page.comments))


def _reader(file: str) -> Callable[[str], Page]:
    suffix = Path(file).suffix.lower()
    if suffix in (".md", ".markdown"):
        from verify.prose.markup.markdown import page  # imported where a file needs it
    elif suffix in (".html", ".htm", ".xhtml"):
        from verify.prose.markup.html import page
    elif suffix == ".tex":
        from verify.prose.markup.latex import page
    else:
        return _plain
    return page


# -- plain text -----------------------------------------------------------------------------------

_PLAIN_COMMENT = re.compile(r"\[((?:verify|claim|no claim):[^\]\n]*)\]")


def _plain(source: str) -> Page:
    page, pieces = Page(), list[tuple[str, int]]()
    for number, line in enumerate([*source.split("\n"), ""], start=1):
        kept = _PLAIN_COMMENT.sub(" ", line)
        for match in _PLAIN_COMMENT.finditer(line):
            page.comments.append(Comment(match[1].strip(), number, alone=not kept.strip()))
        if kept.strip():
            pieces.append((kept + "\n", number))
        elif pieces and not line.strip():
            page.blocks.append(Block(tuple(pieces), part=len(page.blocks)))
            pieces = []
    return page


# -- sentences ------------------------------------------------------------------------------------

_END = re.compile(r"[.!?]+[\"'”’)\]*]*(?=\s|$)|[。！？｡]+[」』）]*")
# What a full stop may follow without ending a sentence.
_ABBREVIATIONS = bag(
    "al e.g i.e cf vs resp approx fig figs tab tabs eq eqs sec secs app ref refs no dr prof "
    "etc mr ms st ca min max avg std dept est vol pp p ch ver z.b bzw vgl abb nr"
)


def _sentences(block: Block, file: str, lines: list[str]) -> Iterator[Sentence]:
    chars = [(c, line) for text, line in block.pieces for c in text]
    text = "".join(" " if c.isspace() else c for c, _ in chars)
    spans = [(0, len(text))] if block.form in WHOLE else list(_spans(text))
    parts = [(" ".join(text[a:b].split()), a, b) for a, b in spans if text[a:b].strip()]
    parts = [piece for part in parts for piece in _pieces(*part, text)]
    whole = block.text
    for at, (said, start, end) in enumerate(parts):
        first = start + len(text[start:end]) - len(text[start:end].lstrip())
        line, last = chars[first][1], chars[start + len(text[start:end].rstrip()) - 1][1]
        before = parts[at - 1][0] if at else block.context.before
        after = parts[at + 1][0] if at + 1 < len(parts) else block.context.after
        context = replace(block.context, before=before, after=after, block=whole)
        column = _column(said, lines[line - 1] if line <= len(lines) else "")
        yield Sentence(said, file, line, column, block.form, context, last, block.part)


def _pieces(said: str, start: int, end: int, text: str) -> Iterator[tuple[str, int, int]]:
    """A sentence that no person would read to its end, in pieces: what reads it is not linear."""
    while end - start > _LONGEST:
        cut = text.rfind(" ", start + 1, start + _LONGEST) + 1 or start + _LONGEST
        if text[start:cut].strip():
            yield " ".join(text[start:cut].split()), start, cut
        start = cut
    if text[start:end].strip():
        yield " ".join(text[start:end].split()), start, end


_LONGEST = 1200  # characters of a sentence


def _column(said: str, line: str) -> int:
    """Where in its line a sentence begins, as far as its first words stand there as they are."""
    for length in (len(said), 40, 12):
        at = line.find(said[:length])
        if at >= 0:
            return at + 1
    return max(line.find(said.split()[0]), 0) + 1


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence; a full stop after an abbreviation ends none."""
    start = 0
    for match in _END.finditer(text):
        word = text[start : match.start()].rpartition(" ")[2].lower().lstrip("([\"'")
        follows = text[match.end() :].lstrip()[:1]
        if match.group()[0] == "." and (word in _ABBREVIATIONS or follows.islower()):
            continue
        yield start, match.end()
        start = match.end()
    yield start, len(text)

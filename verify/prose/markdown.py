"""Markdown into blocks: headings, paragraphs, items, quotes, tables, and output of commands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from html.entities import html5
from itertools import pairwise

from verify.prose.html_table import html_tables
from verify.prose.metadata import front_matter
from verify.prose.passage import Passage, blank
from verify.prose.patterns.surroundings import CODE_LANGUAGES
from verify.prose.reading import Block, Blocks, Context, Form, table_row

_COMMENT = re.compile(r"<!--(.*?)-->", re.S)
_FENCE = re.compile(r"^ {0,12}(`{3,}|~{3,})\s*([A-Za-z0-9_+.-]*)")
_ATX = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_SETEXT = re.compile(r"^ {0,3}(=+|-{2,})\s*$")
_ITEM = re.compile(r"^(\s*)(?:[-*+]|[0-9]{1,4}[.)])\s+(?=\S)")
_QUOTE = re.compile(r"^ {0,3}> ?")
_RULE = re.compile(r"^ {0,3}([-*_] ?){3,}$")
_DEFINITION = re.compile(r"^ {0,3}\[[^\]]+\]:\s*\S+")
_DELIMITER = re.compile(r"^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")

# Inline markup and the group of it that is read.
_INLINE = (
    # a badge says what is in its address, any other image what its alternative text says
    re.compile(r"!\[[^\]]{0,300}\]\([^)\s]{0,200}/badge/([^)/?\s]{1,100})-[A-Za-z0-9]+(?:\.svg)?"
               r"[^)]{0,300}\)"),
    re.compile(r"!\[([^\]]{0,500})\]\([^)]{0,2000}\)"),
    re.compile(r"\[([^\]]{1,500})\]\([^)]{0,2000}\)"),
    re.compile(r"\[([^\]]{1,500})\]\[[^\]]{0,200}\]"),
    re.compile(r"`+([^`]{1,2000})`+"),
    re.compile(r"(?<![\w*])[*]{1,3}(\S(?:.{0,1000}?\S)?)[*]{1,3}(?![\w*])", re.S),
    re.compile(r"(?<!\w)_{1,3}(\S(?:.{0,1000}?\S)?)_{1,3}(?!\w)", re.S),
    re.compile(r"~~()[^~]{0,1000}~~"),  # struck out: no longer said
)  # fmt: skip
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,1000}>")
_ALT = re.compile(r"<img\b[^<>]{0,1000}?\balt=\"([^\"]{0,500})\"[^<>]{0,1000}>", re.I)
_ENTITY = re.compile(r"&([A-Za-z]+;)")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+.!|~-])")


def blocks(source: str) -> Blocks:
    """Blocks and comments of a Markdown text."""
    comments, source = _without_comments(source)
    source, cells = html_tables(source, _code_spans(source), inline)
    reader = _Reader(source)
    reader.blocks, at = front_matter(source)
    reader.read(at)
    return reader.blocks + cells, comments


def inline(passage: Passage) -> Passage:
    """A passage without its markup."""
    passage = passage.keep(_ALT)
    for pattern in _INLINE:
        passage = passage.keep(pattern)
    passage = passage.put(_TAG, " ").keep(_ESCAPE)
    for name in sorted(set(_ENTITY.findall(passage.text))):
        passage = passage.put(re.compile(f"&{name}"), html5.get(name, " "))
    return passage


def _without_comments(source: str) -> tuple[list[tuple[str, int, int]], str]:
    """Comments outside of code, and the text with all of them made white."""
    code = _code_spans(source)
    found = [
        (match.group(1), match.start(), match.end())
        for match in _COMMENT.finditer(source)
        if not any(start <= match.start() < end for start, end in code)
    ]
    return found, blank(source, [(start, end) for _, start, end in found])


def _code_spans(source: str) -> list[tuple[int, int]]:
    spans, opened, mark, at = [], -1, "", 0
    for line in source.splitlines(keepends=True):
        fence = _FENCE.match(line)
        if fence and opened < 0:
            opened, mark = at, fence.group(1)
        elif fence and fence.group(1).startswith(mark) and opened >= 0:
            spans.append((opened, at + len(line)))
            opened = -1
        at += len(line)
    return spans + ([(opened, len(source))] if opened >= 0 else [])


@dataclass
class _Reader:
    """Lines of a text, one after another; `pending` are those of the paragraph that is open."""

    source: str
    blocks: list[Block] = field(default_factory=list)
    headings: list[tuple[int, str]] = field(default_factory=list)
    pending: list[Passage] = field(default_factory=list)
    form: Form = Form.PROSE
    lead: str = ""
    listed: bool = False

    def read(self, start: int) -> None:
        """All lines from an offset on."""
        lines = self._lines(start)
        at = 0
        while at < len(lines):
            at = self._line(lines, at)
        self._close()

    def _lines(self, start: int) -> list[Passage]:
        lines = []
        while start < len(self.source):
            end = self.source.find("\n", start)
            end = len(self.source) if end < 0 else end
            lines.append(Passage.of(self.source, start, end))
            start = end + 1
        return lines

    def _line(self, lines: list[Passage], at: int) -> int:
        """Read one line, or the several that a fence or a table takes; the next one's number."""
        text = lines[at].text
        fence, atx, item = _FENCE.match(text), _ATX.match(text), _ITEM.match(text)
        if fence:
            return self._fence(lines, at, fence.group(1), fence.group(2))
        if not text.strip() or _DEFINITION.match(text):
            self._close()
        elif atx:
            self._heading(lines[at].cut(atx.start(2), atx.end(2)), len(atx.group(1)))
        elif _SETEXT.match(text) and self.pending and self.form is Form.PROSE:
            self._underlined(1 if "=" in text else 2)
        elif _RULE.match(text):
            self._close()
            self.lead = ""
        elif "|" in text and at + 1 < len(lines) and _is_delimiter(lines[at + 1].text):
            return self._table(lines, at)
        elif item:
            self._close()
            self.form, self.listed = Form.ITEM, True
            self.pending = [lines[at].cut(item.end(), len(text))]
        elif _QUOTE.match(text):
            self._quoted(lines[at])
        elif text.startswith(("    ", "\t")) and not self.pending and not self.listed:
            pass  # indented code
        else:
            self._plain(lines[at])
        return at + 1

    def _plain(self, line: Passage) -> None:
        if not self.pending and not line.text.startswith((" ", "\t")):
            self.listed = False
        self.pending.append(line)

    def _quoted(self, line: Passage) -> None:
        if self.form is not Form.QUOTE:
            self._close()
            self.form = Form.QUOTE
        mark = _QUOTE.match(line.text)
        self.pending.append(line.cut(mark.end() if mark else 0, len(line.text)))

    def _close(self) -> None:
        """The open paragraph becomes a block; one that ends with a colon leads what follows."""
        if self.pending:
            passage = inline(Passage.join(self.pending)).strip()
            self.blocks.append(Block(passage, self.form, self._context()))
            if self.form is Form.PROSE:
                self.lead = passage.text if passage.text.endswith(":") else ""
        self.pending, self.form = [], Form.PROSE

    def _context(self) -> Context:
        headings = tuple(text for _, text in self.headings)
        leads = self.form is not Form.PROSE and self.form is not Form.HEADING
        return Context(headings=headings, lead=self.lead if leads else "")

    def _underlined(self, level: int) -> None:
        title, self.pending = Passage.join(self.pending), []
        self._heading(title, level)

    def _heading(self, title: Passage, level: int) -> None:
        self._close()
        title = inline(title).strip()
        self.headings = [(other, text) for other, text in self.headings if other < level]
        self.blocks.append(Block(title, Form.HEADING, self._context()))
        self.headings.append((level, title.text))
        self.lead, self.listed = "", False

    def _fence(self, lines: list[Passage], at: int, mark: str, language: str) -> int:
        """Output is kept as lines with what presents it; code in a language is skipped."""
        self._close()
        inside = at + 1
        while inside < len(lines):
            fence = _FENCE.match(lines[inside].text)
            if fence and fence.group(1).startswith(mark) and not fence.group(2):
                break
            if language.lower() not in CODE_LANGUAGES and lines[inside].text.strip():
                context = replace(self._context(), lead=self._presented())
                self.blocks.append(Block(lines[inside], Form.OUTPUT, context))
            inside += 1
        return inside + 1

    def _presented(self) -> str:
        """The text right before a fence, if it is prose."""
        for block in reversed(self.blocks):
            if block.form is not Form.OUTPUT:
                return "" if block.form is Form.HEADING else block.passage.text
        return ""

    def _caption(self) -> str:
        """A paragraph right above a table that calls itself one."""
        above = self._presented()
        return above if above.lower().startswith("table") else ""

    def _table(self, lines: list[Passage], at: int) -> int:
        self._close()
        caption = self.lead or self._caption()
        header = [inline(cell).strip() for cell in _cells(lines[at])]
        context = replace(self._context(), lead=caption)
        self.blocks += [Block(cell, Form.LABEL, context) for cell in header]
        at += 2
        while at < len(lines) and "|" in lines[at].text:
            cells = [inline(cell).strip() for cell in _cells(lines[at])]
            self.blocks += table_row(cells, [cell.text for cell in header], context)
            at += 1
        return at


def _is_delimiter(text: str) -> bool:
    return "|" in text and bool(_DELIMITER.match(text))


def _cells(line: Passage) -> list[Passage]:
    """Cells of a row; a bar behind a backslash parts nothing."""
    bars = [m.start() for m in re.finditer(r"(?<!\\)\|", line.text)]
    edges = [-1, *bars, len(line.text)]
    cells = [line.cut(a + 1, b) for a, b in pairwise(edges)]
    if cells and not cells[0].text.strip():
        cells = cells[1:]
    if cells and not cells[-1].text.strip():
        cells = cells[:-1]
    return cells

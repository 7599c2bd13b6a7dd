"""LaTeX into blocks: title, sections, captions, table cells, items and paragraphs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from verify.prose.passage import Passage, blank
from verify.prose.reading import Block, Blocks, Context, Form, table_row
from verify.prose.words import bag

_COMMENT = re.compile(r"(?<!\\)%([^\n]*)")
# Environments that hold code or formulas; nothing in them is a sentence.
_SKIPPED = bag(
    "verbatim lstlisting minted equation equation* align align* gather gather* displaymath "
    "tikzpicture algorithm algorithmic thebibliography comment"
)
_LEVELS = {"part": 0, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4}
_HEADING = re.compile(r"\\(part|chapter|section|subsection|subsubsection)\*?(?:\[[^\]]*\])?\s*\{")
_TITLED = re.compile(r"\\(?:title|subtitle)\s*\{")
_CAPTION = re.compile(r"\\caption\*?(?:\[[^\]]*\])?\s*\{")
_TABULAR = re.compile(r"\\begin\{(tabular[x*]?|longtable|array)\}")
_TABLE = re.compile(r"\\begin\{(table\*?|figure\*?|wraptable|sidewaystable)\}.*?\\end\{\1\}", re.S)
_BREAK = re.compile(r"\n[ \t]*\n|\\item\b(?:\[[^\]]*\])?|\\(?:begin|end)\{[^}]*\}|\\par\b|\\\\")
_ROW = re.compile(r"\\\\(?:\[[^\]]*\])?")
_LINE = re.compile(r"\\(?:hline|toprule|midrule|bottomrule|cmidrule(?:\([^)]*\))?(?:\{[^}]*\})?)")
_MULTI = re.compile(r"\s*\\multicolumn\{([0-9]{1,2})\}\{[^}]*\}\s*\{")
_MACRO = re.compile(
    r"\\(?:newcommand|renewcommand|providecommand)\*?\s*\{?\\([A-Za-z]+)\}?\s*\{([^{}\n]*)\}"
    r"|\\def\s*\\([A-Za-z]+)\s*\{([^{}\n]*)\}"
)

# What a command stands for, in order; `None` keeps the first group.
_INLINE: tuple[tuple[str, str | None], ...] = (
    (r"\\(?:label|includegraphics|vspace|hspace|bibliography|bibliographystyle|input|usepackage|"
     r"documentclass|footnotemark|pagestyle)\*?(?:\[[^\]]*\])?\{[^{}]*\}", " "),
    (r"\\[cC]ite[A-Za-z]*\*?(?:\[[^\]]*\]){0,2}\{[^{}]*\}", "[cite00]"),
    (r"\\[A-Za-z]*ref\*?\{[^{}]*\}", "1"),
    (r"\\footnote\{|\\\\", " "),
    (r"\\times\b|(?<=[0-9])\{\\times\}(?=[0-9])", "x"),
    (r"\\downarrow\b", "↓"),
    (r"\\uparrow\b", "↑"),
    (r"\\approx\b|\\sim\b", "≈"),
    (r"\\pm\b", "±"),
    (r"\\(?:leq?|leqslant)\b", "≤"),
    (r"\\(?:checkmark|cmark)\b", "✓"),
    (r"\\(?:[,;:! ]|quad\b|qquad\b)|~", " "),
    (r"(?<=10\^)\{(-?[0-9]+)\}", None),
    (r"\\([%&_#$])", None),
    (r"\\[A-Za-z]+\*?(?:\[[^\]]*\])?", ""),
    (r"[{}]|(?<!\\)\$", ""),
    (r"``|''", "\""),
    (r"---?", " - "),
)  # fmt: skip


def blocks(source: str) -> Blocks:
    """Blocks and comments of a LaTeX text."""
    comments = [(m.group(1), m.start(), m.end()) for m in _COMMENT.finditer(source)]
    source = blank(source, [(start, end) for _, start, end in comments])
    for name in sorted(_SKIPPED):
        source = blank(source, _environments(source, name))
    reader = _Reader(source, _macros(source))
    return list(reader.read()), comments


def _environments(source: str, name: str) -> Iterator[tuple[int, int]]:
    """Where an environment begins and ends; one that is not closed reaches to the end."""
    opening, closing = f"\\begin{{{name}}}", f"\\end{{{name}}}"
    start = source.find(opening)
    while start >= 0:
        end = source.find(closing, start)
        end = end + len(closing) if end >= 0 else len(source)
        yield start, end
        start = source.find(opening, end)


def _macros(source: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Commands without arguments that a text defines for itself, longest name first."""
    found = {m.group(1) or m.group(3): m.group(2) or m.group(4) for m in _MACRO.finditer(source)}
    names = sorted(found, key=len, reverse=True)
    return tuple((re.compile(rf"\\{name}\b(?:\{{\}})?"), found[name] or "") for name in names)


@dataclass
class _Reader:
    """A text whose structured parts are taken out one after another; the rest is paragraphs."""

    source: str
    macros: tuple[tuple[re.Pattern[str], str], ...]

    def read(self) -> Iterator[Block]:
        """Every block; the order is mended by the places of the sentences."""
        self.source = blank(self.source, [m.span() for m in _MACRO.finditer(self.source)])
        titles = [*self._headings()]
        yield from self._titles()
        yield from self._tables(titles)
        yield from self._captions()
        for start, end, title in titles:
            yield Block(title, Form.HEADING)
            self.source = blank(self.source, [(start, end)])
        yield from self._paragraphs(titles)

    def _headings(self) -> Iterator[tuple[int, int, Passage]]:
        for match in _HEADING.finditer(self.source):
            end = _closing(self.source, match.end())
            title = self._inline(Passage.of(self.source, match.end(), end))
            yield match.start(), end + 1, title

    def _titles(self) -> Iterator[Block]:
        for match in reversed(list(_TITLED.finditer(self.source))):
            end = _closing(self.source, match.end())
            yield Block(self._inline(Passage.of(self.source, match.end(), end)), Form.HEADING)
            self.source = blank(self.source, [(match.start(), end + 1)])

    def _captions(self) -> Iterator[Block]:
        for match in reversed(list(_CAPTION.finditer(self.source))):
            end = _closing(self.source, match.end())
            yield Block(self._inline(Passage.of(self.source, match.end(), end)), Form.PROSE)
            self.source = blank(self.source, [(match.start(), end + 1)])

    def _caption_around(self, offset: int) -> str:
        """The caption of the table that an offset lies in."""
        for table in _TABLE.finditer(self.source):
            caption = _CAPTION.search(self.source, *table.span())
            if table.start() <= offset < table.end() and caption:
                end = _closing(self.source, caption.end())
                return self._inline(Passage.of(self.source, caption.end(), end)).text
        return ""

    def _tables(self, titles: list[tuple[int, int, Passage]]) -> Iterator[Block]:
        for match in reversed(list(_TABULAR.finditer(self.source))):
            closing = self.source.find(f"\\end{{{match.group(1)}}}", match.end())
            end = closing if closing >= 0 else len(self.source)
            start = _past_arguments(self.source, match.end())
            context = replace(_above(titles, start), lead=self._caption_around(start))
            yield from self._rows(start, end, context)
            self.source = blank(self.source, [(match.start(), end)])

    def _rows(self, start: int, end: int, context: Context) -> Iterator[Block]:
        """Rows of a table; those above its first inner line are headers of their columns."""
        rows = [row for row in self._split_rows(start, end) if any(c.text for c in row[1])]
        ruled = [at for at, (above, _) in enumerate(rows) if above and at > 0]
        heads = ruled[0] if ruled else 1
        header: list[str] = []
        for at, (_, cells) in enumerate(rows):
            if at < heads:
                texts = [cell.text for cell in cells]
                header += [""] * (len(texts) - len(header))
                header = [f"{a} {b}".strip() for a, b in _padded(header, texts)]
                yield from (Block(cell, Form.LABEL, context) for cell in cells if cell.text)
            else:
                yield from table_row(cells, header, context)

    def _split_rows(self, start: int, end: int) -> Iterator[tuple[bool, list[Passage]]]:
        """Whether a line is drawn above a row, and its cells."""
        edges = [start, *(m.end() for m in _ROW.finditer(self.source, start, end)), end]
        for first, last in pairwise(edges):
            row = Passage.of(self.source, first, last).put(_ROW, " ")
            yield bool(_LINE.search(row.text)), list(self._cells(row.put(_LINE, " ")))

    def _cells(self, row: Passage) -> Iterator[Passage]:
        bars = [m.start() for m in re.finditer(r"(?<!\\)&", row.text)]
        edges = [-1, *bars, len(row.text)]
        for first, last in pairwise(edges):
            cell = row.cut(first + 1, last)
            multi = _MULTI.match(cell.text)
            if multi:
                cell = cell.cut(multi.end(), len(cell.text))
            for _ in range(int(multi.group(1)) if multi else 1):
                yield self._inline(cell)

    def _paragraphs(self, titles: list[tuple[int, int, Passage]]) -> Iterator[Block]:
        document = self.source.find(r"\begin{document}")
        at, lead, item = max(document, 0), "", False
        edges = [(m.start(), m.end(), m.group()) for m in _BREAK.finditer(self.source, at)]
        for start, end, mark in [*edges, (len(self.source), len(self.source), "")]:
            passage = self._inline(Passage.of(self.source, at, start))
            if passage.text:
                form = Form.ITEM if item else Form.PROSE
                context = replace(_above(titles, at), lead=lead if item else "")
                yield Block(passage, form, context)
                if not item:
                    lead = passage.text if passage.text.endswith(":") else ""
            item = mark.startswith(r"\item") or (item and mark in (r"\\", r"\par"))
            at = end

    def _inline(self, passage: Passage) -> Passage:
        for pattern, body in self.macros:
            passage = passage.put(pattern, body)
        for pattern_text, literal in _INLINE:
            pattern = re.compile(pattern_text)
            passage = passage.keep(pattern) if literal is None else passage.put(pattern, literal)
        return passage.strip()


def _padded(first: list[str], second: list[str]) -> Iterator[tuple[str, str]]:
    for at, text in enumerate(first):
        yield text, second[at] if at < len(second) else ""


def _above(titles: list[tuple[int, int, Passage]], offset: int) -> Context:
    """The nearest section title above an offset."""
    above = [title.text for start, _, title in titles if start <= offset]
    return Context(headings=tuple(above[-1:]))


def _closing(source: str, start: int) -> int:
    """Offset of the brace that closes the one before `start`."""
    depth = 1
    for at in range(start, len(source)):
        if source[at] == "{" and source[at - 1] != "\\":
            depth += 1
        elif source[at] == "}" and source[at - 1] != "\\":
            depth -= 1
            if depth == 0:
                return at
    return len(source)


def _past_arguments(source: str, at: int) -> int:
    """Behind the arguments of `\\begin{tabular}`: widths and column letters."""
    while at < len(source) and source[at] in "[{":
        at = _closing(source, at + 1) + 1 if source[at] == "{" else source.find("]", at) + 1
    return at

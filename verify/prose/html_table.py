"""HTML tables inside Markdown, which READMEs use where a pipe table does not do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from verify.prose.passage import Passage, blank
from verify.prose.reading import Block, Context, Form, table_row

_TABLE = re.compile(r"<table\b[^>]*>.*?(?:</table\s*>|\Z)", re.I | re.S)
_MARK = re.compile(r"<(/?)(tr|td|th|caption)\b([^>]*)>|</table\s*>", re.I)
_SPAN = re.compile(r"colspan\s*=\s*[\"']?([0-9]{1,2})", re.I)

Row = list[tuple[Passage, bool]]  # cells, and whether each is a head


def html_tables(
    source: str, code: list[tuple[int, int]], inline: Callable[[Passage], Passage]
) -> tuple[str, list[Block]]:
    """A text with its HTML tables made white, and their cells as blocks."""
    spans = [
        match.span()
        for match in _TABLE.finditer(source)
        if not any(start <= match.start() < end for start, end in code)
    ]
    blocks = [block for span in spans for block in _blocks(source, *span, inline)]
    return blank(source, spans), blocks


def _blocks(
    source: str, start: int, end: int, inline: Callable[[Passage], Passage]
) -> Iterator[Block]:
    rows = [row for row in _rows(source, start, end, inline) if row]
    if not rows:
        return
    heads = 0
    while heads < len(rows) - 1 and all(head for _, head in rows[heads]):
        heads += 1
    heads = max(heads, 1)
    header = [cell.text for cell, _ in rows[0]]
    for row in rows[1:heads]:
        texts = [cell.text for cell, _ in row] + [""] * len(header)
        header = [f"{above} {below}".strip() for above, below in zip(header, texts, strict=False)]
    for row in rows[:heads]:
        yield from (Block(cell, Form.LABEL) for cell, _ in row if cell.text)
    for row in rows[heads:]:
        yield from table_row([cell for cell, _ in row], header, Context())


def _rows(source: str, start: int, end: int, inline: Callable[[Passage], Passage]) -> Iterator[Row]:
    """Rows of cells; an end tag may be missing, as browsers allow."""
    row: Row = []
    opened: re.Match[str] | None = None
    for mark in _MARK.finditer(source, start, end):
        if opened is not None:
            span = _SPAN.search(opened.group(3))
            cell = inline(Passage.of(source, opened.end(), mark.start())).strip()
            row += [(cell, opened.group(2).lower() == "th")] * (int(span.group(1)) if span else 1)
        name = (mark.group(2) or "").lower()
        opened = mark if name in ("td", "th") and not mark.group(1) else None
        if name in ("tr", ""):
            yield row
            row = []
    yield row

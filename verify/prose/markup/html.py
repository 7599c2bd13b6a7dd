"""What a browser shows of HTML, in Markdown or in a file of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

from verify.prose.markup.badge import badge
from verify.prose.page import Block, Comment, Context, Form, Page
from verify.prose.text import bag

_EMPTY = re.compile(r"<!--?-?>")  # an empty comment, however it is closed
_HIDDEN = frozenset(("script", "style", "template", "del", "s"))
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "summary", "caption", "figcaption"))
_DESCRIBES = re.compile(r"description|title|abstract|summary|alt", re.I)  # names of a page's <meta>
_WIDEST = 100  # columns of one cell
_INLINE = bag(
    "a abbr b bdi bdo code em font i img ins kbd mark q samp small span strong sub sup tt u var wbr"
)


@dataclass
class Markup:
    """Texts with their lines, comments, and addresses of images."""

    blocks: list[Block] = field(default_factory=list)
    comments: list[tuple[str, int]] = field(default_factory=list)
    images: list[tuple[str, int]] = field(default_factory=list)


def visible(source: str, line: int) -> Markup:
    """The markup of a text whose first line has the number `line`."""
    parser = _Parser(line)
    parser.feed(_EMPTY.sub("", source))
    parser.close()
    parser.flush()
    return parser.markup


def page(source: str) -> Page:
    """The page of a file of HTML; a table is one part of it."""
    markup, found, part = visible(source, 1), Page(), 0
    lines = source.split("\n")
    for text, line in markup.comments:
        found.comments.append(Comment(text, line, lines[line - 1].strip().startswith("<!--")))
    table = False
    for block in markup.blocks:
        cell = block.form in (Form.CELL, Form.LABEL)
        part, table = part + (not (cell and table)), cell
        found.blocks.append(replace(block, part=part))
    for address, line in markup.images:
        if text := badge(address):
            part += 1
            found.blocks.append(Block(((text, line),), Form.BADGE, part=part))
    return found


class _Parser(HTMLParser):
    def __init__(self, line: int) -> None:
        super().__init__(convert_charrefs=True)
        self.markup, self.first = Markup(), line
        self.pieces: list[tuple[str, int]] = []
        self.form, self.hidden = Form.PROSE, 0
        self.header: list[str] = []
        self.row: list[str] = []
        self.span = 1

    def _line(self) -> int:
        return self.first + self.getpos()[0] - 1

    def flush(self) -> None:
        """End the block that is open."""
        block = Block(tuple(self.pieces), self.form)
        self.pieces, self.form = [], Form.PROSE
        if not block.text and block.form not in (Form.CELL, Form.LABEL):
            return
        if block.form in (Form.CELL, Form.LABEL):
            block = self._cell(block)
        self.markup.blocks.append(block)

    def _cell(self, block: Block) -> Block:
        at = len(self.row)
        self.row.append(block.text)
        if block.form is Form.LABEL:
            self.header += [block.text] * min(self.span, _WIDEST)
            return block
        column = self.header[at] if at < len(self.header) else ""
        row = self.row[0] if at else ""
        around = Context(lead="".join(self.header[:1]), row=row, column=column)
        return Block(block.pieces, block.form, around)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _HIDDEN:
            self.hidden += 1
        if tag not in _INLINE:
            self.flush()
        if tag == "tr":
            self.row = []
        if tag == "table":
            self.header = []
        if tag in ("td", "th"):
            self.form = Form.CELL if tag == "td" else Form.LABEL
            self.span = int(given["colspan"]) if given.get("colspan", "").isdecimal() else 1
        if tag in _HEADINGS:
            self.form = Form.HEADING
        if tag == "img":
            self.markup.images.append((given.get("src", ""), self._line()))
        said = [given.get(name, "") for name in ("alt", "title", "aria-label")]
        if tag == "meta" and _DESCRIBES.search(given.get("name", given.get("property", ""))):
            said.append(given.get("content", ""))
        for text in said:
            if text:
                piece = ((text, self._line()),)
                self.markup.blocks.append(Block(piece, Form.CAPTION))

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self.hidden = max(0, self.hidden - 1)
        if tag not in _INLINE:
            self.flush()

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            for number, text in enumerate(data.split("\n")):
                self.pieces.append((f" {text}" if number else text, self._line() + number))

    def handle_comment(self, data: str) -> None:
        self.markup.comments.append((data.strip(), self._line()))

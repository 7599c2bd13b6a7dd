"""LaTeX as it is printed, by pylatexenc: text, captions, titles, footnotes, formulae and tables."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

from pylatexenc.latex2text import LatexNodes2Text
from pylatexenc.latexwalker import (
    LatexCharsNode,
    LatexEnvironmentNode,
    LatexGroupNode,
    LatexMacroNode,
    LatexMathNode,
    LatexSpecialsNode,
    LatexWalker,
    LatexWalkerParseError,
    get_default_latex_context_db,
)
from pylatexenc.macrospec import std_macro

from verify.prose.markup.formula import formula
from verify.prose.markup.tex_source import CODE, COMMENT, blanked, masked
from verify.prose.markup.tex_table import Row, joined, without_span
from verify.prose.page import Block, Comment, Context, Form, Page
from verify.prose.text import bag

_DEFINES = re.compile(
    r"\\(?:(?:re|provide)?newcommand\*?|DeclareMathOperator\*?|DeclareRobustCommand)\s*\{?\\(\w+)\}?"
    r"(?:\[\d\])?(?:\[[^\]]*\])?\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}"
    r"|\\def\s*\\(\w+)\s*\{((?:[^{}]|\{[^{}]*\})*)\}"
)
_BLANK = re.compile(r"\n[ \t]*\n")
_HEADINGS = bag("title part chapter section subsection subsubsection paragraph")
_BESIDE = {"caption": Form.CAPTION, "captionof": Form.CAPTION, "footnote": Form.PROSE,
           "footnotetext": Form.PROSE, "thanks": Form.PROSE,
           "subcaption": Form.CAPTION}  # fmt: skip
_SILENT = bag(
    "label ref eqref autoref cref Cref pageref includegraphics input include bibliography "
    "usepackage bibliographystyle vspace hspace newcommand renewcommand providecommand def "
    "documentclass cmidrule cline color definecolor setlength addbibresource hline toprule "
    "midrule bottomrule phantom hphantom vphantom DeclareMathOperator index maketitle "
    "pagestyle thispagestyle url path nolinkurl"
)
_SIGNS = {"checkmark": "✓", "cmark": "✓", "xmark": "✗", "ding": "✓"}
_CITES = re.compile(r"[A-Za-z]*cite[a-z]*\*?$")
_TABLES = bag("tabular tabular* tabularx longtable tabulary array tblr")
_DEEPEST = 80
_ARGUMENTS = {  # of macros that the parser does not know
    "{": "title subtitle date author section* url path nolinkurl label texttt num "
    "footnotemark input",
    "[{": "caption subcaption footnote footnotetext thanks section subsection subsubsection part "
    "chapter paragraph",
    "{{": "href captionof textcolor colorbox",
}


def page(source: str) -> Page:
    """The page of a LaTeX text; one that the parser gives up on is read as plain lines."""
    text = masked(source)
    walk = _Walk(source, text)
    walk.comments()
    try:
        walk.document()
    except (LatexWalkerParseError, RecursionError, IndexError, AttributeError):
        return _as_lines(text, walk.page.comments)
    return walk.page


def _as_lines(source: str, comments: list[Comment]) -> Page:
    page = Page(comments=comments)
    for number, line in enumerate(source.split("\n"), start=1):
        if kept := COMMENT.sub("", line).strip():
            page.blocks.append(Block(((kept, number),), part=number))
    return page


@cache
def _context() -> Any:
    """The parser's table of macros, with those that it does not know."""
    macros = [
        std_macro(name, "*" * (kind == "[{") + kind)
        for kind, names in _ARGUMENTS.items()
        for name in names.split()
    ]
    known = get_default_latex_context_db()
    known.add_context_category("printed", macros=macros, prepend=True)
    return known


@cache
def _converter() -> LatexNodes2Text:
    return LatexNodes2Text(math_mode="text", keep_comments=False)


class _Walk:
    """One pass over the nodes of a document."""

    def __init__(self, source: str, masked: str) -> None:
        self.source, self.masked = source, _DEFINES.sub(blanked, masked)
        self.starts = [0, *(at + 1 for at, char in enumerate(masked) if char == "\n")]
        self.page, self.part = Page(), 0
        self.pieces: list[tuple[str, int]] = []
        self.form, self.lead, self.item_lead = Form.PROSE, "", ""
        self.defined = {m[1] or m[3]: m[2] if m[1] else m[4] for m in _DEFINES.finditer(masked)}
        self.depth = 0

    def line(self, pos: int) -> int:
        """The line of an offset, from 1."""
        return bisect_right(self.starts, pos)

    def comments(self) -> None:
        """Every comment; one that fills its line stands alone."""
        for number, line in enumerate(self.masked.split("\n"), start=1):
            if match := COMMENT.search(line):
                text = self.source.split("\n")[number - 1][match.start(1) :].strip()
                self.page.comments.append(Comment(text, number, not line[: match.start()].strip()))

    def document(self) -> None:
        """The body; of what stands before it, the title alone."""
        begin, end = self.masked.find("\\begin{document}"), self.masked.find("\\end{document}")
        if begin >= 0:
            head = self.masked[:begin]
            for match in re.finditer(r"\\(?:title|subtitle)\b", COMMENT.sub(blanked, head)):
                self._nodes(self._parsed(match.start(), self._group_end(match.end())))
                self.flush()
        start = begin + len("\\begin{document}") if begin >= 0 else 0
        self._nodes(self._parsed(start, end if end >= 0 else len(self.masked)))
        self.flush()

    def _parsed(self, start: int, end: int) -> list[Any]:
        text = re.sub(r"[^\n]", " ", self.masked[:start]) + self.masked[start:end]
        walker = LatexWalker(text, latex_context=_context(), tolerant_parsing=True)
        return list(walker.get_latex_nodes(pos=start)[0])

    def _group_end(self, at: int) -> int:
        depth = 0
        for index in range(at, len(self.masked)):
            depth += {"{": 1, "}": -1}.get(self.masked[index], 0)
            if depth == 0 and self.masked[index] == "}":
                return index + 1
        return len(self.masked)

    # -- blocks -----------------------------------------------------------------------------------

    def flush(self, form: Form | None = None) -> None:
        """End the block that is open."""
        block = Block(
            tuple(self.pieces), form or self.form, Context(lead=self.item_lead), self.part
        )
        self.pieces = []
        self.part += 1
        if block.text:
            self.page.blocks.append(block)
            self.lead = block.text if block.text.endswith(":") else ""

    def _beside(self, nodes: Sequence[Any], form: Form) -> None:
        """A block of its own within another, such as a footnote or a caption."""
        kept, self.pieces = self.pieces, []
        self._nodes(nodes)
        self.flush(form)
        self.pieces = kept

    # -- nodes ------------------------------------------------------------------------------------

    def _nodes(self, nodes: Sequence[Any]) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise RecursionError
        for node in nodes:
            if node is not None:
                self._node(node)
        self.depth -= 1

    def _node(self, node: Any) -> None:
        if isinstance(node, LatexCharsNode):
            self._chars(node.chars, node.pos)
        elif isinstance(node, LatexGroupNode):
            self._nodes(node.nodelist or ())
        elif isinstance(node, LatexMathNode):
            self._math(node)
        elif isinstance(node, LatexMacroNode):
            self._macro(node)
        elif isinstance(node, LatexEnvironmentNode):
            self._environment(node)
        elif isinstance(node, LatexSpecialsNode):
            if node.specials_chars.strip() == "":
                self.flush()
            else:
                self.pieces.append((_converter().node_to_text(node), self.line(node.pos)))

    def _chars(self, chars: str, pos: int) -> None:
        at = 0
        for match in [*_BLANK.finditer(chars), None]:
            stretch = chars[at : match.start() if match else len(chars)]
            for line in stretch.splitlines(keepends=True):
                self.pieces.append((line, self.line(pos + at)))
                at += len(line)
            if match:
                self.flush()
                at = match.end()

    def _math(self, node: Any) -> None:
        source = self.masked[node.pos : node.pos + node.len]
        for name, body in self.defined.items():
            source = re.sub(rf"\\{name}(?![A-Za-z])", partial(_body, body), source)
        self.pieces.append((formula(source), self.line(node.pos)))

    def _macro(self, node: Any) -> None:
        name = node.macroname
        arguments = [one for one in (node.nodeargd.argnlist if node.nodeargd else ()) if one]
        if name in self.defined and self.depth < _DEEPEST // 2:
            self.pieces.append(
                (_converter().latex_to_text(self.defined[name]), self.line(node.pos))
            )
        elif name in _BESIDE:
            self._beside(arguments[-1:], _BESIDE[name])
        elif name in _HEADINGS:
            self.flush()
            self._beside(arguments[-1:], Form.HEADING)
            self.item_lead = ""
        elif name == "item":
            self.flush()
            self._nodes(arguments)
        elif name == "par":
            self.flush()
        elif _CITES.search(name):
            self.pieces.append((" [1] ", self.line(node.pos)))
        elif name == "\\":
            self.pieces.append((" ", self.line(node.pos)))
        elif name in _SIGNS:
            self.pieces.append((_SIGNS[name], self.line(node.pos)))
        elif name == "href":
            self._nodes(arguments[1:])
        elif name not in _SILENT:
            self._printed(node, arguments)

    def _printed(self, node: Any, arguments: Sequence[Any]) -> None:
        if arguments and all(isinstance(one, LatexGroupNode) for one in arguments):
            self._nodes(arguments)
            return
        text = _converter().node_to_text(node)
        self.pieces.append((text, self.line(node.pos)))
        self.pieces += [(" ", self.line(node.pos))] if node.macro_post_space else []

    # -- environments -----------------------------------------------------------------------------

    def _environment(self, node: Any) -> None:
        name = node.environmentname
        if name in CODE:
            return
        self.flush()
        if name in _TABLES:
            self._table(node)
            return
        lead, self.item_lead = self.item_lead, self.lead or self.item_lead
        if name in ("table", "table*", "figure", "figure*", "longtable"):
            self.item_lead = _caption(node.nodelist) or self.item_lead
        if name in ("equation", "equation*", "align", "align*", "gather", "displaymath"):
            self._math(node)
        else:
            self._nodes(node.nodelist or ())
        self.flush()
        self.item_lead = lead

    def _table(self, node: Any) -> None:
        header: list[str] = []
        rows, ruled = self._rows(node.nodelist or ())
        heads = ruled if 0 < ruled < len(rows) else 1
        for number, row in enumerate(rows):
            if number < heads:
                header = joined(header, row)
            for at, (pieces, text, _) in enumerate(row):
                form = Form.LABEL if number < heads else Form.CELL
                context = Context(
                    lead=" ".join(filter(None, (self.item_lead, *header[:1]))),
                    row=row[0][1] if at and number >= heads else "",
                    column=header[at] if at < len(header) and form is Form.CELL else "",
                )  # fmt: skip
                if text:
                    self.page.blocks.append(Block(tuple(pieces), form, context, self.part))
        self.part += 1

    def _rows(self, nodes: Sequence[Any]) -> tuple[list[Row], int]:
        """Rows of cells, and how many of them stand above the first rule within."""
        rows, row, heads, start = list[Row](), list[tuple[Any, str, int]](), 0, list[Any]()
        for node in [*nodes, None]:
            name = getattr(node, "macroname", None)
            parts = node is None or name == "\\"
            if getattr(node, "specials_chars", None) == "&" or parts:
                row.append(self._cell(start))
                start = []
            elif name in ("midrule", "hline") and not heads and rows:
                heads = len(rows)
            else:
                start.append(node)
            if parts:
                rows += [row] if any(text for _, text, _ in row) else []
                row = []
        return rows, heads

    def _cell(self, nodes: Sequence[Any]) -> tuple[Any, str, int]:
        kept, self.pieces = self.pieces, []
        span = 1
        for node in nodes:
            if getattr(node, "macroname", "") == "multicolumn":
                wide = re.match(r"\\multicolumn\s*\{(\d{1,2})\}", self.masked[node.pos :])
                span = int(wide[1]) if wide else 1
        before = len(self.page.blocks)
        self._nodes(without_span(nodes))
        pieces, self.pieces = self.pieces, kept
        for block in self.page.blocks[before:]:
            pieces += block.pieces
        del self.page.blocks[before:]
        return pieces, Block(tuple(pieces)).text, span


def _body(body: str, match: re.Match[str]) -> str:
    return body


def _caption(nodes: Sequence[Any]) -> str:
    """The caption of a float, wherever in it it stands."""
    for node in nodes or ():
        if getattr(node, "macroname", "") == "caption" and node.nodeargd:
            return str(_converter().nodelist_to_text(node.nodeargd.argnlist[-1:]))
        if inner := _caption(getattr(node, "nodelist", None) or ()):
            return inner
    return ""

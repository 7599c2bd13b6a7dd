"""Markdown as GitHub renders it, by markdown-it: every text that a reader of the page sees."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.front_matter import front_matter_plugin

from verify.prose.markup.badge import badge
from verify.prose.markup.formula import formula
from verify.prose.markup.html import Markup, visible
from verify.prose.page import Block, Comment, Context, Form, Page, TooDeepError
from verify.prose.text import bag

# Languages whose fences are source code; any other fence shows output.
_CODE = bag(
    "bash sh shell zsh fish powershell bat python py python3 pycon ipython yaml yml json "
    "jsonc json5 toml ini cfg c cpp c++ cuda rust rs go java js javascript ts typescript "
    "jsx tsx html css xml sql r julia jl matlab lua ruby rb perl php scala kotlin swift "
    "haskell diff patch dockerfile docker make makefile cmake nix tex latex bibtex mermaid "
    "dot graphviz regex http proto graphql"
)
# The parser drops what is nested deeper, without a word; a browser shows it.
MAX_DEPTH = 200
_REPORTS = re.compile(r"report|states|stated|publish|according|quoted", re.I)


def _parser() -> MarkdownIt:
    found = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for plugin in (footnote_plugin, front_matter_plugin, deflist_plugin):
        found.use(plugin)
    found.options["maxNesting"] = MAX_DEPTH + 20
    found.core.ruler.disable("footnote_tail")  # it drops the notes that nothing refers to yet
    return found.use(dollarmath_plugin, double_inline=True)


def page(source: str) -> Page:
    """The page of a Markdown text; raises TooDeepError for one that is not wholly read."""
    walk = _Walk()
    for token in _parser().parse(source):
        walk.take(token)
        if token.level > MAX_DEPTH:
            raise TooDeepError(
                f"{walk.line}: found lists and quotations more than {MAX_DEPTH} deep"
            )
    return walk.page


@dataclass
class _Walk:
    """The state of one pass over the tokens of a page."""

    page: Page = field(default_factory=Page)
    part: int = 0
    line: int = 1
    heading: bool = False
    quote: int = 0
    lead: str = ""
    header: list[str] | None = None
    row: list[str] | None = None
    in_head: bool = False

    def take(self, token: Token) -> None:
        """One token of the page; its line is the last that any token stated."""
        if token.level == 0 and token.nesting >= 0:
            self.part += 1
        if token.map:
            self.line = token.map[0] + 1
        handle = getattr(self, f"_on_{token.type}", None)
        if handle:
            handle(token)

    def _put(self, pieces: Sequence[tuple[str, int]], form: Form, **context: str) -> None:
        around = Context(**{"lead": self.lead, **context})
        self.page.blocks.append(Block(tuple(pieces), form, around, self.part))

    def _on_heading_open(self, token: Token) -> None:
        self.heading = True
        self.lead = ""

    def _on_heading_close(self, token: Token) -> None:
        self.heading = False

    def _on_blockquote_open(self, token: Token) -> None:
        self.quote += 1

    def _on_blockquote_close(self, token: Token) -> None:
        self.quote -= 1

    def _on_table_open(self, token: Token) -> None:
        self.header = []

    def _on_table_close(self, token: Token) -> None:
        self.header, self.row = None, None

    def _on_thead_open(self, token: Token) -> None:
        self.in_head = True

    def _on_thead_close(self, token: Token) -> None:
        self.in_head = False

    def _on_tr_open(self, token: Token) -> None:
        self.row = []

    def _on_inline(self, token: Token) -> None:
        inline = _Inline(self.line)
        inline.read(token.children or [])
        alone = not "".join(text for text, _ in inline.pieces).strip()
        self.page.comments.extend(
            Comment(text, line, alone and token.level == 1) for text, line in inline.comments
        )
        for pieces, form in inline.besides:
            self._put(pieces, form)
        if self.row is not None and self.header is not None:
            self._cell(inline)
        else:
            plain = Form.QUOTE if self.quote and self.lead else Form.PROSE
            self._put(inline.pieces, Form.HEADING if self.heading else plain)
            self._leads(token, "".join(text for text, _ in inline.pieces).strip())

    def _leads(self, token: Token, text: str) -> None:
        """What presents the next part: a paragraph with a colon, a heading that names a source."""
        if token.level == 1:
            presents = _REPORTS.search(text) if self.heading else text.endswith((":", "："))
            self.lead = text if presents else ""

    def _cell(self, inline: _Inline) -> None:
        assert self.row is not None
        assert self.header is not None
        text, at = "".join(text for text, _ in inline.pieces).strip(), len(self.row)
        self.row.append(text)
        if self.in_head:
            self.header.append(text)
            self._put(inline.pieces, Form.LABEL)
            return
        column = self.header[at] if at < len(self.header) else ""
        lead = " ".join(filter(None, (self.lead, *self.header[:1])))  # whose models the rows name
        row = self.row[0] if at else ""
        self._put(inline.pieces, Form.CELL, row=row, column=column, lead=lead)

    def _on_fence(self, token: Token) -> None:
        language = (token.info.split() or [""])[0].lower().strip("{}.")
        if language not in _CODE:
            self._output(token, self.line + 1)

    def _on_code_block(self, token: Token) -> None:
        self._output(token, self.line)

    def _output(self, token: Token, first: int) -> None:
        for number, line in enumerate(token.content.split("\n")):
            if line.strip():
                self._put([(line, first + number)], Form.OUTPUT)

    def _on_math_block(self, token: Token) -> None:
        self._put([(formula(token.content), self.line)], Form.PROSE)

    _on_math_block_label = _on_math_block

    def _on_html_block(self, token: Token) -> None:
        markup = visible(token.content, self.line)
        self.page.comments.extend(
            Comment(text, line, alone=token.level == 0 and not markup.blocks)
            for text, line in markup.comments
        )
        for block in markup.blocks:
            self._put(block.pieces, block.form, row=block.context.row, column=block.context.column)
        self._badges(markup)

    def _badges(self, markup: Markup) -> None:
        for address, line in markup.images:
            if text := badge(address):
                self._put([(text, line)], Form.BADGE)

    def _on_front_matter(self, token: Token) -> None:
        for name, value, line in figures(token.content):
            self._put([(value, line + 2)], Form.METADATA, row="this model", column=name)


@dataclass
class _Inline:
    """What an inline token shows: its text, comments within it, and titles beside it."""

    line: int
    pieces: list[tuple[str, int]] = field(default_factory=list)
    comments: list[tuple[str, int]] = field(default_factory=list)
    besides: list[tuple[list[tuple[str, int]], Form]] = field(default_factory=list)
    struck: int = 0

    def read(self, children: Sequence[Token]) -> None:
        """Take every child in its order."""
        for child in children:
            self._take(child)

    def _take(self, child: Token) -> None:
        kind, content = child.type, child.content
        if kind in ("s_open", "s_close"):
            self.struck += child.nesting
        elif kind in ("softbreak", "hardbreak"):
            self.pieces.append(("\n", self.line))
            self.line += 1
        elif kind in ("text", "code_inline") and not self.struck:
            self.pieces.append((content, self.line))
        elif kind.startswith("math_inline"):
            self.pieces.append((formula(content), self.line))
        elif kind in ("image", "link_open"):
            self._titled(child)
        elif kind == "html_inline":
            self._markup(content)

    def _titled(self, child: Token) -> None:
        title = str(child.attrs.get("title") or "")
        if child.type == "image":
            self.read(child.children or [])
            if text := badge(str(child.attrs.get("src") or "")):
                self.besides.append(([(text, self.line)], Form.BADGE))
        if title:
            self.besides.append(([(title, self.line)], Form.CAPTION))

    def _markup(self, content: str) -> None:
        found = visible(content, self.line)
        self.comments += found.comments
        self.pieces += [piece for block in found.blocks for piece in (*block.pieces, (" ", 1))]
        for address, line in found.images:
            if text := badge(address):
                self.besides.append(([(text, line)], Form.BADGE))
        self.line += content.count("\n")


def figures(head: str) -> Iterator[tuple[str, str, int]]:
    """Names, values and lines of the metrics that the YAML head of a model card states."""
    try:
        waiting, seen = [yaml.compose(head, Loader=yaml.SafeLoader)], set[int]()
    except (yaml.YAMLError, RecursionError):
        yield from (("", line, at) for at, line in enumerate(head.split("\n")) if line.strip())
        return
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            waiting += [value for _, value in node.value]
            yield from _stated(node)


def _stated(node: yaml.MappingNode) -> Iterator[tuple[str, str, int]]:
    """Each scalar of a mapping under its key, and a `value` under the metric's name as well."""
    plain = [(k.value, v) for k, v in node.value if isinstance(v, yaml.ScalarNode)]
    named = [v.value for k, v in plain if k in ("type", "name", "metric")]
    for key, value in plain:
        name = " ".join(named) if key == "value" and named else str(key)
        yield name, value.value, value.start_mark.line

"""Cells of LaTeX tables: what spans several columns, and heads of several rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pylatexenc.latexwalker import LatexGroupNode

Row = list[tuple[Any, str, int]]
"""Cells: their pieces, their text, and how many columns they span."""


def without_span(nodes: Sequence[Any]) -> list[Any]:
    """The nodes of a cell without the numbers and letters of a \\multicolumn or \\multirow."""
    found, skip = [], 0
    for node in nodes:
        name = getattr(node, "macroname", "")
        arguments = list(node.nodeargd.argnlist if getattr(node, "nodeargd", None) else ())
        if name in ("multicolumn", "multirow"):
            found += arguments[-1:]
            skip = 0 if arguments else 2
        elif skip and isinstance(node, LatexGroupNode):
            skip -= 1
        else:
            found.append(node)
    return found


def joined(header: list[str], row: Row) -> list[str]:
    """The labels of the columns with those of one more row of heads."""
    wide = [text for _, text, span in row for _ in range(span)]
    length = max(len(header), len(wide))
    padded = [(labels + [""] * length)[:length] for labels in (header, wide)]
    return [" ".join(filter(None, both)) for both in zip(*padded, strict=True)]

"""A formula of TeX as a line of text."""

from __future__ import annotations

from functools import cache

from pylatexenc.latex2text import LatexNodes2Text


@cache
def _converter() -> LatexNodes2Text:
    return LatexNodes2Text(math_mode="text", keep_comments=False, strict_latex_spaces=False)


def formula(source: str) -> str:
    """The text of a formula; one that cannot be parsed stays as it is."""
    try:
        text = _converter().latex_to_text(source)
    except Exception:  # a formula that somebody got wrong is read as its source
        return source
    return " ".join(str(text).split())

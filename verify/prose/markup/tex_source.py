"""A LaTeX source as long as before, without what TeX takes letter by letter or leaves out.

Braces and percent signs within verbatim text and addresses are no syntax; code and what is switched
off is not printed.
"""

from __future__ import annotations

import re

from verify.prose.text import bag

_VERBATIM = re.compile(
    r"(?<!\\)\\(?:verb\*?|lstinline(?:\[[^\]\n]*\])?|mintinline(?:\[[^\]\n]*\])?\{[^}\n]*\})"
    r"(?:([^\s\w{*])(?P<verb>[^\n]*?)\1|\{(?P<braced>[^}\n]*)\})"
    r"|(?<!\\)\\(?:url|href|path|nolinkurl|burl)\s*\{(?P<address>[^}\n]*)\}"
)
_FALSE = re.compile(r"(?<!\\)\\iffalse\b.*?\\fi\b", re.S)
_SYNTAX = re.compile(r"[%{}\\$&#_^~]")
COMMENT = re.compile(r"(?<!\\)(?:\\\\)*%([^\n]*)")
CODE = bag("verbatim Verbatim lstlisting minted comment tikzpicture alltt filecontents")


def masked(source: str) -> str:
    """The source with every character in its place and nothing that the parser would trip over."""
    return _FALSE.sub(blanked, _VERBATIM.sub(_masked, _codeless(source)))


def _masked(match: re.Match[str]) -> str:
    """The same text, as long as before, without what the parser would take for syntax."""
    for name in ("verb", "braced", "address"):
        if (inner := match[name]) is not None:
            start, end = match.start(name) - match.start(), match.end(name) - match.start()
            whole = match.group()
            kept = _SYNTAX.sub(" ", inner)
            if name == "address":
                return whole[:start] + kept + whole[end:]
            # A macro with an argument, as long as before.
            return "\\emph" + " " * (start - len("\\emph") - 1) + f"{{{kept}}}"
    return match.group()


def blanked(match: re.Match[str]) -> str:
    """White space where a match stood."""
    return re.sub(r"[^\n]", " ", match.group())


def _codeless(source: str) -> str:
    """Environments of code made white, unless their name only stands within a verbatim."""
    names = "|".join(re.escape(name) for name in sorted(CODE))
    begins = re.compile(
        rf"^[ \t]*\\begin\{{({names})\}}|(?<![|!+\w]) ?\\begin\{{({names})\}}", re.M
    )
    at = 0
    while (match := begins.search(source, at)) is not None:
        at = match.end()
        line = source[source.rfind("\n", 0, match.start()) + 1 : match.end()]
        end = source.find(f"\\end{{{match[1] or match[2]}}}", at)
        if end < 0 or COMMENT.search(line) or re.search(r"\\(?:verb|lstinline)", line):
            continue
        source = source[: match.start()] + re.sub(r"[^\n]", " ", source[match.start() : end]) + (
            " " * len(f"\\end{{{match[1] or match[2]}}}")
        ) + source[end + len(f"\\end{{{match[1] or match[2]}}}") :]  # fmt: skip
    return source

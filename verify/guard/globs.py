"""Globs over paths with slashes, as frontier and protection write them.

`*` and `?` and `[...]` stay inside one part of a path, `**` as a whole part stands for any number
of parts, none included. A pattern without any of these names one file. Matching takes time
proportional to pattern times path, whatever the pattern.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

ANY_DEPTH = "**"
SPECIAL = frozenset("*?[")
EXPECTED = "a relative path with /, such as specs/golden/** or *.md"


def fault(pattern: str) -> str | None:
    """What is wrong with a pattern, or None."""
    parts = pattern.split("/")
    if pattern.startswith("/"):
        return "an absolute path"
    if "\\" in pattern:
        return "a backslash"
    if any(part in ("", ".", "..") for part in parts):
        return "a part that is empty, . or .."
    if any(ANY_DEPTH in part and part != ANY_DEPTH for part in parts):
        return "** beside other characters of one part"
    return None


def matches(pattern: str, path: str) -> bool:
    """Whether a path, written with slashes, is one that the pattern means."""
    parts = path.split("/")
    # reached[i]: the pattern so far can end before part i of the path
    reached = [True] + [False] * len(parts)
    for piece in pattern.split("/"):
        reached = _after(piece, parts, reached)
    return reached[-1]


def base(pattern: str) -> str:
    """The folder, without special characters, below which all matches lie; empty for the root."""
    parts = pattern.split("/")
    plain = next((n for n, part in enumerate(parts) if SPECIAL & set(part)), len(parts) - 1)
    return "/".join(parts[:plain])


def _after(piece: str, parts: list[str], reached: list[bool]) -> list[bool]:
    """What is reached when one more piece of the pattern is used up."""
    if piece == ANY_DEPTH:
        first = reached.index(True) if True in reached else len(reached)
        return [at >= first for at in range(len(reached))]
    steps = [
        before and fnmatchcase(part, piece) for before, part in zip(reached, parts, strict=False)
    ]
    return [False, *steps]

"""What is wrong with an input, said once and fully: place, found, expected, remedy."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

LONGEST_NAME = 300  # characters of a file's name in a message


@dataclass(frozen=True, order=True)
class Problem:
    """One defect of one file. `path` is the place inside the document, e.g. `clauses[3].kind`."""

    file: str
    line: int = 0
    column: int = 0
    path: str = ""
    found: str = ""
    expected: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        inside = f" {self.path}:" if self.path else ""
        text = f"{where}:{inside} found {self.found}"
        if self.expected:
            text += f"; expected {self.expected}"
        if self.remedy:
            text += f"; remedy: {self.remedy}"
        return text


class PackError(Exception):
    """The pack cannot be used; every problem of every file is in `problems`."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(Exception):
    """The command line asks for something that cannot be done (exit code 2)."""


class NothingSelectedError(Exception):
    """A selector matched nothing (exit code 3): an empty selection must never look like a pass."""


class IntegrityError(Exception):
    """A pin, digest or hash chain does not match (exit code 4)."""


def refused_by_system(error: Exception) -> str | None:
    """`FILE: found ...` of a file that the operating system refuses; None for any other error.

    For the edge of a program: a name that is too long, a loop of links, a lack of permission, a
    disk that fails are nobody's defect, whichever call meets them first.
    """
    name, why = getattr(error, "filename", None), getattr(error, "strerror", None)
    if not isinstance(error, OSError) or name is None or why is None:
        # Before Python 3.13 a loop that `Path.resolve` meets is no OSError.
        before, loop, path = str(error).partition("Symlink loop from ")
        if not (isinstance(error, RuntimeError) and loop and not before):
            return None
        name, why = path.strip("'"), "a loop of links"
    shown = os.fsdecode(name) if isinstance(name, bytes | str | os.PathLike) else str(name)
    if len(shown) > LONGEST_NAME:
        shown = f"{shown[:LONGEST_NAME]}..."
    return f"{shown}: found {why[0].lower()}{why[1:]}; expected a file or folder that can be used"


def format_path(parts: Iterable[str | int]) -> str:
    """`("clauses", 3, "kind")` -> `clauses[3].kind`."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text

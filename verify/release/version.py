"""The version as a file states it: a module, a project file, or a changelog."""

from __future__ import annotations

import ast
import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

from verify.spec.places import inside, read_text

HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?P<rest>.*)$", re.M)
UNRELEASED = "Unreleased"
_DATED = re.compile(r"\s+-\s+(?P<day>\d{4}-\d{2}-\d{2})\s*\Z")
_SAYS_NOTHING = re.compile(r"^#[^\n]*$|<!--.*?(?:-->|\Z)", re.M | re.S)


class UnreadableError(Exception):
    """A file does not say what it is asked for; the message is the reason."""


def text_of(root: Path, name: str) -> str:
    """The text of a file below the root; raises UnreadableError."""
    path = inside(root, name)
    if path is None:
        raise UnreadableError(f"{name} leaves the folder")
    text = read_text(path, name)
    if not isinstance(text, str):
        raise UnreadableError(f"{name}: {text.found}")
    return text


def version_in(root: Path, name: str) -> str:
    """The version that a file states; raises UnreadableError where it states none."""
    text = text_of(root, name)
    readers = {".py": _of_module, ".toml": _of_project, ".md": _of_changelog}
    reader = readers.get(Path(name).suffix)
    found = reader(root, name, text) if reader else None
    if not found:
        raise UnreadableError(f"{name} states no version")
    return found


def entry(text: str, version: str) -> str | None:
    """What a changelog says under a version with a date, or None where it has no such heading.

    Headings and comments say nothing.
    """
    headings = list(HEADING.finditer(text))
    for at, heading in enumerate(headings):
        if heading["version"] == version and _dated(heading["rest"]):
            end = headings[at + 1].start() if at + 1 < len(headings) else len(text)
            return _SAYS_NOTHING.sub("", text[heading.end() : end]).strip()
    return None


def _dated(rest: str) -> bool:
    """Whether the rest of a heading is a day of the calendar."""
    found = _DATED.match(rest)
    try:
        return bool(found and date.fromisoformat(found["day"]))
    except ValueError:
        return False


def _of_module(root: Path, name: str, text: str) -> str | None:
    """`__version__ = "..."`, read without running the module."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UnreadableError(f"{name} is not Python") from None
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if "__version__" in names and isinstance(node.value.value, str):
                return node.value.value
    return None


def project(root: Path, name: str) -> dict[str, Any]:
    """A project file as data; raises UnreadableError."""
    try:
        return tomllib.loads(text_of(root, name))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UnreadableError(f"{name} is not TOML ({error})") from None


def table(data: Any, *keys: str) -> dict[str, Any]:
    """The table at some keys of a project file; an empty one where something else stands."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def _of_project(root: Path, name: str, text: str) -> str | None:
    """`project.version`, or what hatch reads it from."""
    whole = project(root, name)
    stated = table(whole, "project")
    if "version" in stated:
        return str(stated["version"])
    source = table(whole, "tool", "hatch", "version").get("path")
    dynamic = stated.get("dynamic")
    listed = isinstance(dynamic, list) and "version" in dynamic
    if listed and isinstance(source, str) and source.endswith(".py"):
        return version_in(root, source)
    return None


def _of_changelog(root: Path, name: str, text: str) -> str | None:
    """The newest version that is released."""
    versions = [heading["version"] for heading in HEADING.finditer(text)]
    return next((one for one in versions if one != UNRELEASED), None)

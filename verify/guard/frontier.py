"""A change held against its frontier: every path it touches, allowed, denied or outside."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from verify.guard import git
from verify.guard.decided import Decided, decided
from verify.guard.globs import matches
from verify.guard.model import FRONTIER, Frontier
from verify.problems import PackError, UsageError
from verify.spec.strict_yaml import Document, parse, read
from verify.spec.validation import validate

_NAMES = {"A": "added", "D": "deleted", "M": "changed", "T": "changed in type"}


class Side(StrEnum):
    """Where a path lies."""

    INSIDE = "inside"
    DENIED = "denied"
    OUTSIDE = "outside"


@dataclass(frozen=True)
class Touched:
    """One path of a change, what happened to it, and where it lies by which rule."""

    path: str
    what: str
    side: Side
    rule: str


def read_frontier(document: Document) -> Frontier:
    """The frontier of a parsed file; raises PackError with all that is wrong."""
    problems = list(document.problems)
    if not problems and not isinstance(document.value, dict):
        problems.append(document.problem((), "no mapping", "schema: verify/frontier/1"))
    frontier = None if problems else validate(document, Frontier, problems)
    if frontier is None:
        raise PackError(problems)
    return frontier


def frontier_of(repository: Path, base: str, file: Path | None) -> Frontier:
    """The given file's, else that of the base commit: a change cannot widen its own frontier."""
    if file is not None:
        return read_frontier(read(file))
    text = git.text_at(repository, base, FRONTIER)
    if text is None:
        raise UsageError(
            f"{FRONTIER}: found no such file in {base[:10]}; expected the frontier in the base "
            "commit; remedy: name one with --frontier FILE"
        )
    return read_frontier(parse(text, file=f"{base[:10]}:{FRONTIER}"))


def touched(repository: Path, base: str, head: str, frontier: Frontier) -> list[Touched]:
    """Every path that differs in HEAD from where it parted from BASE.

    What came to the base since then is not the change's, nor is what the base already holds. Both
    ends of a rename count, and so do targets of links; after a criss-cross of merges, a difference
    from any of the ancestors does.
    """
    differing = {
        name for one in git.changes(repository, base, head) for name in (one.old, one.new) if name
    }
    by = decided(repository, base, head, differing) if frontier.decided else None
    found = {
        Touched(path, what, *judge(path, frontier, by, gone=path == change.old != change.new))
        for fork in git.forks(repository, base, head)
        for change in git.changes(repository, fork, head)
        if {change.old, change.new} & differing
        for path, what in (*_ends(change), *_target(repository, change))
    }
    return sorted(found, key=lambda one: (one.path, one.what))


def judge(path: str, frontier: Frontier, by: Decided | None, *, gone: bool) -> tuple[Side, str]:
    """Where a path lies and by which rule; what denies is stronger than what allows.

    by    what the change decides; None where the frontier asks for no decisions
    gone  whether the change leaves nothing under this name
    """
    if path.startswith("/") or path.split("/")[0] == "..":  # a link's target; no glob means it
        return Side.OUTSIDE, "it leaves the repository"
    for denied in frontier.deny:
        if matches(denied.glob, path):
            return Side.DENIED, f"{denied.glob}: {denied.reason}"
    for rule in frontier.decided if by else ():
        if matches(rule.glob, path):
            assert by is not None
            fault = by.fault(path, gone=gone)
            if fault is not None:
                return Side.DENIED, f"{rule.glob}: {rule.reason}; {fault}"
            return Side.INSIDE, rule.glob
    for glob in frontier.allow:
        if matches(glob, path):
            return Side.INSIDE, glob
    return Side.OUTSIDE, "no glob allows it"


def _ends(change: git.Change) -> Iterator[tuple[str, str]]:
    """(path, what happened) for each name that a change concerns."""
    if change.old and change.new and change.old != change.new:
        yield change.old, f"renamed to {shown(change.new)}"
        yield change.new, f"renamed from {shown(change.old)}{_mode(change)}"
        return
    yield change.path, f"{_NAMES.get(change.status, change.status)}{_mode(change)}"


def _mode(change: git.Change) -> str:
    kinds = {git.LINK: " (a link)", git.SUBMODULE: " (a submodule)"}
    if change.old and change.new and change.old_mode != change.new_mode:
        return f" (mode {change.old_mode} to {change.new_mode})"
    return kinds.get(change.new_mode, "")


def _target(repository: Path, change: git.Change) -> Iterator[tuple[str, str]]:
    """What a new link points to: by a link, a change reaches it as well."""
    if change.new is None or change.new_mode != git.LINK:
        return
    target = git.blob_of(repository, change.blob).decode("utf-8", "surrogateescape")
    where = posixpath.normpath(posixpath.join(posixpath.dirname(change.new), target))
    yield where, f"target of the link {shown(change.new)}"


def shown(path: str) -> str:
    """A path on one line, whatever is in its name."""
    return path if path.isprintable() else ascii(path)

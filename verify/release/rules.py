"""Rules of `verify lint` about the gates of a release."""

from __future__ import annotations

from collections.abc import Iterator

from verify.problems import NothingSelectedError, Problem, UsageError
from verify.release.model import RELEASE, ByBenchmark, ByCheck, ByClauses, Gate, ReleaseFile
from verify.spec.pack import LoadedPack
from verify.spec.places import inside
from verify.spec.select import select
from verify.spec.strict_yaml import Document

_MARKS = ("{version}", "{artefact}", "{stem}", "{gate}")


def it_stands_at_its_place(loaded: LoadedPack) -> Iterator[Problem]:
    """A second list of gates would be a way around the first."""
    for document, _ in loaded.of(ReleaseFile):
        if document.file != RELEASE:
            found = f"a file with this schema at {document.file}"
            yield document.problem(("schema",), found, f"only {RELEASE}", "move it there")


def ids_are_unique(loaded: LoadedPack) -> Iterator[Problem]:
    """A gate is named in verdicts and signatures: one name, one gate."""
    for document, release in loaded.of(ReleaseFile):
        seen: set[str] = set()
        for position, gate in enumerate(release.gates):
            if gate.id in seen:
                at = ("gates", position, "id")
                yield document.problem(at, f"the gate {gate.id} a second time", "unique ids")
            seen.add(gate.id)


def what_decides_exists(loaded: LoadedPack) -> Iterator[Problem]:
    """Checks are registered, selectors match, places lie inside the pack."""
    for document, release in loaded.of(ReleaseFile):
        for position, gate in enumerate(release.gates):
            yield from _gate(document, ("gates", position), gate, loaded)
        for name in ("version", "signatures"):
            if inside(loaded.root, getattr(release, name)) is None:
                found = getattr(release, name)
                yield document.problem((name,), found, "a path inside the pack", "correct it")


def _gate(
    document: Document, at: tuple[str | int, ...], gate: Gate, loaded: LoadedPack
) -> Iterator[Problem]:
    by = gate.by
    if isinstance(by, ByCheck | ByBenchmark) and not loaded.bindings.find("check", by.check):
        where = (*at, "by", "check")
        yield document.problem(where, by.check, "a check registered in contracts/**/*.py")
    if isinstance(by, ByClauses):
        try:
            select(loaded.pack, by.clauses)
        except (NothingSelectedError, UsageError) as error:
            yield document.problem((*at, "by", "clauses"), str(error), "selectors that match")
    for name in ("record", "file", "project"):
        path = getattr(by, name, None)
        if path is not None and inside(loaded.root, path) is None:
            yield document.problem((*at, "by", name), path, "a path inside the pack")
    rest = gate.close
    for mark in _MARKS:
        rest = rest.replace(mark, "")
    if "{" in rest or "\n" in gate.close:
        expected = f"one line with {', '.join(_MARKS)} at most"
        yield document.problem((*at, "close"), gate.close, expected, "write one command")

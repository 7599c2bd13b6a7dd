"""Rules of `verify lint` about frontier and protection."""

from __future__ import annotations

from collections.abc import Iterator

from verify.guard.decided import own_record
from verify.guard.model import (
    FRONTIER,
    PROTECTED,
    RECORD,
    DigestsFile,
    Frontier,
    ProtectedFile,
)
from verify.problems import Problem
from verify.spec.pack import LoadedPack
from verify.spec.strict_yaml import Document


def each_file_stands_at_its_place(loaded: LoadedPack) -> Iterator[Problem]:
    """A second frontier or a second list of digests would leave open which of them holds."""
    places = ((Frontier, FRONTIER), (ProtectedFile, PROTECTED))
    for kind, place in (*places, (DigestsFile, RECORD)):
        for document, _ in loaded.of(kind):
            if document.file != place:
                found = f"a file with this schema at {document.file}"
                yield document.problem(("schema",), found, f"only {place}", "move it there")


def globs_stand_once(loaded: LoadedPack) -> Iterator[Problem]:
    """Globs of the frontier, and of the protection."""
    for document, one in loaded.of(Frontier):
        yield from _frontier(one, document)
    for document, file in loaded.of(ProtectedFile):
        seen: set[str] = set()
        for position, asset in enumerate(file.assets):
            at = ("assets", position, "glob")
            if asset.glob in seen:
                yield document.problem(at, f"the glob {asset.glob} a second time", "each once")
            seen.add(asset.glob)
            if asset.manifest and not (loaded.root / asset.manifest).is_file():
                where = ("assets", position, "manifest")
                yield document.problem(where, asset.manifest, "a list of digests that exists")


def digests_rest_on_decisions(loaded: LoadedPack) -> Iterator[Problem]:
    """A recorded digest names a settled decision, and each path stands once."""
    decisions = {decision.id: decision for decision in loaded.pack.decisions}
    for document, file in loaded.of(DigestsFile):
        seen: set[str] = set()
        for position, one in enumerate(file.assets):
            known = decisions.get(one.decision)
            own = known is not None and one.path == own_record(known)
            if known is None or not (known.status.settled or own):
                at = ("assets", position, "decision")
                yield document.problem(at, one.decision, "a decision that is accepted or closed")
            if one.path in seen:
                at = ("assets", position, "path")
                yield document.problem(at, f"{one.path} a second time", "each path once")
            seen.add(one.path)


def _frontier(frontier: Frontier, document: Document) -> Iterator[Problem]:
    """Globs that stand twice, or in both lists."""
    seen: set[str] = set()
    items = [("allow", n, glob) for n, glob in enumerate(frontier.allow)]
    items += [("deny", n, denied.glob) for n, denied in enumerate(frontier.deny)]
    for name, position, glob in items:
        if glob in seen:
            found = f"the glob {glob} a second time"
            yield document.problem((name, position), found, "each glob once", "remove one")
        seen.add(glob)

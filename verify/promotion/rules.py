"""Rules of `verify lint` about tracks."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from verify.problems import Problem
from verify.promotion.model import PROMOTION, PromotionFile, Track
from verify.spec.floors import floors
from verify.spec.model import Cited
from verify.spec.pack import LoadedPack, ids
from verify.spec.rules.clauses import duplicates
from verify.spec.strict_yaml import Document, Path_


def it_stands_at_its_place(loaded: LoadedPack) -> Iterator[Problem]:
    """A second list of tracks would be a way around the first."""
    for document, _ in loaded.of(PromotionFile):
        if document.file != PROMOTION:
            found = f"a file with this schema at {document.file}"
            yield document.problem(("schema",), found, f"only {PROMOTION}", "move it there")


def ids_are_unique(loaded: LoadedPack) -> Iterator[Problem]:
    """A record names its track."""
    places = [(document, (*at, "id"), track.id) for document, at, track in _tracks(loaded)]
    yield from duplicates("track", places)


def what_a_track_names_exists(loaded: LoadedPack) -> Iterator[Problem]:
    """Clauses and patterns match something; cited facts state a value."""
    known = ids(loaded.pack.clauses)
    for document, at, track in _tracks(loaded):
        if track.recomputed_by not in known:
            path, found = (*at, "recomputed_by"), f"the clause {track.recomputed_by}"
            yield document.problem(path, found, "a clause of the pack", "correct it")
        for number, pattern in enumerate(track.needs):
            if not any(fnmatchcase(name, pattern) for name in known):
                expected = "a clause id or glob that matches"
                yield document.problem((*at, "needs", number), pattern, expected, "correct it")
        try:
            floors(track.floors, loaded.pack)
        except LookupError as error:
            yield document.problem((*at, "floors"), str(error), "a fact with a value", "correct it")
        for key, stated in track.protocol.items():
            fact = loaded.pack.fact(stated.fact) if isinstance(stated, Cited) else None
            if isinstance(stated, Cited) and (fact is None or fact.value is None):
                path, found = (*at, "protocol", key), f"{stated.fact}, which states no value"
                yield document.problem(path, found, "a fact with a value", "correct it")


def _tracks(loaded: LoadedPack) -> Iterator[tuple[Document, Path_, Track]]:
    for document, file in loaded.of(PromotionFile):
        for number, track in enumerate(file.tracks):
            yield document, ("tracks", number), track

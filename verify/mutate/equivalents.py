"""Changes that somebody has judged to change nothing: each stands until its line does not."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from verify.mutate.model import Equivalent, EquivalentsFile
from verify.mutate.operators import mutants
from verify.mutate.source import Mutant, Source
from verify.problems import Problem
from verify.spec.pack import LoadedPack
from verify.spec.places import named


def recorded(loaded: LoadedPack) -> dict[str, Equivalent]:
    """All of a pack, by the mutant's name."""
    return {one.mutant: one for _, file in loaded.of(EquivalentsFile) for one in file.equivalents}


def they_still_stand(loaded: LoadedPack) -> Iterator[Problem]:
    """The line that an entry is about is there, and the change it names can still be made of it."""
    for document, file in loaded.of(EquivalentsFile):
        sources = {name: _source(loaded, name) for name in {one.file for one in file.equivalents}}
        lines = {one.before for one in file.equivalents}
        found = {name: _named(source, lines) for name, source in sources.items()}
        seen: set[str] = set()
        for at, one in enumerate(file.equivalents):
            if one.mutant not in found[one.file]:  # its line may have been written otherwise
                found[one.file] = _named(sources[one.file], None)
            place = ("equivalents", at, "mutant")
            why = _wrong(one, found[one.file].get(one.mutant), seen)
            seen.add(one.mutant)
            if why:
                remedy = "remove the entry, and judge the change anew: `verify mutate` names it"
                yield document.problem(place, why, "a change of the code as it is", remedy)


def _wrong(one: Equivalent, found: Mutant | None, seen: set[str]) -> str:
    if one.mutant in seen:
        return f"{one.mutant} a second time"
    if found is None:
        return f"{one.mutant}, which no change of {one.file} is called"
    if (one.before, one.after) != (found.before, found.after):
        return f"other lines than {found.before!r} and {found.after!r}"
    return ""


def _named(source: Source | None, before: Collection[str] | None) -> dict[str, Mutant]:
    """The changes of a file, or those of lines that read so, by name."""
    if source is None:
        return {}
    lines = None
    if before is not None:
        first = {text.partition("\n")[0] for text in before}
        texts = source.data.decode().splitlines()
        lines = [number for number, text in enumerate(texts, 1) if text.strip() in first]
    return {one.name: one for one in mutants(source, lines)}


def _source(loaded: LoadedPack, label: str) -> Source | None:
    path = named(loaded.root, label)
    if path is None or not path.is_file():
        return None
    try:
        return Source(label, path.read_bytes())
    except (SyntaxError, ValueError):
        return None

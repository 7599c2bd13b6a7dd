"""Lint rules about outlines: no fact and no part of a source without a clause or a reason."""

from __future__ import annotations

from collections.abc import Iterator

from verify.problems import Problem
from verify.spec.claims import Claim
from verify.spec.model import ClaimsFile, FactsFile
from verify.spec.outline import Outline, Reason
from verify.spec.pack import LoadedPack
from verify.spec.strict_yaml import Document, Path_

REMEDY = "cite it in a clause, or give its reason under `uncited` of specs/outline/*.yaml"


def ids_are_unique(loaded: LoadedPack) -> Iterator[Problem]:
    """One outline an authority, one item an id, one reason a fact."""
    seen: set[str] = set()
    for document, outline in loaded.of(Outline):
        names: list[tuple[Path_, str]] = [(("authority",), outline.authority)]
        names += [
            (("items", n, "id"), f"{outline.authority}.{one.id}")
            for n, one in enumerate(outline.items)
        ]
        names += [(("uncited", n, "fact"), one.fact) for n, one in enumerate(outline.uncited)]
        for at, name in names:
            if name in seen:
                yield document.problem(at, f"{name} a second time", "each once", "remove one")
            seen.add(name)


def what_they_name_exists(loaded: LoadedPack) -> Iterator[Problem]:
    """Authorities, facts, decisions; a claim asks for the coverage of a source that has items."""
    pack = loaded.pack
    known = {authority.id for authority in pack.authorities}
    for document, outline in loaded.of(Outline):
        if outline.authority not in known:
            expected = ", ".join(sorted(known))
            yield document.problem(("authority",), outline.authority, expected, "correct it")
        for number, item in enumerate(outline.items):
            for place, topic in enumerate(item.facts):
                name = f"{outline.authority}:{topic}"
                if pack.fact(name) is None:
                    where = ("items", number, "facts", place)
                    yield document.problem(where, name, "a fact of the pack", "correct it")
            if item.none is not None:
                yield from _reason(item.none, document, ("items", number, "none"), loaded)
        for number, one in enumerate(outline.uncited):
            if pack.fact(one.fact) is None:
                at = ("uncited", number, "fact")
                yield document.problem(at, one.fact, "a fact of the pack", "remove it")
            yield from _reason(one, document, ("uncited", number), loaded)
    yield from _asked(loaded)


def facts_are_cited(loaded: LoadedPack) -> Iterator[Problem]:
    """Where a pack keeps outlines: a fact has a clause or a reason, never both or neither."""
    if not loaded.pack.outlines:
        return
    cited = {source for clause in loaded.pack.clauses for source in clause.sources}
    excused = {one.fact for outline in loaded.pack.outlines for one in outline.uncited}
    for document, outline in loaded.of(Outline):
        for number, one in enumerate(outline.uncited):
            if one.fact in cited:
                found, expected = f"a reason for {one.fact}, which a clause cites", "none"
                yield document.problem(("uncited", number), found, expected, "remove the reason")
    for document, file in loaded.of(FactsFile):
        for topic, stated in file.topics.items():
            for authority in stated.facts:
                name = f"{authority}:{topic}"
                if name not in cited and name not in excused:
                    at = ("topics", topic, "facts", authority)
                    found, expected = f"{name}, which no clause cites", "a clause or a reason"
                    yield document.problem(at, found, expected, REMEDY, key=True)


def facts_belong_to_items(loaded: LoadedPack) -> Iterator[Problem]:
    """Where a source is outlined, each of its facts states some part of it."""
    placed = {
        outline.authority: {topic for item in outline.items for topic in item.facts}
        for outline in loaded.pack.outlines
        if outline.items
    }
    for document, file in loaded.of(FactsFile):
        for topic, one in file.topics.items():
            for authority in one.facts:
                if topic not in placed.get(authority, {topic}):
                    at = ("topics", topic, "facts", authority)
                    found, expected = f"{authority}:{topic} in no item", "an item of its outline"
                    remedy = f"add it to specs/outline/{authority}.yaml"
                    yield document.problem(at, found, expected, remedy, key=True)


def _reason(reason: Reason, document: Document, at: Path_, loaded: LoadedPack) -> Iterator[Problem]:
    if reason.decision is None:
        return
    settled = {one.id for one in loaded.pack.decisions if one.status.settled}
    if reason.decision not in settled:
        yield document.problem(
            (*at, "decision"), reason.decision, "a decision that is accepted or closed"
        )


def _asked(loaded: LoadedPack) -> Iterator[Problem]:
    outlined = {outline.authority for outline in loaded.pack.outlines if outline.items}
    for document, file in loaded.of(ClaimsFile):
        for number, claim in enumerate(file.claims):
            for at, name in _coverage(claim):
                if name not in outlined:
                    path: Path_ = ("claims", number, *at, name)
                    expected = ", ".join(sorted(outlined)) or "none: no source is outlined"
                    yield document.problem(path, name, expected, "outline it", key=True)


def _coverage(claim: Claim) -> Iterator[tuple[tuple[str, ...], str]]:
    for name in claim.needs.coverage:
        yield ("needs", "coverage"), name
    for name in claim.bounded.needs.coverage if claim.bounded else ():
        yield ("bounded", "needs", "coverage"), name

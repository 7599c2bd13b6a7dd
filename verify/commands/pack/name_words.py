"""What `verify explain` says of a name: registered code, a fact, or the topic of facts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from verify.spec.bindings import NATIVE_MUTANTS, ROLES, Binding
from verify.spec.model import Clause, FactsFile
from verify.spec.pack import LoadedPack
from verify.spec.select import needed_by, unknown

OWN = "the harness's own: it changes a template, not code"


def explain_name(name: str, loaded: LoadedPack) -> list[str]:
    """All that bears the name, and the clauses and claims that rest on it; empty for an id.

    Raises NothingSelectedError for what is no id (it has a dot) and no name.
    """
    lines = [*_code(name, loaded), *_facts(name, loaded)]
    if not lines and "." in name:
        raise unknown("check, mutant, fact (AUTHORITY:TOPIC) or topic", _names(loaded), name)
    return lines


def _names(loaded: LoadedPack) -> list[str]:
    topics = loaded.pack.topics
    facts = [f"{one}:{topic}" for topic, stated in topics.items() for one in stated.facts]
    return [*(n for names in loaded.bindings.by_role.values() for n in names), *topics, *facts]


def stated_fact(source: str, loaded: LoadedPack) -> str:
    """A fact in a line: locator, value, what it says, and where that stands; empty for none."""
    fact = loaded.pack.fact(source)
    if fact is None:
        return ""
    value = "" if fact.value is None else f": {json.dumps(fact.value, ensure_ascii=False)}"
    said = f" - {fact.says}" if fact.says else ""
    return f"{source}, {fact.at}{value}{said}{place_of_fact(source, loaded)}"


def defined(binding: Binding | None) -> str:
    """` (FILE:LINE)` of what the pack registers; empty for what the harness has."""
    return f" ({binding.file}:{binding.line})" if binding else ""


def claims_on(clauses: Iterable[Clause], loaded: LoadedPack) -> list[str]:
    """The claims that need one of these clauses."""
    wanted = {clause.id for clause in clauses}
    return [
        claim.id
        for claim in loaded.pack.claims
        if any(clause.id in wanted for clause in needed_by(claim, loaded.pack.clauses))
    ]


def place_of_fact(source: str, loaded: LoadedPack) -> str:
    """` (FILE:LINE)` of a fact; empty for none that the pack states."""
    authority, _, topic = source.partition(":")
    for document, model in loaded.of(FactsFile):
        found = model.topics.get(topic)
        if found is not None and authority in found.facts:
            line, _ = document.locate(("topics", topic, "facts", authority), key=True)
            return f" ({document.file}:{line})"
    return ""


def _code(name: str, loaded: LoadedPack) -> Iterator[str]:
    if name in NATIVE_MUTANTS:
        yield from [f"mutant      {name}", f"  says      {OWN}"]
        yield from _resting(_under("mutant", name, loaded), loaded)
    for role in ROLES:
        binding = loaded.bindings.find(role, name)
        if binding is not None:
            yield from _registered(binding)
            yield from _resting(_under(role, name, loaded), loaded)


def _registered(binding: Binding) -> Iterator[str]:
    yield f"{binding.role:11} {binding.name}{defined(binding)}"
    if binding.doc:
        yield f"  says      {binding.doc}"


def _under(role: str, name: str, loaded: LoadedPack) -> list[Clause]:
    """The clauses that name a check, or that a mutant is to turn red; none for other roles."""
    if role == "check":
        return [clause for clause in loaded.pack.clauses if clause.check == name]
    red = role == "mutant"
    return [c for c in loaded.pack.clauses if red and name in [f.mutant for f in c.falsifiers]]


def _facts(name: str, loaded: LoadedPack) -> Iterator[str]:
    """One fact, or all that are stated on a topic."""
    authority, colon, topic = name.rpartition(":")
    stated = loaded.pack.topics.get(topic)
    if stated is None or (colon and authority not in stated.facts):
        return
    yield f"topic       {topic}: {stated.title}"
    for one in [authority] if colon else stated.facts:
        source = f"{one}:{topic}"
        yield f"fact        {stated_fact(source, loaded)}"
        cited = [c for c in loaded.pack.clauses if source in (*c.sources, c.fact)]
        yield from _resting(cited, loaded)


def _resting(clauses: list[Clause], loaded: LoadedPack) -> Iterator[str]:
    """Clauses, each with its place, and the claims that need one of them."""
    yield f"  clauses   {len(clauses) or 'none'}"
    for clause in clauses:
        stated = loaded.where(clause)
        yield f"    {clause.id}  {stated.document.file}:{stated.line}  {clause.statement}"
    if claims := claims_on(clauses, loaded):
        yield f"  claims    {' '.join(claims)}"

"""Lint rules about authorities, facts and the conflicts between them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from verify.problems import Problem
from verify.spec.model import Authorities, Conflict, ConflictsFile, Fact, FactsFile
from verify.spec.pack import LoadedPack, ids
from verify.spec.rules.clauses import duplicates
from verify.spec.strict_yaml import Document


def ids_are_unique(loaded: LoadedPack) -> Iterator[Problem]:
    """Authority and conflict ids are used once, and a topic has one conflict."""
    authorities = [
        (document, ("authorities", at, "id"), authority.id)
        for document, file in loaded.of(Authorities)
        for at, authority in enumerate(file.authorities)
    ]
    conflicts = [(document, ("conflicts", at), c) for document, at, c in _conflicts(loaded)]
    yield from duplicates("authority", authorities)
    yield from duplicates("conflict", [(d, (*p, "id"), c.id) for d, p, c in conflicts])
    yield from duplicates("conflict on", [(d, (*p, "topic"), c.topic) for d, p, c in conflicts])


def facts_have_authorities(loaded: LoadedPack) -> Iterator[Problem]:
    """A fact's authority is declared; a null value says in words what is mentioned."""
    known = ids(loaded.pack.authorities)
    for document, topic, authority, fact in _facts(loaded):
        at = ("topics", topic, "facts", authority)
        if authority not in known:
            found, expected = f"the authority {authority}", ", ".join(sorted(known))
            remedy = "declare it in specs/authorities.yaml"
            yield document.problem(at, found, expected, remedy, key=True)
        if fact.value is None and not fact.says:
            found = "neither value nor says"
            yield document.problem(at, found, "one of them", "say what is stated")


def per_column_facts_are_complete(loaded: LoadedPack) -> Iterator[Problem]:
    """A value that templates are held against is given for every column, or for none."""
    columns = set(loaded.pack.manifest.columns)
    held = {clause.fact for clause in loaded.pack.clauses}
    for document, topic, authority, fact in _facts(loaded):
        named = set(fact.value) & columns if isinstance(fact.value, dict) else set()
        if named and named != columns and f"{authority}:{topic}" in held:
            at = ("topics", topic, "facts", authority, "value")
            found = f"no value for {', '.join(sorted(columns - named))}"
            yield document.problem(at, found, "every column", "add them")


def differences_are_declared(loaded: LoadedPack) -> Iterator[Problem]:
    """Where two source authorities state different values, somebody has decided."""
    declared = {conflict.topic for conflict in loaded.pack.conflicts}
    for document, file in loaded.of(FactsFile):
        for name in file.topics:
            differing = _differing(loaded, name)
            if differing and name not in declared:
                at, expected = ("topics", name), "a declared conflict"
                remedy = "add it to specs/conflicts.yaml with a decision"
                yield document.problem(at, differing, expected, remedy, key=True)


def contradictions_are_real(loaded: LoadedPack) -> Iterator[Problem]:
    """A declared contradiction between sources that agree has vanished and is removed."""
    for document, at, conflict in _conflicts(loaded):
        if conflict.topic not in loaded.pack.topics:
            continue
        if conflict.kind == "contradiction" and not _differing(loaded, conflict.topic):
            found = f"{conflict.id}: no two sources differ on {conflict.topic}"
            remedy = "remove it, or make it `kind: silence`"
            yield document.problem(("conflicts", at), found, "a real contradiction", remedy)


def conflicts_have_decisions(loaded: LoadedPack) -> Iterator[Problem]:
    """A conflict names an existing topic, authorities, claims and a decision that answers it."""
    pack = loaded.pack
    decisions = {decision.id: decision for decision in pack.decisions}
    claims, authorities = ids(pack.claims), ids(pack.authorities)
    for document, number, conflict in _conflicts(loaded):
        at = ("conflicts", number)
        if conflict.topic not in pack.topics:
            found = f"the topic {conflict.topic}"
            yield document.problem((*at, "topic"), found, "a topic of specs/facts", "add it")
        decision = decisions.get(conflict.decision)
        if decision is None:
            found, expected = f"the decision {conflict.decision}", "a record in specs/decisions"
            yield document.problem((*at, "decision"), found, expected, "write the record")
        elif conflict.id not in decision.conflicts:
            found = f"{decision.id}, which does not list {conflict.id}"
            expected, remedy = "both to name each other", "add it to the record"
            yield document.problem((*at, "decision"), found, expected, remedy)
        for place, claim in enumerate(conflict.affects):
            if claim not in claims:
                path, found = (*at, "affects", place), f"the claim {claim}"
                yield document.problem(path, found, "a claim of the pack", "correct the id")
        for place, authority in enumerate(conflict.between):
            if authority not in authorities:
                path, found = (*at, "between", place), f"the authority {authority}"
                yield document.problem(path, found, "a declared authority", "correct the id")


def _facts(loaded: LoadedPack) -> Iterator[tuple[Document, str, str, Fact]]:
    for document, file in loaded.of(FactsFile):
        for name, topic in file.topics.items():
            for authority, fact in topic.facts.items():
                yield document, name, authority, fact


def _conflicts(loaded: LoadedPack) -> Iterator[tuple[Document, int, Conflict]]:
    for document, file in loaded.of(ConflictsFile):
        for at, conflict in enumerate(file.conflicts):
            yield document, at, conflict


def _differing(loaded: LoadedPack, topic: str) -> str:
    """Which two sources state different values on a topic, in words; empty where none do."""
    sources = {a.id for a in loaded.pack.authorities if a.role == "source"}
    facts = loaded.pack.topics[topic].facts
    stated = {a: fact.value for a, fact in facts.items() if a in sources and fact.value is not None}
    for a, b in combinations(sorted(stated), 2):
        if stated[a] != stated[b]:
            return f"{a} says {stated[a]!r}, {b} says {stated[b]!r}"
    return ""

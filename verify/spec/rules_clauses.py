"""Lint rules about clauses: ids, citations, checks, falsifiers and waivers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from verify.problems import Problem
from verify.spec.bindings import NATIVE_MUTANTS
from verify.spec.model import Clause, Contract, Falsifier, Kind, Severity, WaiversFile
from verify.spec.pack import LoadedPack, ids
from verify.spec.strict_yaml import Document, Path_

Place = tuple[Document, Path_, str]


def duplicates(family: str, places: Iterable[Place]) -> Iterator[Problem]:
    """Each place whose id an earlier place has taken."""
    first: dict[str, str] = {}
    for document, path, name in places:
        if name in first:
            line, column = document.locate(path)
            found, expected = (
                f"the {family} {name} a second time",
                f"one (the other: {first[name]})",
            )
            remedy = "rename the newer one; ids are permanent"
            yield Problem(document.file, line, column, name, found, expected, remedy)
        else:
            first[name] = document.file


def ids_are_unique(loaded: LoadedPack) -> Iterator[Problem]:
    """Clause and contract ids are used once, and a clause is waived once."""
    contracts = [(document, ("contract",), c.contract) for document, c in loaded.of(Contract)]
    clauses = [(document, ("clauses", at, "id"), c.id) for document, at, _, c in loaded.clauses()]
    waivers = [
        (document, ("waivers", at, "clause"), waiver.clause)
        for document, file in loaded.of(WaiversFile)
        for at, waiver in enumerate(file.waivers)
    ]
    yield from duplicates("contract", contracts)
    yield from duplicates("clause", clauses)
    yield from duplicates("waiver of", waivers)


def ids_carry_their_contract(loaded: LoadedPack) -> Iterator[Problem]:
    """`FIELD-003` belongs to contract FIELD, so an id tells where to look."""
    for document, at, contract, clause in loaded.clauses():
        if not clause.id.startswith(f"{contract.contract}-"):
            expected = f"{contract.contract}-..."
            yield document.problem(("clauses", at, "id"), clause.id, expected, "rename it")


def sources_exist(loaded: LoadedPack) -> Iterator[Problem]:
    """Every fact that a clause cites is stated, and cited once."""
    for document, at, _, clause in loaded.clauses():
        for number, source in enumerate(clause.sources):
            path = ("clauses", at, "sources", number)
            if loaded.pack.fact(source) is None:
                found, expected = f"the fact {source}", "a fact of specs/facts"
                yield document.problem(path, found, expected, "add the fact or correct the id")
            if source in clause.sources[:number]:
                yield document.problem(path, f"{source} twice", "each source once", "remove one")


def checks_exist(loaded: LoadedPack) -> Iterator[Problem]:
    """A clause's check is registered in the pack's code."""
    for document, at, _, clause in loaded.clauses():
        if clause.check is not None and loaded.bindings.find("check", clause.check) is None:
            found, expected = f"the check {clause.check}", "a name registered in contracts/**/*.py"
            yield document.problem(
                ("clauses", at, "check"), found, expected, "define or correct it"
            )


def config_clauses_can_be_judged(loaded: LoadedPack) -> Iterator[Problem]:
    """A config clause's fact is cited and states a value."""
    for document, at, _, clause in loaded.clauses():
        if clause.fact is None:
            continue
        path = ("clauses", at, "fact")
        if clause.fact not in clause.sources:
            yield document.problem(path, clause.fact, "one of the clause's sources", "cite it")
        fact = loaded.pack.fact(clause.fact)
        if fact is not None and fact.value is None:
            found = f"{clause.fact}, which states no value"
            yield document.problem(path, found, "a fact with a value", "name another fact")


def falsifiers_name_something(loaded: LoadedPack) -> Iterator[Problem]:
    """A falsifier is a registered mutant, or a native one on a config clause; each once."""
    for document, at, _, clause in loaded.clauses():
        labels = Counter(falsifier.label for falsifier in clause.falsifiers)
        for number, falsifier in enumerate(clause.falsifiers):
            path = ("clauses", at, "falsifiers", number)
            problem = _misnamed(clause, falsifier, loaded)
            if problem is not None:
                yield document.problem(path, *problem)
            if labels[falsifier.label] > 1:
                found = f"{falsifier.label} twice"
                yield document.problem(path, found, "each falsifier once", "remove one")


def _misnamed(
    clause: Clause, falsifier: Falsifier, loaded: LoadedPack
) -> tuple[str, str, str] | None:
    """What is wrong with a falsifier's name or arguments: found, expected, remedy."""
    name, arguments = falsifier.mutant, set(falsifier.arguments)
    if name not in NATIVE_MUTANTS:
        if clause.kind is Kind.CONFIG:
            native = " or ".join(sorted(NATIVE_MUTANTS))
            return f"the mutant {name}", native, "config clauses have native mutants only"
        if loaded.bindings.find("mutant", name) is None:
            return f"the mutant {name}", "a registered mutant", "define or correct it"
        return None
    if clause.kind is not Kind.CONFIG:
        return name, "a mutant of the subject", "config.* mutants change templates only"
    wanted = NATIVE_MUTANTS[name]
    if arguments != wanted:
        found = f"{name} with {', '.join(sorted(arguments)) or 'no arguments'}"
        return found, f"with {', '.join(wanted) or 'no arguments'}", "correct `with`"
    return None


def waivers_name_clauses(loaded: LoadedPack) -> Iterator[Problem]:
    """A waiver is about a clause that exists."""
    known = ids(loaded.pack.clauses)
    for document, file in loaded.of(WaiversFile):
        for at, waiver in enumerate(file.waivers):
            if waiver.clause not in known:
                path, found = ("waivers", at, "clause"), f"the clause {waiver.clause}"
                yield document.problem(path, found, "a clause of the pack", "remove the waiver")


def optional_blockers_wait_for_evidence(loaded: LoadedPack) -> Iterator[Problem]:
    """A blocker may be left open only where its check reads evidence that may not be there yet."""
    waiting = (Kind.METRIC, Kind.ARTIFACT)
    for document, at, _, clause in loaded.clauses():
        if clause.severity is not Severity.BLOCKER or clause.required or clause.kind in waiting:
            continue
        expected = f"`required: true`, or a clause of kind {' or '.join(waiting)}"
        found = f"a blocker of kind {clause.kind} that is not required"
        path, remedy = ("clauses", at, "required"), "require it, or lower its severity"
        yield document.problem(path, found, expected, remedy)

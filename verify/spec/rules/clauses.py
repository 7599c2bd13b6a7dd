"""Lint rules about clauses: ids, citations, checks, falsifiers and waivers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from verify.problems import Problem
from verify.spec.bindings import NATIVE_MUTANTS
from verify.spec.model import Falsifier, Kind, Severity, WaiversFile
from verify.spec.pack import LoadedPack, ids
from verify.spec.strict_yaml import Document, Path_
from verify.spec.written import ContractFile

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
    contracts = [(document, ("contract",), c.contract) for document, c in loaded.of(ContractFile)]
    clauses = [(one.document, one.place("id"), one.clause.id) for one in loaded.stated]
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
    for one in loaded.stated:
        if not one.clause.id.startswith(f"{one.contract.contract}-"):
            yield one.problem("id", one.clause.id, f"{one.contract.contract}-...", "rename it")


def sources_exist(loaded: LoadedPack) -> Iterator[Problem]:
    """Every fact that a clause cites is stated, and cited once."""
    for one in loaded.stated:
        sources = one.clause.sources
        for number, source in enumerate(sources):
            if loaded.pack.fact(source) is None:
                found, remedy = f"the fact {source}", "add the fact or correct the id"
                yield one.problem("sources", found, "a fact of specs/facts", remedy, number)
            if source in sources[:number]:
                found, expected = f"{source} twice", "each source once"
                yield one.problem("sources", found, expected, "remove one", number)


def checks_exist(loaded: LoadedPack) -> Iterator[Problem]:
    """A clause's check is registered in the pack's code."""
    for one in loaded.stated:
        name = one.clause.check
        if name is not None and loaded.bindings.find("check", name) is None:
            found, expected = f"the check {name}", "a name registered in contracts/**/*.py"
            yield one.problem("check", found, expected, "define or correct it")


def recorders_are_of_checks(loaded: LoadedPack) -> Iterator[Problem]:
    """A recorder has the name of the check that its cases are for."""
    for name, one in loaded.bindings.by_role["recorder"].items():
        if loaded.bindings.find("check", name) is None:
            found, expected = "a recorder of no check", "the name of a registered check"
            remedy = "name the check whose cases it records"
            yield Problem(one.file, one.line, 0, name, found, expected, remedy)


def config_clauses_can_be_judged(loaded: LoadedPack) -> Iterator[Problem]:
    """A config clause's fact states a value."""
    for one in loaded.stated:
        fact = loaded.pack.fact(one.clause.fact) if one.clause.fact else None
        if fact is not None and fact.value is None:
            found = f"{one.clause.fact}, which states no value"
            yield one.problem("fact", found, "a fact with a value", "name another fact")


def falsifiers_name_something(loaded: LoadedPack) -> Iterator[Problem]:
    """A falsifier is a registered mutant, or a native one on a config clause; each once."""
    for one in loaded.stated:
        falsifiers = one.clause.falsifiers
        labels = [falsifier.label for falsifier in falsifiers]
        for number, falsifier in enumerate(falsifiers):
            problem = _misnamed(falsifier, loaded) if one.clause.kind is not Kind.CONFIG else None
            if problem is not None:
                yield one.problem("falsifiers", *problem, number)
            if falsifier.label in labels[:number]:
                found = f"{falsifier.label} twice"
                yield one.problem("falsifiers", found, "each once", "remove one", number)


def _misnamed(falsifier: Falsifier, loaded: LoadedPack) -> tuple[str, str, str] | None:
    """What is wrong with a falsifier's name: found, expected, remedy."""
    name = falsifier.mutant
    if name in NATIVE_MUTANTS:
        return name, "a mutant of the subject", "config.* mutants change templates only"
    if loaded.bindings.find("mutant", name) is None:
        return f"the mutant {name}", "a registered mutant", "define or correct it"
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
    for one in loaded.stated:
        clause = one.clause
        if clause.severity is not Severity.BLOCKER or clause.required or clause.kind in waiting:
            continue
        expected = f"`required: true`, or a clause of kind {' or '.join(waiting)}"
        found = f"a blocker of kind {clause.kind} that is not required"
        yield one.problem("required", found, expected, "require it, or lower its severity")

"""Rules across files: what no single file can show to be wrong.

Each rule is a function from the loaded pack to problems; the shape of single files was checked on
reading. A rule says what a reader would otherwise find out by a claim that rests on nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from itertools import combinations

from verify.problems import Problem
from verify.spec.bindings import NATIVE_MUTANTS
from verify.spec.model import Clause, Contract, Fact, Kind
from verify.spec.pack import LoadedPack, ids, inside
from verify.spec.select import needed_by
from verify.spec.strict_yaml import Document

Rule = Callable[[LoadedPack], Iterator[Problem]]


def lint(loaded: LoadedPack) -> tuple[Problem, ...]:
    """Everything that is wrong across files, in the order of files and lines."""
    return tuple(sorted({problem for rule in RULES for problem in rule(loaded)}))


def ids_are_unique(loaded: LoadedPack) -> Iterator[Problem]:
    """Clause, claim, conflict, decision, authority and contract ids are used once."""
    pack = loaded.pack
    families = {
        "clause": [clause.id for clause in pack.clauses],
        "contract": [contract.contract for contract in pack.contracts],
        "claim": [claim.id for claim in pack.claims],
        "conflict": [conflict.id for conflict in pack.conflicts],
        "decision": [decision.id for decision in pack.decisions],
        "authority": [authority.id for authority in pack.authorities],
        "waiver": [waiver.clause for waiver in pack.waivers],
    }
    for family, names in families.items():
        for name, count in Counter(names).items():
            if count > 1:
                yield Problem(
                    "contracts/pack.yaml",
                    0,
                    0,
                    name,
                    f"{count} {family}s of this name",
                    "one",
                    "rename all but one; ids are permanent",
                )


def clause_ids_carry_their_contract(loaded: LoadedPack) -> Iterator[Problem]:
    """`FIELD-003` belongs to contract FIELD, so an id tells where to look."""
    for document, contract, position, clause in _clauses(loaded):
        if not clause.id.startswith(f"{contract.contract}-"):
            yield document.problem(
                ("clauses", position, "id"), clause.id, f"{contract.contract}-...", "rename it"
            )


def references_resolve(loaded: LoadedPack) -> Iterator[Problem]:
    """Facts, checks and mutants that a clause names exist."""
    for document, _, position, clause in _clauses(loaded):
        at = ("clauses", position)
        for number, source in enumerate(clause.sources):
            if loaded.pack.fact(source) is None:
                yield document.problem(
                    (*at, "sources", number),
                    f"the fact {source}",
                    "a fact of specs/facts",
                    "add the fact or correct the id",
                )
        if clause.fact is not None and clause.fact not in clause.sources:
            yield document.problem(
                (*at, "fact"), clause.fact, "one of the clause's sources", "cite it"
            )
        if clause.check is not None and loaded.bindings.find("check", clause.check) is None:
            yield document.problem(
                (*at, "check"),
                f"the check {clause.check}",
                "a name registered in contracts/bindings",
                "define or correct it",
            )


def falsifiers_name_something(loaded: LoadedPack) -> Iterator[Problem]:
    """A falsifier is a registered mutant, or a native one on a config clause; each is there once."""
    for document, _, position, clause in _clauses(loaded):
        labels = Counter(falsifier.label for falsifier in clause.falsifiers)
        for number, falsifier in enumerate(clause.falsifiers):
            at = ("clauses", position, "falsifiers", number)
            native = falsifier.mutant in NATIVE_MUTANTS
            if native and clause.kind is not Kind.CONFIG:
                yield document.problem(
                    at,
                    falsifier.mutant,
                    "a mutant of the subject",
                    "config.* mutants change templates only",
                )
            elif not native and (
                clause.kind is Kind.CONFIG
                or loaded.bindings.find("mutant", falsifier.mutant) is None
            ):
                yield document.problem(
                    at,
                    f"the mutant {falsifier.mutant}",
                    "a registered mutant",
                    "define or correct it",
                )
            if labels[falsifier.label] > 1:
                yield document.problem(
                    at, f"{falsifier.label} twice", "each falsifier once", "remove one"
                )


def facts_have_authorities(loaded: LoadedPack) -> Iterator[Problem]:
    """A fact's authority is declared; a null value says in words what is mentioned."""
    known = ids(loaded.pack.authorities)
    for document, topic, authority, fact in _facts(loaded):
        at = ("topics", topic, "facts", authority)
        if authority not in known:
            yield document.problem(
                at,
                f"the authority {authority}",
                ", ".join(sorted(known)),
                "declare it in specs/authorities.yaml",
            )
        if fact.value is None and not fact.says:
            yield document.problem(
                at, "neither value nor says", "one of them", "say what is stated"
            )


def per_column_facts_are_complete(loaded: LoadedPack) -> Iterator[Problem]:
    """A value given by column is given for every column."""
    columns = set(loaded.pack.manifest.columns)
    for document, topic, authority, fact in _facts(loaded):
        named = set(fact.value) & columns if isinstance(fact.value, dict) else set()
        if named and named != columns and topic in _config_topics(loaded):
            missing = ", ".join(sorted(columns - named))
            yield document.problem(
                ("topics", topic, "facts", authority, "value"),
                f"no value for {missing}",
                "every column",
                "add them",
            )


def conflicts_are_declared(loaded: LoadedPack) -> Iterator[Problem]:
    """Where two source authorities state different values, somebody has decided."""
    sources = {a.id for a in loaded.pack.authorities if a.role == "source"}
    declared = {conflict.topic: conflict for conflict in loaded.pack.conflicts}
    documents = {topic: document for document, topic, _, _ in _facts(loaded)}
    for name, topic in loaded.pack.topics.items():
        stated = {
            a: f.value for a, f in topic.facts.items() if a in sources and f.value is not None
        }
        differing = [
            f"{a} says {stated[a]!r}, {b} says {stated[b]!r}"
            for a, b in combinations(sorted(stated), 2)
            if stated[a] != stated[b]
        ]
        if differing and name not in declared:
            yield documents[name].problem(
                ("topics", name),
                differing[0],
                "a declared conflict",
                "add it to specs/conflicts.yaml with a decision",
            )
        conflict = declared.get(name)
        if conflict and conflict.kind == "contradiction" and not differing:
            yield _document(loaded, "specs/conflicts.yaml").problem(
                (),
                f"{conflict.id}: no two sources differ on {name}",
                "a real contradiction",
                "remove it, or make it `kind: silence`",
            )


def conflicts_have_decisions(loaded: LoadedPack) -> Iterator[Problem]:
    """A conflict names an existing topic, existing claims and a decision that answers it."""
    pack = loaded.pack
    decisions = {decision.id: decision for decision in pack.decisions}
    claims = ids(pack.claims)
    for number, conflict in enumerate(pack.conflicts):
        document = _document(loaded, "specs/conflicts.yaml")
        at = ("conflicts", number)
        if conflict.topic not in pack.topics:
            yield document.problem(
                (*at, "topic"), conflict.topic, "a topic of specs/facts", "add it"
            )
        decision = decisions.get(conflict.decision)
        if decision is None:
            yield document.problem(
                (*at, "decision"),
                conflict.decision,
                "a record in specs/decisions",
                "write the record",
            )
        elif conflict.id not in decision.conflicts:
            yield document.problem(
                (*at, "decision"),
                f"{decision.id} does not list {conflict.id}",
                "both to name each other",
                "add it to the record",
            )
        for claim in set(conflict.affects) - claims:
            yield document.problem((*at, "affects"), claim, "a claim of the pack", "correct the id")


def decisions_refer_to_what_exists(loaded: LoadedPack) -> Iterator[Problem]:
    """Claims, conflicts, successors and clause evidence of a decision record exist."""
    pack = loaded.pack
    claims, conflicts, clauses = ids(pack.claims), ids(pack.conflicts), ids(pack.clauses)
    known = ids(pack.decisions)
    for record in pack.decisions:
        label = f"specs/decisions/{record.id}.md"
        dangling = [
            *(("governs", name) for name in record.governs if name not in claims),
            *(("caps", name) for name in record.caps if name not in claims),
            *(("conflicts", name) for name in record.conflicts if name not in conflicts),
            *(
                ("evidence", name)
                for name in record.evidence
                if not _evidence(loaded, name, clauses)
            ),
        ]
        for field, name in dangling:
            yield Problem(
                label, 1, 0, field, name, "something that exists", "correct the reference"
            )
        if record.status == "superseded" and record.superseded_by not in known:
            yield Problem(
                label, 1, 0, "superseded_by", str(record.superseded_by), "a record", "add"
            )
        if record.status == "deferred" and not record.caps:
            yield Problem(
                label,
                1,
                0,
                "caps",
                "nothing",
                "the claims a deferred decision caps",
                "name them, or settle the decision",
            )


def claims_rest_on_something(loaded: LoadedPack) -> Iterator[Problem]:
    """Every pattern of a claim matches a clause; its decisions exist."""
    known = ids(loaded.pack.decisions)
    for label, document in loaded.documents.items():
        if not label.startswith("contracts/") or "claims" not in (document.value or {}):
            continue
        for number, raw in enumerate(document.value["claims"]):
            claim = next(c for c in loaded.pack.claims if c.id == raw["id"])
            at = ("claims", number, "needs")
            for place, pattern in enumerate(claim.needs.clauses):
                alone = claim.needs.model_copy(update={"clauses": (pattern,)})
                if not needed_by(claim.model_copy(update={"needs": alone}), loaded.pack.clauses):
                    yield document.problem(
                        (*at, "clauses", place),
                        pattern,
                        "a clause id or glob that matches",
                        "correct it",
                    )
            for decision in set(claim.needs.decisions) - known:
                yield document.problem((*at, "decisions"), decision, "a record", "write it")


def manifest_paths_stay_inside(loaded: LoadedPack) -> Iterator[Problem]:
    """Templates and code named by the manifest exist inside the pack's root."""
    manifest = loaded.pack.manifest
    document = _document(loaded, "contracts/pack.yaml")
    entries = [("templates", column, path) for column, path in manifest.templates.items()]
    entries += [("code", number, path) for number, path in enumerate(manifest.code)]  # type: ignore[misc]
    for field, key, relative in entries:
        path = inside(loaded.root, relative)
        if path is None:
            yield document.problem((field, key), relative, "a path inside the pack", "move it in")
        elif not path.exists():
            yield document.problem(
                (field, key),
                f"{relative}, which is missing",
                "a file or folder",
                "create it or correct the path",
            )
    for column in manifest.columns:
        if column not in manifest.templates:
            yield document.problem(
                ("templates",), f"no template for {column}", "one a column", "add"
            )
    if loaded.bindings.find("subject", manifest.subject) is None and any(
        clause.check for clause in loaded.pack.clauses
    ):
        yield document.problem(("subject",), manifest.subject, "a registered subject", "define it")


def waivers_name_clauses(loaded: LoadedPack) -> Iterator[Problem]:
    """A waiver is about a clause that exists."""
    known = ids(loaded.pack.clauses)
    for waiver in loaded.pack.waivers:
        if waiver.clause not in known:
            yield Problem(
                "contracts/waivers.yaml",
                0,
                0,
                waiver.clause,
                "a waiver of an unknown clause",
                "a clause of the pack",
                "remove the waiver",
            )


RULES: tuple[Rule, ...] = (
    ids_are_unique,
    clause_ids_carry_their_contract,
    references_resolve,
    falsifiers_name_something,
    facts_have_authorities,
    per_column_facts_are_complete,
    conflicts_are_declared,
    conflicts_have_decisions,
    decisions_refer_to_what_exists,
    claims_rest_on_something,
    manifest_paths_stay_inside,
    waivers_name_clauses,
)


def _document(loaded: LoadedPack, label: str) -> Document:
    return loaded.documents.get(label) or Document(label, "", None, ())


def _clauses(loaded: LoadedPack) -> Iterator[tuple[Document, Contract, int, Clause]]:
    by_contract = {
        document.value["contract"]: document
        for document in loaded.documents.values()
        if isinstance(document.value, dict) and "contract" in document.value
    }
    for contract in loaded.pack.contracts:
        for position, clause in enumerate(contract.clauses):
            yield by_contract[contract.contract], contract, position, clause


def _facts(loaded: LoadedPack) -> Iterator[tuple[Document, str, str, Fact]]:
    for document in loaded.documents.values():
        if not isinstance(document.value, dict) or "topics" not in document.value:
            continue
        for name in document.value["topics"]:
            for authority, fact in loaded.pack.topics[name].facts.items():
                yield document, name, authority, fact


def _config_topics(loaded: LoadedPack) -> set[str]:
    return {clause.fact.partition(":")[2] for clause in loaded.pack.clauses if clause.fact}


def _evidence(loaded: LoadedPack, name: str, clauses: set[str]) -> bool:
    path = inside(loaded.root, name)
    return any(fnmatchcase(clause, name) for clause in clauses) or bool(path and path.exists())

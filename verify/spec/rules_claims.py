"""Lint rules about claims, decision records and the manifest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from verify.problems import Problem
from verify.spec.decision_log import Known
from verify.spec.decision_rules import dangling, unsettled
from verify.spec.model import Claim, ClaimsFile, Decision, Manifest
from verify.spec.pack import LoadedPack, ids
from verify.spec.places import inside
from verify.spec.rules_clauses import duplicates
from verify.spec.strict_yaml import Document, Path_

SENTENCE_WORDS = frozenset({"passed", "needed", "worst", "subject", "semantics"})
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def ids_are_unique(loaded: LoadedPack) -> Iterator[Problem]:
    """Claim ids are used once; those of decisions are the names of their files."""
    claims = [(document, ("claims", at, "id"), c.id) for document, at, c in _claims(loaded)]
    yield from duplicates("claim", claims)


def claims_rest_on_something(loaded: LoadedPack) -> Iterator[Problem]:
    """Every pattern of a claim matches a clause; its decisions exist."""
    known, clauses = ids(loaded.pack.decisions), ids(loaded.pack.clauses)
    for document, number, claim in _claims(loaded):
        at = ("claims", number, "needs")
        for place, pattern in enumerate(claim.needs.clauses):
            if not any(fnmatchcase(clause, pattern) for clause in clauses):
                path, expected = (*at, "clauses", place), "a clause id or glob that matches"
                yield document.problem(path, pattern, expected, "correct it")
        for place, decision in enumerate(claim.needs.decisions):
            if decision not in known:
                path, found = (*at, "decisions", place), f"the decision {decision}"
                yield document.problem(path, found, "a record in specs/decisions", "write it")


def sentences_name_known_words(loaded: LoadedPack) -> Iterator[Problem]:
    """A claim's sentence is filled from evidence alone, so its words in braces are known."""
    for document, number, claim in _claims(loaded):
        for word in _PLACEHOLDER.findall(claim.sentence):
            if word not in SENTENCE_WORDS:
                path, expected = ("claims", number, "sentence"), ", ".join(sorted(SENTENCE_WORDS))
                yield document.problem(path, f"the word {{{word}}}", expected, "correct it")


def decisions_refer_to_what_exists(loaded: LoadedPack) -> Iterator[Problem]:
    """Claims, conflicts, successors and evidence of a decision record exist."""
    pack = loaded.pack
    families = (frozenset(ids(items)) for items in (pack.claims, pack.conflicts, pack.clauses))
    known = Known(loaded.root, *families)
    for record in pack.decisions:
        for finding in dangling(record, known):
            yield _record_problem(record, *finding)


def decisions_are_settled_or_cap(loaded: LoadedPack) -> Iterator[Problem]:
    """A superseded record names its successor; a deferred one the claims it holds back."""
    known = ids(loaded.pack.decisions)
    for record in loaded.pack.decisions:
        for finding in unsettled(record, known):
            yield _record_problem(record, *finding)


def manifest_paths_stay_inside(loaded: LoadedPack) -> Iterator[Problem]:
    """Templates and code named by the manifest exist inside the pack's root."""
    for document, manifest in loaded.of(Manifest):
        entries: list[tuple[Path_, str]] = [
            (("templates", column), path) for column, path in manifest.templates.items()
        ]
        entries += [(("code", at), path) for at, path in enumerate(manifest.code)]
        for at, relative in entries:
            path = inside(loaded.root, relative)
            if path is None:
                found = f"{relative}, which leaves the pack"
                yield document.problem(at, found, "a path inside the pack", "move it in")
            elif not path.exists():
                found, remedy = f"{relative}, which is missing", "create it or correct the path"
                yield document.problem(at, found, "a file or folder", remedy)


def columns_have_templates(loaded: LoadedPack) -> Iterator[Problem]:
    """Each column has a template, and each template stands for a column."""
    for document, manifest in loaded.of(Manifest):
        for column in manifest.columns:
            if column not in manifest.templates:
                found = f"no template for {column}"
                yield document.problem(("templates",), found, "one a column", "add it")
        for column in manifest.templates:
            if column not in manifest.columns:
                found, expected = f"the column {column}", "one of `columns`"
                yield document.problem(
                    ("templates", column), found, expected, "add it there", key=True
                )


def the_subject_is_registered(loaded: LoadedPack) -> Iterator[Problem]:
    """The manifest's subject exists where any clause has a check."""
    subject = loaded.pack.manifest.subject
    checked = any(clause.check for clause in loaded.pack.clauses)
    if checked and loaded.bindings.find("subject", subject) is None:
        for document, _ in loaded.of(Manifest):
            found, expected = f"the subject {subject}", "a subject registered in contracts/bindings"
            yield document.problem(("subject",), found, expected, "define or correct it")


def _claims(loaded: LoadedPack) -> Iterator[tuple[Document, int, Claim]]:
    for document, file in loaded.of(ClaimsFile):
        for at, claim in enumerate(file.claims):
            yield document, at, claim


def _record_problem(record: Decision, field: str, found: str, expected: str) -> Problem:
    label = f"specs/decisions/{record.id}.md"
    return Problem(label, 1, 0, field, found, expected, "correct the record")

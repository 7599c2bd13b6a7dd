"""Lint rules about claims, decision records and the manifest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from verify.outcome import reaches
from verify.problems import Problem
from verify.provenance import provenance
from verify.spec.decision_log import Known
from verify.spec.floors import floors
from verify.spec.model import Claim, ClaimsFile, Decision, Manifest, Needs
from verify.spec.pack import LoadedPack, ids
from verify.spec.places import named
from verify.spec.rules.clauses import duplicates
from verify.spec.rules.decisions import dangling, unsettled
from verify.spec.select import named_by, needed_by
from verify.spec.strict_yaml import Document, Path_

_COUNTED = frozenset({"samples", "seeds", "steps", "images_seen"})
_FOUND = frozenset({"passed", "needed", "worst", "subject", "semantics", "axis", "measured",
                    "detection"})  # fmt: skip
SENTENCE_WORDS = _COUNTED | _FOUND
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
Stated = tuple[Document, Path_, str, Needs]  # where a form stands, its sentence, its needs


def ids_are_unique(loaded: LoadedPack) -> Iterator[Problem]:
    """Claim ids are used once; those of decisions are the names of their files."""
    claims = [(document, ("claims", at, "id"), c.id) for document, at, c in _claims(loaded)]
    yield from duplicates("claim", claims)


def claims_rest_on_something(loaded: LoadedPack) -> Iterator[Problem]:
    """Every pattern of a claim matches a clause; its decisions and conflicts exist."""
    clauses = ids(loaded.pack.clauses)
    known = {
        "decisions": (ids(loaded.pack.decisions), "a record in specs/decisions"),
        "conflicts": (ids(loaded.pack.conflicts), "a conflict of specs/conflicts.yaml"),
    }
    for document, at, _, needs in _forms(loaded):
        for place, pattern in enumerate(needs.clauses):
            if not any(fnmatchcase(clause, pattern) for clause in clauses):
                path, expected = (
                    (*at, "needs", "clauses", place),
                    "a clause id or glob that matches",
                )
                yield document.problem(path, pattern, expected, "correct it")
        for field, (names, expected) in known.items():
            for place, name in enumerate(getattr(needs, field)):
                if name not in names:
                    path, found = (*at, "needs", field, place), f"the {field[:-1]} {name}"
                    yield document.problem(path, found, expected, "write it")


def sentences_name_known_words(loaded: LoadedPack) -> Iterator[Problem]:
    """A sentence is filled from evidence alone, so its words in braces are known.

    A count is known where there is a floor for it; elsewhere it may be unknown.
    """
    for document, at, sentence, needs in _forms(loaded):
        for word in _PLACEHOLDER.findall(sentence):
            path, found = (*at, "sentence"), f"the word {{{word}}}"
            if word not in SENTENCE_WORDS:
                expected = ", ".join(sorted(SENTENCE_WORDS))
                yield document.problem(path, found, expected, "correct it")
            elif word in _COUNTED and getattr(needs.floors, word) is None:
                expected = f"a floor for {word} in needs.floors"
                yield document.problem(path, found, expected, "add the floor")
            elif word == "detection" and needs.detection is None:
                yield document.problem(path, found, "needs.detection", "say what is asked for")


def evidence_can_be_enough(loaded: LoadedPack) -> Iterator[Problem]:
    """Axis and floors of a form are about a number that some clause of it can measure."""
    pack = loaded.pack
    for document, at, _, needs in _forms(loaded):
        metrics = [c for c in named_by(needs.clauses, pack.clauses) if c.axis is not None]
        try:
            asked = floors(needs.floors, pack).asked()
            provenance(asked)
        except (LookupError, ValueError) as error:
            path = (*at, "needs", "floors")
            text = str(error.args[0])
            yield document.problem(path, text, "a fact that gives this floor", "correct it")
            continue
        if needs.axis is not None and not metrics:
            path, found = (*at, "needs", "axis"), f"{needs.axis}, and no clause that measures"
            yield document.problem(path, found, "a metric clause among its clauses", "name one")
        if asked and not metrics:
            path, found = (*at, "needs", "floors"), "floors, and no clause that measures"
            yield document.problem(path, found, "a metric clause among its clauses", "name one")
        for clause in metrics if needs.axis is not None else ():
            if not reaches(clause.axis, needs.axis):
                path, found = (*at, "needs", "axis"), f"{needs.axis}; {clause.id} has {clause.axis}"
                expected = "clauses that are stated for it"
                yield document.problem(
                    path, found, expected, "state the weaker axis, or leave it out"
                )


def detection_is_of_its_contracts(loaded: LoadedPack) -> Iterator[Problem]:
    """A form asks for the detection of contracts that it rests on: others say nothing of it."""
    of = {clause.id: one.contract for one in loaded.pack.contracts for clause in one.clauses}
    for document, at, _, needs in _forms(loaded):
        rests = {of[clause.id] for clause in named_by(needs.clauses, loaded.pack.clauses)}
        for place, name in enumerate(needs.detection.contracts if needs.detection else ()):
            if name not in rests:
                path = (*at, "needs", "detection", "contracts", place)
                expected = ", ".join(sorted(rests)) or "a contract of its clauses"
                yield document.problem(path, name, expected, "name one that it rests on")


def semantics_agree(loaded: LoadedPack) -> Iterator[Problem]:
    """Evidence under one semantics is never named for a claim about the other."""
    for document, number, claim in _claims(loaded):
        for clause in needed_by(claim, loaded.pack.clauses):
            if clause.semantics and claim.semantics and clause.semantics != claim.semantics:
                found = f"{claim.semantics}; {clause.id} is about {clause.semantics}"
                path = ("claims", number, "semantics")
                yield document.problem(path, found, "one semantics", "name other clauses")


def bounded_forms_say_so(loaded: LoadedPack) -> Iterator[Problem]:
    """A bounded sentence names its bound, and differs from the strict one; so does its evidence."""
    for document, number, claim in _claims(loaded):
        form = claim.bounded
        if form is None:
            continue
        at: Path_ = ("claims", number, "bounded")
        said, strict, bound = map(_plain, (form.sentence, claim.sentence, form.bound))
        if said == strict:
            remedy = "say what is bounded"
            yield document.problem((*at, "sentence"), "the strict sentence", "another one", remedy)
        if bound not in said:
            found, expected = f"no {form.bound!r}", "the words of `bound`"
            yield document.problem((*at, "sentence"), found, expected, "name the bound in it")
        if bound in strict:
            found = f"{form.bound!r}, which the strict sentence says too"
            yield document.problem((*at, "bound"), found, "words of the bounded form alone", "")
        axis = form.needs.axis
        if axis is not None and axis is not claim.needs.axis and axis not in bound:
            found = f"no {axis}"
            yield document.problem((*at, "bound"), found, "the axis of the form", "name it")
        if not _asks_less(form.needs, claim.needs, loaded):
            found = "as much evidence as the strict form needs"
            remedy = "state a weaker axis, lower floors or fewer clauses"
            yield document.problem((*at, "needs"), found, "less", remedy)


def forbidden_words_are_phrases(loaded: LoadedPack) -> Iterator[Problem]:
    """A single word is in many honest sentences; what is forbidden is a phrase."""
    for document, number, claim in _claims(loaded):
        for place, phrase in enumerate(claim.forbids):
            if len(phrase.split()) < 2:
                path = ("claims", number, "forbids", place)
                yield document.problem(path, phrase, "a phrase of two words or more", "add words")


def _asks_less(one: Needs, other: Needs, loaded: LoadedPack) -> bool:
    """Whether a form needs no more than another, and less in some respect."""
    pack = loaded.pack
    clauses = [{c.id for c in named_by(n.clauses, pack.clauses)} for n in (one, other)]
    try:
        asked = [floors(needs.floors, pack).asked() for needs in (one, other)]
    except LookupError:
        return True  # told elsewhere
    lower = any(asked[0].get(name, 0) != value for name, value in asked[1].items())
    more = any(_above(value, asked[1].get(name)) for name, value in asked[0].items())
    weaker = one.axis is not other.axis and (
        one.axis is None or (other.axis is not None and reaches(other.axis, one.axis))
    )
    stronger = one.axis is not other.axis and not weaker
    return not more and not stronger and (weaker or lower or clauses[0] < clauses[1])


def _above(value: int | str, other: int | str | None) -> bool:
    if other is None:
        return True
    if isinstance(value, int) and isinstance(other, int):
        return value > other
    return value != other


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


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
            path = named(loaded.root, relative)
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
            found, expected = f"the subject {subject}", "a subject registered in contracts/**/*.py"
            yield document.problem(("subject",), found, expected, "define or correct it")


def _forms(loaded: LoadedPack) -> Iterator[Stated]:
    """Strict and bounded forms of every claim."""
    for document, number, claim in _claims(loaded):
        at: Path_ = ("claims", number)
        yield document, at, claim.sentence, claim.needs
        if claim.bounded is not None:
            yield document, (*at, "bounded"), claim.bounded.sentence, claim.bounded.needs


def _claims(loaded: LoadedPack) -> Iterator[tuple[Document, int, Claim]]:
    for document, file in loaded.of(ClaimsFile):
        for at, claim in enumerate(file.claims):
            yield document, at, claim


def _record_problem(record: Decision, field: str, found: str, expected: str) -> Problem:
    label = f"specs/decisions/{record.id}.md"
    return Problem(label, 1, 0, field, found, expected, "correct the record")

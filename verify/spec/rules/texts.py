"""Lint rules about sentences: statement, basis and remedy are read alone, so each says it all."""

from __future__ import annotations

import re
from collections.abc import Iterator

from verify.problems import Problem
from verify.spec.pack import LoadedPack, ids
from verify.spec.places import named
from verify.spec.resolve import Stated

ECHOES = re.compile(
    r"\b(likewise|ditto|idem|ibid|dto|(?:the )?same as (?:above|before|there)|"
    r"(?:as|see|like|from) (?:above|before|below|there)|"
    r"(?:see|as) the (?:previous|next|last) clause|mutatis mutandis)\b",
    re.IGNORECASE,
)
POINTER = re.compile(
    r"^(?:see|cf\.?|as in|as|like)\b(?! (?:that|to)\b)[^,;:]{0,40}$", re.IGNORECASE
)
CLAUSE = re.compile(r"\b[A-Z][A-Z0-9]*(?:-[A-Z0-9]+)+\b")
AS_CLAUSE = re.compile(
    r"\b(?:as|like|see|cf\.?|than|same as|that of)(?: in| for| of| with)? $", re.IGNORECASE
)
FILE = re.compile(
    r"(?<![\w*/.<-])(?:[\w-]+/)*[\w-]+\.(?:md|rst|txt|tex|pdf|docx?|html?|ipynb|py|ya?ml|json|toml|csv)\b"
)
SECTION = re.compile(r"(?:\bsections? |\bsec\. ?|\bchapter |§ ?)\d", re.IGNORECASE)
OWNER = re.compile(r"\b([a-z_]+)(?:'s)?,? $", re.IGNORECASE)  # whose section it is

Finding = tuple[str, str, str]


def sentences_are_read_alone(loaded: LoadedPack) -> Iterator[Problem]:
    """No sentence leans on another clause, or on a document that is not in the pack."""
    known = ids(loaded.pack.clauses)
    authorities = ids(loaded.pack.authorities)
    for one in loaded.stated:
        for key, text in _sentences(one):
            findings = [*_echoes(text), *_clauses(key, text, known), *_documents(text, loaded)]
            findings += _sections(text, authorities)
            findings += _pointers(text) if key == "remedy" else ()
            for found, expected, remedy in findings:
                yield _problem(one, key, found, expected, remedy)


def _sentences(one: Stated) -> Iterator[tuple[str, str]]:
    clause = one.clause
    yield "statement", clause.statement
    yield "unit", clause.tolerance.unit
    yield "basis", clause.tolerance.basis
    yield "remedy", clause.remedy


def _problem(one: Stated, key: str, found: str, expected: str, remedy: str) -> Problem:
    path = (*one.place("tolerance"), key) if key in ("unit", "basis") else one.place(key)
    return one.document.problem(path, found, expected, remedy)


def _echoes(text: str) -> Iterator[Finding]:
    for match in ECHOES.finditer(text):
        found = f"{match[0]!r}, which leans on another sentence"
        yield found, "a sentence that can be read alone", "say what is meant"


def _clauses(key: str, text: str, known: set[str]) -> Iterator[Finding]:
    """A remedy may send to another clause; no sentence may let another clause speak for it."""
    for match in CLAUSE.finditer(text):
        if match[0] not in known:
            continue
        if key != "remedy" or AS_CLAUSE.search(text[: match.start()]):
            found = f"{match[0]}, whose words would have to be read first"
            yield found, "a sentence that can be read alone", "say here what is said there"


def _documents(text: str, loaded: LoadedPack) -> Iterator[Finding]:
    for match in FILE.finditer(text):
        path = named(loaded.root, match[0])
        if path is None or not path.exists():
            found = f"{match[0]}, which is not in the repository"
            yield found, "a file by its path from the root", "name it so, or say what it says"


def _sections(text: str, authorities: set[str]) -> Iterator[Finding]:
    for match in SECTION.finditer(text):
        owner = OWNER.search(text, 0, match.start())
        if owner is None or owner[1].lower() not in authorities:
            found = f"{(owner[0] if owner else '') + match[0]!r}, of a document that is not named"
            yield found, "an authority of the pack before it", "cite the fact, or say what it says"


def _pointers(text: str) -> Iterator[Finding]:
    if POINTER.match(text.rstrip(".")):
        yield repr(text), "what to do, not where to read", "say what mends it"

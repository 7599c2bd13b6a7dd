"""Selectors: which clauses a command is about. A selector that matches nothing is an error."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase, translate
from typing import TypeVar

from verify.problems import NothingSelectedError, UsageError
from verify.spec.model import Claim, Clause, Kind, Pack

_T = TypeVar("_T")
PREFIXES = ("id", "tag", "kind", "contract", "claim")


def select(pack: Pack, selectors: Sequence[str]) -> tuple[Clause, ...]:
    """Clauses that any selector names, in the pack's order."""
    if not selectors:
        return pack.clauses
    chosen: set[str] = set()
    for selector in selectors:
        matched = {clause.id for clause in _matching(pack, selector)}
        if not matched:
            raise NothingSelectedError(
                f"selector {selector!r} matches none of {len(pack.clauses)} clauses; "
                f"remedy: `verify list` shows what there is"
            )
        chosen |= matched
    return tuple(clause for clause in pack.clauses if clause.id in chosen)


def one_clause(pack: Pack, clause_id: str) -> Clause:
    """The clause of an id; a near miss is named."""
    return _one("clause", {clause.id: clause for clause in pack.clauses}, clause_id)


def one_claim(pack: Pack, claim_id: str) -> Claim:
    """The claim of an id; a near miss is named."""
    return _one("claim", {claim.id: claim for claim in pack.claims}, claim_id)


def _one(kind: str, known: Mapping[str, _T], name: str) -> _T:
    if name in known:
        return known[name]
    raise unknown(kind, known, name)


def unknown(kind: str, known: Iterable[str], name: str) -> NothingSelectedError:
    """That nothing of a kind has this name; a near miss is named."""
    close = difflib.get_close_matches(name, list(known), 1)
    hint = f"did you mean {close[0]}?" if close else "`verify list` shows what there is"
    return NothingSelectedError(f"no {kind} {name!r}; {hint}")


def needed_by(claim: Claim, clauses: Iterable[Clause]) -> tuple[Clause, ...]:
    """The clauses that a form of a claim rests on."""
    bounded = claim.bounded.needs.clauses if claim.bounded else ()
    return named_by((*claim.needs.clauses, *bounded), clauses)


def named_by(patterns: Iterable[str], clauses: Iterable[Clause]) -> tuple[Clause, ...]:
    """The clauses whose ids match one of some ids or globs."""
    wanted = re.compile("|".join(map(translate, patterns)) or r"(?!)")
    return tuple(clause for clause in clauses if wanted.match(clause.id))


def _matching(pack: Pack, selector: str) -> Iterable[Clause]:
    prefix, separator, word = selector.partition(":")
    if not separator:
        prefix, word = "id", selector
    if prefix not in PREFIXES:
        raise UsageError(
            f"selector {selector!r}: found the prefix {prefix!r}; expected one of "
            f"{', '.join(PREFIXES)}"
        )
    if prefix == "claim":
        claims = [claim for claim in pack.claims if fnmatchcase(claim.id, word)]
        return [clause for claim in claims for clause in needed_by(claim, pack.clauses)]
    if prefix == "contract":
        return [
            clause
            for contract in pack.contracts
            if fnmatchcase(contract.contract, word)
            for clause in contract.clauses
        ]
    if prefix == "kind" and word not in tuple(Kind):
        raise UsageError(f"selector {selector!r}: expected a kind of {', '.join(Kind)}")
    tests = {
        "id": lambda clause: fnmatchcase(clause.id, word),
        "tag": lambda clause: any(fnmatchcase(tag, word) for tag in clause.tags),
        "kind": lambda clause: clause.kind == word,
    }
    return filter(tests[prefix], pack.clauses)

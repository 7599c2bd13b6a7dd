"""From a contract as it is written to the clauses that are run, each with where its parts stand.

Nothing is merged: of the places that give a key (the clause, its table, the contract's `defaults`)
the nearest one counts, whole.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from pydantic import ValidationError

from verify.problems import Problem
from verify.spec.model import Clause, Contract, Falsifier, Kind
from verify.spec.schema import NOT_CONFIG, ONLY_CONFIG
from verify.spec.strict_yaml import Document, Path_
from verify.spec.written import ContractFile, Shared, Table

CHANGED = Falsifier.model_construct(mutant="config.changed", arguments={})
NEEDED = ("statement", "tolerance", "severity", "remedy")
NEEDED_BY_CHECKS = ("kind", "check", "sources", "falsifiers")
_NEAR = ("statement", "falsifiers")
_PLACES = {True: "here or in the clause's table",
           False: "here, in the clause's table or in `defaults`"}  # fmt: skip
_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class Stated:
    """A clause with the file it stands in, its place there, and the place of each of its keys."""

    document: Document
    path: Path_
    contract: Contract
    clause: Clause
    origins: Mapping[str, Path_]

    @property
    def line(self) -> int:
        """Line of the clause, from 1."""
        return self.document.locate(self.path)[0]

    def problem(self, key: str, found: str, expected: str, remedy: str, *at: int) -> Problem:
        """A problem with a key, or with one item of its list, at the place that gives it."""
        return self.document.problem(self.place(key, *at), found, expected, remedy)

    def place(self, key: str, *at: int) -> Path_:
        """Path of a key, or of one item of its list."""
        number = at[0] if at else None
        if self.clause.kind is Kind.CONFIG and key in ("sources", "falsifiers"):
            first, rest = ("fact", "also") if key == "sources" else ("id", "planted")
            return (*self.path, rest, number - 1) if number else (*self.path, first)
        origin = self.origins.get(key, (*self.path, key))
        if number is None or key != "falsifiers":
            return (*origin, *at)
        return (*origin, _item_of(_at(self.document.value, origin), number))


def _at(value: Any, path: Path_) -> Any:
    for part in path:
        value = value[part]
    return value


def _item_of(items: Sequence[Any], number: int) -> int:
    """The item that wrote falsifier `number`: an item with a list of arguments writes several."""
    sizes = [
        len(given) if isinstance(given, list) else 1
        for item in items
        for given in (item.values() if isinstance(item, dict) else (item,))
    ]
    return bisect_right(list(accumulate(sizes)), number)


@dataclass(frozen=True)
class Level:
    """One place that may give keys."""

    path: Path_
    given: Mapping[str, Any]


def resolve(document: Document, file: ContractFile, problems: list[Problem]) -> list[Stated]:
    """The clauses of a contract; what is wrong with them is added to the problems."""
    defaults = _level(("defaults",), file.defaults)
    found = [_clause(document, levels, path, problems) for path, levels in _places(file, defaults)]
    clauses = [one for one in found if one is not None]
    contract = Contract.model_construct(
        contract=file.contract,
        title=file.title,
        weight=file.weight,
        clauses=tuple(clause for _, clause, _ in clauses),
    )
    return [Stated(document, path, contract, clause, at) for path, clause, at in clauses]


def _places(file: ContractFile, defaults: Level) -> Iterator[tuple[Path_, list[Level]]]:
    """Each clause's path, and the places that give its keys, nearest first."""
    for number, entry in enumerate(file.clauses):
        path: Path_ = ("clauses", number)
        if isinstance(entry, Table):
            table = _level(path, entry)
            for at, row in enumerate(entry.rows):
                inner = (*path, "rows", at)
                yield inner, [_level(inner, row), table, defaults]
        else:
            yield path, [_level(path, entry), defaults]


def _level(path: Path_, written: Shared) -> Level:
    names = written.model_fields_set - {"rows"}
    return Level(path, {name: getattr(written, name) for name in names})


def _clause(
    document: Document, levels: list[Level], path: Path_, problems: list[Problem]
) -> tuple[Path_, Clause, dict[str, Path_]] | None:
    parts: dict[str, Any] = {}
    origins: dict[str, Path_] = {}
    for level in levels:
        for key, value in level.given.items():
            if key not in parts:
                parts[key], origins[key] = value, (*level.path, key)
    known = len(problems)
    problems += _lacking(document, parts, levels[0])
    if len(problems) == known:
        for key in ("statement", "remedy"):
            if origins[key][:-1] != path:
                parts[key] = _filled(document, origins[key], parts, key, problems)
    if len(problems) > known:
        return None
    try:
        return path, Clause.model_validate(_native(parts)), origins
    except ValidationError as error:
        expected = error.errors()[0]["msg"].removeprefix("Value error, ")
        found = f"{parts['id']} as it stands"
        problems.append(document.problem(path, found, expected, "correct the clause"))
        return None


def _lacking(document: Document, parts: Mapping[str, Any], own: Level) -> Iterator[Problem]:
    """Keys that no place gives, and keys of the other sort of clause."""
    config = "field" in parts
    for key in (*NEEDED, *(("fact",) if config else NEEDED_BY_CHECKS)):
        if key not in parts:
            where = "this key" if key == "fact" else f"this key, {_PLACES[key in _NEAR]}"
            yield document.problem((*own.path, key), f"no {key}", where, f"add {key}")
    sort = "a config clause, which has `field`, `fact`, `also` and `planted`"
    for key in NOT_CONFIG if config else ONLY_CONFIG:
        if key in own.given:
            expected = f"no such key in {sort}" if config else f"this key only in {sort}"
            yield document.problem((*own.path, key), key, expected, "remove it", key=True)


def _filled(
    document: Document,
    origin: Path_,
    parts: Mapping[str, Any],
    key: str,
    problems: list[Problem],
) -> str:
    """A sentence that several clauses share, with the parameters of this one."""
    params = parts.get("params", {})

    def value(match: re.Match[str]) -> str:
        if match[1] in params:
            return str(params[match[1]])
        found, expected = f"{match[0]} in {key}", f"a parameter of {parts['id']}"
        problems.append(document.problem(origin, found, expected, "add it to `params`"))
        return match[0]

    return _PARAMETER.sub(value, parts[key])


def _native(parts: Mapping[str, Any]) -> dict[str, Any]:
    """What the model of a clause takes: a config clause's sources and falsifiers follow."""
    if "field" not in parts:
        return dict(parts)
    whole = {key: value for key, value in parts.items() if key not in NOT_CONFIG}
    also, planted = whole.pop("also", ()), whole.pop("planted", ())
    fact = _of_topic(parts["fact"], parts["field"])
    topic = fact.partition(":")[2]
    return {
        **whole,
        "kind": Kind.CONFIG,
        "fact": fact,
        "sources": (fact, *(_of_topic(one, topic) for one in also)),
        "falsifiers": (CHANGED, *(_planted(value) for value in planted)),
    }


def _of_topic(fact: str, topic: str) -> str:
    """A fact's id; an authority alone means its fact of this topic."""
    return fact if ":" in fact else f"{fact}:{topic}"


def _planted(value: Any) -> Falsifier:
    return Falsifier.model_construct(mutant="config.value", arguments={"value": value})

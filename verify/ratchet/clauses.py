"""Clauses: what a changed tolerance, severity, check or falsifier does to the rule."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from verify.outcome import Axis
from verify.ratchet.change import (
    Change,
    Judge,
    Said,
    Side,
    by,
    each,
    entries,
    fields,
    ignored,
    lower_is_looser,
    neutral,
    ordered,
    short,
    true_is_stricter,
    untold,
)
from verify.ratchet.trees import Tree
from verify.spec.model import Severity

MEASURED = tuple(axis for axis in Axis if axis is not Axis.EXTERNAL)


def clauses(base: Tree, head: Tree) -> Iterator[Change]:
    """Clauses that came, went or differ, by id, and the weights of their contracts."""
    before, after = (
        {
            name: (head.place("contract", of) or base.place("contract", of), clause)
            for name, (of, clause) in tree.clauses.items()
        }
        for tree in (base, head)
    )
    yield from each("clause", before, after, by(_CLAUSE), gone=Side.LOOSER, new=Side.STRICTER)
    yield from _contracts(base, head)


def _contracts(base: Tree, head: Tree) -> Iterator[Change]:
    after = head.contracts
    for name, contract in base.contracts.items():
        for side, what in fields(_CONTRACT, contract, after.get(name, contract)):
            yield Change(side, "contract", name, what, head.place("contract", name))


def tolerance(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Said:
    """A larger number is looser, and any number is looser than `exact`."""
    if before["unit"] != after["unit"]:
        yield from untold(f"{name}.unit", before["unit"], after["unit"])
    one, other = before["value"], after["value"]
    if one != other:
        wider = one is None or (other is not None and other > one)
        shown = ["exact" if value is None else repr(value) for value in (one, other)]
        side = Side.LOOSER if wider else Side.STRICTER
        yield side, f"{name} {'widened' if wider else 'narrowed'} {shown[0]} -> {shown[1]}"
    if before["basis"] != after["basis"]:
        yield Side.NEUTRAL, f"{name}.basis reworded"


def _falsifier(item: Mapping[str, Any]) -> str:
    given = item.get("arguments")
    return f"{item['mutant']} {json.dumps(given, sort_keys=True)}" if given else item["mutant"]


def _sources(name: str, before: list[str], after: list[str]) -> Said:
    gone, new = set(before) - set(after), set(after) - set(before)
    for one in sorted(gone):
        yield Side.LOOSER, f"{name}: {one} dropped"
    for one in sorted(new):
        # It is cited; whether it is held is for the clause's check, which is told apart.
        yield Side.NEUTRAL, f"{name}: {one} cited"
    if not gone and not new:
        yield Side.NEUTRAL, f"{name} in another order"


def _weight(name: str, before: Any, after: Any) -> Said:
    """Without one a clause weighs what its severity does."""
    told = before is not None and after is not None
    yield from (lower_is_looser if told else untold)(name, before, after)


def _budget(name: str, before: Any, after: Any) -> Said:
    yield Side.NEUTRAL, f"{name} {short(before)} -> {short(after)}"


_CLAUSE: Mapping[str, Judge] = {
    "statement": neutral,
    "sources": _sources,
    "tolerance": tolerance,
    "severity": ordered(*Severity),
    "required": true_is_stricter,
    "axis": ordered(*MEASURED),
    "weight": _weight,
    "tags": entries(Side.NEUTRAL, Side.NEUTRAL),
    "budget": _budget,
    "falsifiers": entries(Side.LOOSER, Side.STRICTER, _falsifier),
    "remedy": neutral,
}  # what is not here, such as check, field, fact, params and semantics, is not told

_CONTRACT: Mapping[str, Judge] = {
    "title": neutral,
    "weight": lower_is_looser,
    "clauses": ignored,
    "schema_": ignored,
}

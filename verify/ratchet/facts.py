"""Facts, authorities, conflicts and decisions: what the rules rest on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from verify.ratchet.change import (
    Change,
    Judge,
    Said,
    Side,
    Stated,
    by,
    demands,
    each,
    entries,
    fields,
    ignored,
    neutral,
    stated,
    untold,
)
from verify.ratchet.trees import Tree
from verify.spec.model import DecisionStatus


def facts(base: Tree, head: Tree) -> Iterator[Change]:
    """Every fact `authority:topic` that came, went or says something else."""

    def judge(name: str, was: Any, now: Any) -> Said:
        yield from fields(_FACT if now["value"] is not None else _MENTION, was, now)

    yield from each("fact", base.facts, head.facts, judge, gone=Side.LOOSER, new=Side.STRICTER)


def authorities(base: Tree, head: Tree) -> Iterator[Change]:
    """Who may state a fact."""
    before, after = (_stated(tree, "authorities") for tree in (base, head))
    judge = by(_AUTHORITY)
    yield from each("authority", before, after, judge, gone=Side.LOOSER, new=Side.NEUTRAL)


def outlines(base: Tree, head: Tree) -> Iterator[Change]:
    """Parts of a source: one that goes, or that nothing is held against any more, is looser."""
    before, after = (_parts(tree, "items", "id") for tree in (base, head))
    yield from each("item", before, after, by(_ITEM), gone=Side.LOOSER, new=Side.STRICTER)
    before, after = (_parts(tree, "uncited", "fact") for tree in (base, head))
    yield from each("excuse", before, after, by(_EXCUSE), gone=Side.STRICTER, new=Side.LOOSER)


def _parts(tree: Tree, part: str, key: str) -> Stated:
    return {
        f"{outline['authority']}.{one[key]}": (f"specs/outline/{outline['authority']}.yaml", one)
        for outline in tree.pack.get("outlines", ())
        for one in outline[part]
    }


def conflicts(base: Tree, head: Tree) -> Iterator[Change]:
    """What is disputed: a dispute that vanishes caps nothing any more."""
    before, after = (_stated(tree, "conflicts") for tree in (base, head))
    yield from each("conflict", before, after, by(_CONFLICT), gone=Side.LOOSER, new=Side.STRICTER)


def _stated(tree: Tree, part: str) -> Stated:
    return stated(tree.pack[part], "id", f"{tree.commit[:10]}:{part}", f"specs/{part}.yaml")


def decisions(base: Tree, head: Tree) -> Iterator[Change]:
    """Records that came, went, closed, reopened, or govern and cap something else."""
    before, after = (
        {name: (f"specs/decisions/{name}.md", one) for name, one in tree.decisions.items()}
        for tree in (base, head)
    )
    yield from each("decision", before, after, by(_DECISION), gone=Side.LOOSER, new=_recorded)


def _recorded(record: Mapping[str, Any]) -> tuple[Side, str]:
    caps = ", ".join(record["caps"]) if not _settled(record["status"]) else ""
    if caps:
        return Side.STRICTER, f"added, caps {caps}"
    return Side.NEUTRAL, f"added, {record['status']}"


def _status(name: str, before: str, after: str) -> Said:
    """A settled decision lifts the caps of an open one, so closing is the looser way."""
    was, now = _settled(before), _settled(after)
    word = "closed" if now and not was else "reopened" if was and not now else "moved"
    side = {"closed": Side.LOOSER, "reopened": Side.STRICTER, "moved": Side.NEUTRAL}[word]
    yield side, f"{word}: {name} {before} -> {after}"


def _settled(status: str) -> bool:
    return DecisionStatus(status).settled


def _governs(name: str, before: list[str], after: list[str]) -> Said:
    """A claim that rests on a record no more is freed; a file that it governs anew is opened."""
    for one in sorted(set(before) - set(after)):
        claim = one.startswith("CLAIM-")
        yield (Side.LOOSER if claim else Side.STRICTER), f"{name}: {one} dropped"
    for one in sorted(set(after) - set(before)):
        claim = one.startswith("CLAIM-")
        yield (Side.STRICTER if claim else Side.LOOSER), f"{name}: {one} added"


_FACT: Mapping[str, Judge] = {"value": untold, "at": neutral, "says": neutral}
_MENTION: Mapping[str, Judge] = {"value": untold, "at": neutral, "says": untold}
_AUTHORITY: Mapping[str, Judge] = {"title": neutral, "licence": neutral, "note": neutral}
_ITEM: Mapping[str, Judge] = {"at": neutral, "title": neutral, "facts": demands}
_EXCUSE: Mapping[str, Judge] = {"because": neutral}
_CONFLICT: Mapping[str, Judge] = {"summary": neutral, "affects": demands, "between": demands}
_DECISION: Mapping[str, Judge] = {
    "title": neutral,
    "status": _status,
    "date": neutral,
    "governs": _governs,
    "conflicts": entries(Side.NEUTRAL, Side.NEUTRAL),
    "caps": demands,
    "evidence": entries(Side.NEUTRAL, Side.NEUTRAL),  # kept true as files move (DEC-0260)
    "superseded_by": ignored,  # its status says so
    "category": neutral,
    "impact": neutral,
    "promotes": neutral,
}

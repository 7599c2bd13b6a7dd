"""Facts, authorities, conflicts and decisions: what the rules rest on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from verify.ratchet.change import (
    Change,
    Judge,
    Said,
    Side,
    by_key,
    demands,
    entries,
    fields,
    ignored,
    neutral,
    untold,
)
from verify.ratchet.trees import Tree
from verify.spec.model import DecisionStatus


def facts(base: Tree, head: Tree) -> Iterator[Change]:
    """Every fact `authority:topic` that came, went or says something else."""
    before, after = base.facts, head.facts
    for name, (path, fact) in before.items():
        if name not in after:
            yield Change(Side.LOOSER, "fact", name, "removed", path)
            continue
        there, now = after[name]
        for side, what in fields(_FACT if now["value"] is not None else _MENTION, fact, now):
            yield Change(side, "fact", name, what, there)
    for name, (path, _) in after.items():
        if name not in before:
            yield Change(Side.STRICTER, "fact", name, "added", path)


def authorities(base: Tree, head: Tree) -> Iterator[Change]:
    """Who may state a fact."""
    yield from _each(
        "authority", "authorities", _AUTHORITY, base, head, gone=Side.LOOSER, new=Side.NEUTRAL
    )


def outlines(base: Tree, head: Tree) -> Iterator[Change]:
    """Parts of a source: one that goes, or that nothing is held against any more, is looser."""
    before, after = (
        {
            (outline["authority"], part, item[key]): item
            for outline in tree.pack.get("outlines", ())
            for part, key in (("items", "id"), ("uncited", "fact"))
            for item in outline[part]
        }
        for tree in (base, head)
    )
    for place in before.keys() | after.keys():
        authority, part, name = place
        excuse = part == "uncited"
        path = f"specs/outline/{authority}.yaml"
        was, now = before.get(place), after.get(place)
        if was is None or now is None:
            gone = now is None
            side = Side.STRICTER if gone == excuse else Side.LOOSER
            word = "removed" if gone else "added"
            yield Change(side, "excuse" if excuse else "item", f"{authority}.{name}", word, path)
            continue
        table = _EXCUSE if excuse else _ITEM
        for side, what in fields(table, was, now):
            yield Change(side, "excuse" if excuse else "item", f"{authority}.{name}", what, path)


def conflicts(base: Tree, head: Tree) -> Iterator[Change]:
    """What is disputed: a dispute that vanishes caps nothing any more."""
    yield from _each(
        "conflict", "conflicts", _CONFLICT, base, head, gone=Side.LOOSER, new=Side.STRICTER
    )


def decisions(base: Tree, head: Tree) -> Iterator[Change]:
    """Records that came, went, closed, reopened, or govern and cap something else."""
    before, after = base.decisions, head.decisions
    for name, record in before.items():
        path = f"specs/decisions/{name}.md"
        if name not in after:
            yield Change(Side.LOOSER, "decision", name, "removed", path)
            continue
        for side, what in fields(_DECISION, record, after[name]):
            yield Change(side, "decision", name, what, path)
    for name, record in after.items():
        if name not in before:
            caps = ", ".join(record["caps"]) if not _settled(record["status"]) else ""
            side = Side.STRICTER if caps else Side.NEUTRAL
            what = f"added, caps {caps}" if caps else f"added, {record['status']}"
            yield Change(side, "decision", name, what, f"specs/decisions/{name}.md")


def _each(
    kind: str,
    part: str,
    table: Mapping[str, Judge],
    base: Tree,
    head: Tree,
    *,
    gone: Side,
    new: Side,
) -> Iterator[Change]:
    before = by_key(base.pack[part], "id", f"{base.commit[:10]}:{part}")
    after = by_key(head.pack[part], "id", f"{head.commit[:10]}:{part}")
    path = f"specs/{part}.yaml"
    for name, one in before.items():
        if name not in after:
            yield Change(gone, kind, name, "removed", path)
            continue
        for side, what in fields(table, one, after[name]):
            yield Change(side, kind, name, what, path)
    for name in after:
        if name not in before:
            yield Change(new, kind, name, "added", path)


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

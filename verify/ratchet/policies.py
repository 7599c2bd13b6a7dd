"""Policies: frontier, protection, gates of a release, tracks of promotion, and the manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from verify.ratchet.change import (
    Change,
    Judge,
    Said,
    Side,
    by_key,
    demands,
    each,
    entries,
    fields,
    higher_is_looser,
    ignored,
    licences,
    lower_is_looser,
    neutral,
    untold,
)
from verify.ratchet.claims import floors, selected
from verify.ratchet.trees import Tree

_READ = (
    "pack",
    "contract",
    "claims",
    "waivers",
    "authorities",
    "facts",
    "conflicts",
    "digests",
    "outline",
    "keys",
)


def manifest(base: Tree, head: Tree) -> Iterator[Change]:
    """What the pack is about, and which code its evidence covers."""
    for side, what in fields(_MANIFEST, base.pack["manifest"], head.pack["manifest"]):
        yield Change(side, "pack", head.pack["manifest"]["pack"], what, "contracts/pack.yaml")


def policies(base: Tree, head: Tree) -> Iterator[Change]:
    """Each policy file by its schema; one that this program does not know is not told."""

    def judge(kind: str, one: Any, other: Any) -> Said:
        yield from _POLICIES.get(kind, _plain)(one, other, base, head)

    before, after = _by_kind(base), _by_kind(head)
    yield from each("policy", before, after, judge, gone=Side.LOOSER, new=Side.STRICTER)


def _by_kind(tree: Tree) -> dict[str, tuple[str, dict[str, Any]]]:
    found = {}
    for label, one in tree.told["policies"].items():
        kind = one["schema"].split("/")[1]
        if kind not in _READ:
            found[kind] = (label, {k: v for k, v in one.items() if k not in ("schema", "schema_")})
    return found


_Policy = Callable[[Mapping[str, Any], Mapping[str, Any], Tree, Tree], Said]


def _plain(one: Mapping[str, Any], other: Mapping[str, Any], base: Tree, head: Tree) -> Said:
    yield from fields({}, one, other)


def _frontier(one: Mapping[str, Any], other: Mapping[str, Any], base: Tree, head: Tree) -> Said:
    yield from fields(_FRONTIER, one, other)


def _protected(one: Mapping[str, Any], other: Mapping[str, Any], base: Tree, head: Tree) -> Said:
    before, after = (by_key(file["assets"], "glob", "protected") for file in (one, other))
    yield from _items("asset", before, after, lambda was, now: fields(_ASSET, was, now))


def _release(one: Mapping[str, Any], other: Mapping[str, Any], base: Tree, head: Tree) -> Said:
    yield from fields(_RELEASE, one, other)
    before, after = (by_key(file["gates"], "id", "release") for file in (one, other))

    def gate(was: Mapping[str, Any], now: Mapping[str, Any]) -> Said:
        yield from fields(_GATE, was, now)
        if was["by"]["kind"] != now["by"]["kind"]:
            yield from untold("by", was["by"]["kind"], now["by"]["kind"])
        else:
            yield from _by(was["by"], now["by"], base, head)

    yield from _items("gate", before, after, gate)


def _by(was: Mapping[str, Any], now: Mapping[str, Any], base: Tree, head: Tree) -> Said:
    rest = [{key: value for key, value in by.items() if key not in ("clauses", "floor")} for by in
            (was, now)]  # fmt: skip
    yield from fields(_BY, *rest)
    if "clauses" in was:
        yield from selected("clauses", was["clauses"], now["clauses"], base, head)
    if "floor" in was:
        yield from fields({"value": lower_is_looser, "basis": neutral}, was["floor"], now["floor"])


def _promotion(one: Mapping[str, Any], other: Mapping[str, Any], base: Tree, head: Tree) -> Said:
    before, after = (by_key(file["tracks"], "id", "promotion") for file in (one, other))

    def track(was: Mapping[str, Any], now: Mapping[str, Any]) -> Said:
        rest = [{key: value for key, value in of.items() if key not in ("needs", "floors")} for of
                in (was, now)]  # fmt: skip
        yield from fields(_TRACK, *rest)
        yield from selected("needs", was["needs"], now["needs"], base, head)
        yield from floors("floors", was["floors"], now["floors"], base, head)

    # A track more is one more way to be promoted.
    yield from _items("track", before, after, track, gone=Side.STRICTER, new=Side.LOOSER)


def _items(
    kind: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    judge: Callable[[Mapping[str, Any], Mapping[str, Any]], Said],
    *,
    gone: Side = Side.LOOSER,
    new: Side = Side.STRICTER,
) -> Said:
    for name, one in before.items():
        if name not in after:
            yield gone, f"{kind} {name} removed"
        else:
            yield from ((side, f"{kind} {name}: {what}") for side, what in judge(one, after[name]))
    for name in after:
        if name not in before:
            yield new, f"{kind} {name} added"


def _part(name: str, before: str, after: str) -> Said:
    side = Side.STRICTER if after == "file" else Side.LOOSER
    yield side, f"{name} {before} -> {after}"


def _glob(item: Mapping[str, Any]) -> str:
    return str(item["glob"])


_MANIFEST: Mapping[str, Judge] = {
    "title": neutral, "schema_": ignored, "columns": demands, "code": demands,
}  # fmt: skip
_FRONTIER: Mapping[str, Judge] = {
    "allow": licences,
    "decided": entries(Side.LOOSER, Side.STRICTER, _glob),
    "deny": entries(Side.LOOSER, Side.STRICTER, _glob),
}
_ASSET: Mapping[str, Judge] = {"reason": neutral, "part": _part}
_RELEASE: Mapping[str, Judge] = {"gates": ignored}
_GATE: Mapping[str, Judge] = {"title": neutral, "close": neutral, "by": ignored}
_BY: Mapping[str, Judge] = {
    "covers": demands, "files": demands, "least": lower_is_looser, "minutes": neutral,
    "budget": neutral, "max_spread": higher_is_looser,
}  # fmt: skip
_TRACK: Mapping[str, Judge] = {"title": neutral, "max_bytes": higher_is_looser}
_POLICIES: Mapping[str, _Policy] = {
    "frontier": _frontier,
    "protected": _protected,
    "release": _release,
    "promotion": _promotion,
    "card": lambda one, other, base, head: fields(_CARD, one, other),
}
_CARD: Mapping[str, Judge] = {
    **dict.fromkeys(("title", "licence", "library", "task", "tags", "about"), neutral),
    "limits": demands,
}

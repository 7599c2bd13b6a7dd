"""Keys: whose signatures count. One more can raise what may be said; one less cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from verify.ratchet.change import Change, Judge, Said, Side, by, each, licences, neutral, stated
from verify.ratchet.trees import Tree


def keys(base: Tree, head: Tree) -> Iterator[Change]:
    """A key more is somebody more whose word backs figures."""
    path = head.place("keys", "") or base.place("keys", "")
    before, after = (stated(tree.pack.get("keys", ()), "id", "keys", path) for tree in (base, head))
    for one in each("key", before, after, by(_KEY), gone=_removed, new=_added):
        yield replace(one, name=one.name[:12])


def _removed(key: Mapping[str, Any]) -> tuple[Side, str]:
    return (Side.NEUTRAL if key.get("revoked") else Side.STRICTER), "removed"


def _added(key: Mapping[str, Any]) -> tuple[Side, str]:
    side = Side.NEUTRAL if key.get("revoked") else Side.LOOSER
    return side, f"added for {', '.join(key['roles'])}"


def _revoked(name: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Said:
    if before is None or after is None:
        said = "revoked" if before is None else "no longer revoked"
        yield (Side.STRICTER if before is None else Side.LOOSER), said
    else:
        yield from neutral(name, before, after)


_KEY: Mapping[str, Judge] = {
    "roles": licences,
    "holder": neutral,
    "since": neutral,
    "revoked": _revoked,
}

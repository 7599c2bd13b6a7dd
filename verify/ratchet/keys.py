"""Keys: whose signatures count. One more can raise what may be said; one less cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from verify.ratchet.change import Change, Judge, Said, Side, by_key, fields, licences, neutral
from verify.ratchet.trees import Tree


def keys(base: Tree, head: Tree) -> Iterator[Change]:
    """A key more is somebody more whose word backs figures."""
    before, after = (by_key(tree.pack.get("keys", ()), "id", "keys") for tree in (base, head))
    path = head.place("keys", "") or base.place("keys", "")
    for name in before.keys() - after.keys():
        side = Side.NEUTRAL if before[name].get("revoked") else Side.STRICTER
        yield Change(side, "key", name[:12], "removed", path)
    for name in after.keys() - before.keys():
        side = Side.NEUTRAL if after[name].get("revoked") else Side.LOOSER
        yield Change(side, "key", name[:12], f"added for {', '.join(after[name]['roles'])}", path)
    for name in before.keys() & after.keys():
        for side, what in fields(_KEY, before[name], after[name]):
            yield Change(side, "key", name[:12], what, path)


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

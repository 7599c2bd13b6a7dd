"""Claims and waivers: what may be said, on what, and which failures are accepted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from verify.ratchet.change import (
    Change,
    Judge,
    Said,
    Side,
    by,
    demands,
    each,
    fields,
    ignored,
    lower_is_looser,
    neutral,
    ordered,
    stated,
    untold,
)
from verify.ratchet.clauses import MEASURED
from verify.ratchet.trees import Tree


def claims(base: Tree, head: Tree) -> Iterator[Change]:
    """A claim more is a sentence more that may be said."""
    path = head.place("claims", "")
    before, after = (stated(tree.pack["claims"], "id", "claims", path) for tree in (base, head))
    yield from each(
        "claim", before, after, lambda name, one, other: _claim(one, other, base, head),
        gone=lambda claim: (Side.STRICTER, "removed: it may not be said"),
        new=lambda claim: (Side.LOOSER, "added: it may be said"),
    )  # fmt: skip


def waivers(base: Tree, head: Tree) -> Iterator[Change]:
    """A waiver more is a failure that is accepted."""
    path = head.place("waivers", "") or "contracts/waivers.yaml"
    before, after = (
        stated(tree.pack["waivers"], "clause", "waivers", path) for tree in (base, head)
    )
    yield from each("waiver", before, after, by(_WAIVER), gone=Side.STRICTER, new=Side.LOOSER)


def _claim(one: Mapping[str, Any], other: Mapping[str, Any], base: Tree, head: Tree) -> Said:
    yield from fields(_CLAIM, one, other)
    yield from needs("needs", one["needs"], other["needs"], base, head)
    was, now = one.get("bounded"), other.get("bounded")
    if was and not now:
        yield Side.STRICTER, "bounded form removed"
    elif now and not was:
        yield Side.LOOSER, "bounded form added: more may be said on less"
    elif was and now:
        yield from ((side, f"bounded {what}") for side, what in fields(_BOUNDED, was, now))
        yield from needs("bounded needs", was["needs"], now["needs"], base, head)


def needs(name: str, one: Mapping[str, Any], other: Mapping[str, Any], base: Tree, head: Tree
) -> Said:  # fmt: skip
    """What a form rests on; globs are told by the clauses they name, in both packs."""
    yield from selected(f"{name}.clauses", one["clauses"], other["clauses"], base, head)
    rest = [{k: v for k, v in side.items() if k not in ("clauses", "floors")} for side in
            (one, other)]  # fmt: skip
    yield from ((side, f"{name}.{what}") for side, what in fields(_NEEDS, *rest))
    yield from floors(f"{name}.floors", one["floors"], other["floors"], base, head)


def selected(name: str, one: Sequence[str], other: Sequence[str], base: Tree, head: Tree) -> Said:
    """Selectors of clauses: those of either pack that only one side names, by each side's own tags.

    A clause that is new is held against the old selectors as it is now.
    """
    was = [clause for clause in base.clauses if clause in head.clauses and base.names(one, clause)]
    was += [c for c in head.clauses if c not in base.clauses and head.names(one, c)]
    now = [clause for clause in head.clauses if head.names(other, clause)]
    yield from demands(name, was, now)
    if set(was) == set(now) and sorted(one) != sorted(other):
        yield Side.NEUTRAL, f"{name} names the same clauses in other words"


def floors(name: str, one: Mapping[str, Any], other: Mapping[str, Any], base: Tree, head: Tree
) -> Said:  # fmt: skip
    """Floors as numbers, with what they cite looked up where it was cited."""
    was = {key: base.cited(value) for key, value in one.items()}
    now = {key: head.cited(value) for key, value in other.items()}
    yield from ((side, f"{name}.{what}") for side, what in fields(_FLOORS, was, now))


def _coverage(name: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Said:
    """Least shares by source; a pack of earlier days asked for none."""
    shares = [dict(one or {}) for one in (before, after)]
    table = dict.fromkeys({**shares[0], **shares[1]}, lower_is_looser)
    yield from ((side, f"{name}.{what}") for side, what in fields(table, *shares))


def _detection(
    name: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> Said:
    """The least rates that the contracts of a form need; none asks nothing."""
    if before is None or after is None:
        side = Side.STRICTER if before is None else Side.LOOSER
        yield side, f"{name} {'asked for' if before is None else 'no longer asked for'}"
    else:
        yield from ((side, f"{name}.{what}") for side, what in fields(_RATES, before, after))


def _digest(name: str, before: Any, after: Any) -> Said:
    """A digest is asked for, or not, or it is another."""
    if before is None or after is None:
        yield (Side.STRICTER if before is None else Side.LOOSER), f"{name} {before} -> {after}"
    else:
        yield from untold(name, before, after)


def _expires(name: str, before: str, after: str) -> Said:
    side = Side.LOOSER if after > before else Side.STRICTER
    yield side, f"{name} {before} -> {after}"


_CLAIM: Mapping[str, Judge] = {
    "title": neutral,
    "needs": ignored,  # told part by part
    "bounded": ignored,
    "forbids": demands,
}  # another sentence, other semantics: not told
_BOUNDED: Mapping[str, Judge] = {"needs": ignored}
_NEEDS: Mapping[str, Judge] = {
    "decisions": demands,
    "conflicts": demands,
    "axis": ordered(*MEASURED),
    "produce": neutral,
    "coverage": _coverage,
    "detection": _detection,
}
_RATES: Mapping[str, Judge] = {
    "contracts": demands,
    **dict.fromkeys(("at_least", "tried", "judged"), lower_is_looser),
}
_FLOORS: Mapping[str, Judge] = {
    **dict.fromkeys(("steps", "images_seen", "samples", "seeds"), lower_is_looser),
    "extractor_sha256": _digest,
}
_WAIVER: Mapping[str, Judge] = {
    "owner": neutral,
    "reason": neutral,
    "expires": _expires,
}

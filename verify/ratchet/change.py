"""One difference between the rules of two commits, and which way it goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from verify.problems import UsageError


class Side(StrEnum):
    """Which way a change goes. What cannot be told counts as looser: somebody has to say so."""

    STRICTER = "stricter"
    LOOSER = "looser"
    NEUTRAL = "neutral"


@dataclass(frozen=True)
class Change:
    """`kind` and `name` say what changed, `what` how; `path` is the file that states it."""

    side: Side
    kind: str
    name: str
    what: str
    path: str


Said = Iterator[tuple[Side, str]]
Judge = Callable[[str, Any, Any], Said]
Verdict = Callable[[Any], tuple[Side, str]]
Stated = Mapping[str, tuple[str, Any]]  # name -> the file that states something, and what it is
UNTOLD = "which way is not told by the text"


def by_key(items: Sequence[Any], key: str, place: str) -> dict[str, Any]:
    """Items by an id; raises UsageError where one stands twice, for then one of them hides."""
    found: dict[str, Any] = {}
    for item in items:
        if item[key] in found:
            raise UsageError(f"{place}: found {item[key]} twice; expected each once; remedy: lint")
        found[item[key]] = item
    return found


def each(
    kind: str, before: Stated, after: Stated, judge: Judge, *, gone: Side | Verdict,
    new: Side | Verdict,
) -> Iterator[Change]:  # fmt: skip
    """All of one kind that came, went or differ, by name."""
    for name, (path, one) in before.items():
        if name in after:
            there, other = after[name]
            yield from (
                Change(side, kind, name, how, there) for side, how in judge(name, one, other)
            )
        else:
            side, how = (gone, "removed") if isinstance(gone, Side) else gone(one)
            yield Change(side, kind, name, how, path)
    for name, (path, one) in after.items():
        if name not in before:
            side, how = (new, "added") if isinstance(new, Side) else new(one)
            yield Change(side, kind, name, how, path)


def stated(items: Sequence[Any], key: str, place: str, path: str) -> Stated:
    """`by_key`, all of them in one file."""
    return {name: (path, one) for name, one in by_key(items, key, place).items()}


def by(table: Mapping[str, Judge]) -> Judge:
    """What `fields` says of two that have one name."""
    return lambda name, before, after: fields(table, before, after)


def fields(table: Mapping[str, Judge], before: Mapping[str, Any], after: Mapping[str, Any]) -> Said:
    """Each field that differs, by its judge; a field that no table knows is not told."""
    for name in [*before, *(name for name in after if name not in before)]:
        one, other = before.get(name), after.get(name)
        if not same(one, other):
            yield from table.get(name, untold)(name, one, other)


def same(one: Any, other: Any) -> bool:
    """Equality of plain data; the spelling of a number and a truth value are not the same."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def neutral(name: str, before: Any, after: Any) -> Said:
    """Words alone."""
    yield Side.NEUTRAL, f"{name} reworded"


def ignored(name: str, before: Any, after: Any) -> Said:
    """What another kind of change tells already, such as the name of the file's own language."""
    yield from ()


def untold(name: str, before: Any, after: Any) -> Said:
    """A change without a direction: looser until somebody decides."""
    yield Side.LOOSER, f"{name} {short(before)} -> {short(after)}, {UNTOLD}"


def lower_is_looser(name: str, before: Any, after: Any) -> Said:
    """A floor, a weight, a date before which something holds; none is the lowest."""
    yield from _number(name, before, after, rises=Side.STRICTER)


def higher_is_looser(name: str, before: Any, after: Any) -> Said:
    """A limit; none is the highest."""
    yield from _number(name, before, after, rises=Side.LOOSER)


def _number(name: str, before: Any, after: Any, *, rises: Side) -> Said:
    falls = Side.LOOSER if rises is Side.STRICTER else Side.STRICTER
    text = f"{name} {short(before)} -> {short(after)}"
    if before is None or after is None:
        yield (Side.STRICTER if before is None else Side.LOOSER), text
    elif _is_number(before) and _is_number(after):
        if before != after:
            yield (rises if after > before else falls), text
    else:
        yield from untold(name, before, after)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def ordered(*strongest_first: str) -> Judge:
    """One of some words; None, where it may be, is the weakest."""

    def judge(name: str, before: Any, after: Any) -> Said:
        ranks = [*strongest_first, None]
        if before not in ranks or after not in ranks:
            yield from untold(name, before, after)
            return
        weaker = ranks.index(after) > ranks.index(before)
        side = Side.LOOSER if weaker else Side.STRICTER
        yield side, f"{name} {short(before)} -> {short(after)}"

    return judge


def true_is_stricter(name: str, before: Any, after: Any) -> Said:
    """A demand that is switched on or off."""
    yield (Side.STRICTER if after else Side.LOOSER), f"{name} {short(before)} -> {short(after)}"


def entries(
    dropped: Side, added: Side, label: Callable[[Any], Hashable] = lambda item: item
) -> Judge:
    """A list whose order says nothing."""

    def judge(name: str, before: Any, after: Any) -> Said:
        one, other = ([label(item) for item in items or ()] for items in (before, after))
        for item in one:
            if item not in other:
                yield dropped, f"{name}: {item} dropped"
        for item in other:
            if item not in one:
                yield added, f"{name}: {item} added"

    return judge


demands = entries(Side.LOOSER, Side.STRICTER)
licences = entries(Side.STRICTER, Side.LOOSER)


def short(value: Any) -> str:
    """A value on one line of bounded length."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."

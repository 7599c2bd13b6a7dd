"""Tables of hand-made cases: what is computed of each beside what it has to be or to refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from drift.errors import DriftError
from verify.api import CheckContext, Measurement

__all__ = ["Refused", "Row", "judge_rows"]

Row = tuple[str, Callable[[], object], object]


@dataclass(frozen=True)
class Refused:
    """An error whose words hold some parts, one behind the other: place, found, expected, remedy.

    In another order they are another sentence: found and expected exchanged lead astray.
    """

    parts: tuple[str, ...]

    def __init__(self, *parts: str) -> None:
        object.__setattr__(self, "parts", parts)


def judge_rows(ctx: CheckContext, rows: Iterable[Row], what: str) -> Measurement:
    """Every row (name, call, expected): equal values, or the refusal that is expected."""
    count = 0
    for name, call, expected in rows:
        count += 1
        problem = _refusal_missed(call, expected) if isinstance(expected, Refused) else (
            _value_missed(call, expected)
        )  # fmt: skip
        if problem:
            return ctx.decide(False, f"{name}: {problem}")
    return ctx.decide(count > 0, f"{count} {what}")


def _value_missed(call: Callable[[], object], expected: object) -> str:
    try:
        found = call()
    except DriftError as error:
        return f"refused, expected {expected!r}: {error}"
    same = type(found) is type(expected) and found == expected
    return "" if same else f"found {found!r}, expected {expected!r}"


def _refusal_missed(call: Callable[[], object], expected: Refused) -> str:
    try:
        found = call()
    except DriftError as error:
        return _unsaid(str(error), expected.parts)
    except Exception as error:
        return f"not refused: it breaks with {type(error).__name__}: {error}"
    return f"taken, with {found!r}"


def _unsaid(text: str, parts: tuple[str, ...]) -> str:
    """The first of some parts that does not stand behind the one before it."""
    begin = 0
    for part in parts:
        at = text.find(part, begin)
        if at < 0:
            how = "in its place" if part in text else "at all"
            return f"refused without {part!r} {how}: {text}"
        begin = at + len(part)
    return ""

"""Where the time of a step goes: named spans of code, timed while somebody listens.

    with spans.listening() as spent:
        ...
    spent.seconds["generate"]

A span inside another counts for itself alone, so that the seconds add up to no more than the time
that went by. Outside of `listening` a span costs one lookup of a context variable. Wall time as the
host sees it: an accelerator that is not waited for is counted where it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

SHOWN = 2  # parts of a step, the longest

__all__ = ["Spent", "listening", "longest", "span"]


@dataclass
class Spent:
    """Seconds by name, and those of the spans that are open."""

    seconds: dict[str, float] = field(default_factory=dict)
    _inside: list[float] = field(default_factory=list)  # of each open span: what others took in it

    def began(self) -> float:
        """Open a span."""
        self._inside.append(0.0)
        return time.perf_counter()

    def ended(self, name: str, began: float) -> None:
        """Close the span that was opened last."""
        whole = time.perf_counter() - began
        own = whole - self._inside.pop()
        self.seconds[name] = self.seconds.get(name, 0.0) + own
        if self._inside:
            self._inside[-1] += whole

    def taken(self) -> dict[str, float]:
        """The seconds so far, and begin anew."""
        seconds, self.seconds = self.seconds, {}
        return seconds


_spent: ContextVar[Spent | None] = ContextVar("spent", default=None)


@contextmanager
def listening() -> Iterator[Spent]:
    """What the spans of this block take."""
    spent = Spent()
    token = _spent.set(spent)
    try:
        yield spent
    finally:
        _spent.reset(token)


@contextmanager
def span(name: str) -> Iterator[None]:
    """A block, or as a decorator a function, whose time counts under a name."""
    spent = _spent.get()
    if spent is None:
        yield
        return
    began = spent.began()
    try:
        yield
    finally:
        spent.ended(name, began)


def longest(seconds: Mapping[str, float]) -> dict[str, float]:
    """The longest parts of a step, each as per cent of it, the longest first."""
    whole = sum(seconds.values())
    ordered = sorted(seconds.items(), key=lambda item: -item[1])[:SHOWN]
    return {f"{name} %": 100.0 * own / whole for name, own in ordered} if whole else {}

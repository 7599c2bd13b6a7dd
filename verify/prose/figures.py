"""Figures of merit in a sentence: a metric's name and the numbers that belong to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from verify.prose.patterns import measures
from verify.prose.words import Sort, Span, Word, find, holds

_NEAR = 6  # words between a metric and its value, all of them connecting ones
_FAR = 8  # words between a metric and the verb before its value
_WHOLE = 100.0  # from here on a number may be written without decimals
_COUNT = re.compile(r"^[0-9.]+[km]$")


@dataclass(frozen=True)
class Figure:
    """A metric with one value or several, each with the decimals it is written with."""

    metric: str
    values: tuple[tuple[float, int], ...]
    span: Span
    percent: bool = False

    def __str__(self) -> str:
        values = " and ".join(f"{value:.{decimals}f}" for value, decimals in self.values)
        return f"{self.metric} {values}{' %' if self.percent else ''}"

    def equals(self, number: float) -> bool:
        """Whether one of its values is this number, as written."""
        return any(_same(value, decimals, number, self.percent) for value, decimals in self.values)

    def parts(self) -> list[Figure]:
        """A figure for each of its values."""
        return [replace(self, values=(value,)) for value in self.values]

    def within(self, numbers: Sequence[float]) -> bool:
        """Whether each of its values is one of these numbers, as written."""
        return bool(self.values) and all(
            any(_same(value, decimals, number, self.percent) for number in numbers)
            for value, decimals in self.values
        )


def _same(value: float, decimals: int, number: float, percent: bool) -> bool:
    """Equal to the last digit written; a whole number stands for large numbers only."""
    if percent and _same(value / 100, decimals + 2, number, percent=False):
        return True
    written = decimals > 0 or abs(number) >= _WHOLE or value == number
    return written and abs(value - number) <= 0.5 * 10.0**-decimals * (1 + 1e-9)


def figures(
    words: Sequence[Word], around: Sequence[Sequence[Word]], *, cell: bool
) -> Iterator[Figure]:
    """Figures of a sentence.

    `around` is what a bare number may take its metric from: the labels of a cell, the nearest
    first, or the earlier clauses of the sentence.
    """
    if holds(measures.SETTINGS, words):
        return
    metrics = [at for at, word in enumerate(words) if word.sort is Sort.METRIC]
    found = False
    for at in metrics:
        value = _near(words, at) or _far(words, at) or _reversed(words, at)
        if value is not None and not _numeric(words[at], words[value.start]):
            found = True
            span = Span(min(at, value.start), max(at + 1, value.end))
            yield _figure(words[at].name, words, value, span)
    for _, span in find(measures.SPEED, words):
        found = True
        yield _figure("speed-up", words, Span(span.start, span.start + 1), span)
    if not found and not metrics:
        yield from _inherited(words, around, cell=cell)


def _numeric(metric: Word, value: Word) -> bool:
    """`an accuracy of 1e-6` and `precision 16` speak of arithmetic."""
    written = value.value in measures.BITS or "e" in value.low or "^" in value.low
    return metric.name in measures.SHARES and written


def _near(words: Sequence[Word], metric: int) -> Span | None:
    """`FID of about 1.54`, `FID from 2.1 to 1.54`."""
    at = metric + 1
    while at < len(words) and at - metric <= _NEAR and _connects(words[at]):
        at += 1
    return _span(words, at)


def _connects(word: Word) -> bool:
    return word.low in measures.METRIC_TO_VALUE or bool(_COUNT.match(word.low))


def _far(words: Sequence[Word], metric: int) -> Span | None:
    """`the FID of our samples on ImageNet 256 is 1.54`."""
    for at in range(metric + 1, min(metric + 1 + _FAR, len(words))):
        word = words[at]
        if word.sort is Sort.METRIC or word.low in (",", ";", ":", ".", "!", "?"):
            return None
        if word.low in measures.FAR_VALUE:
            following = at + 1
            while following < len(words) and following - at <= 3 and _connects(words[following]):
                following += 1
            return _span(words, following)
    return None


def _reversed(words: Sequence[Word], metric: int) -> Span | None:
    """`1.54 FID`, `84 % top-1 accuracy`."""
    at = metric - 1
    while at > 0 and metric - at <= 3 and words[at].low in measures.VALUE_TO_METRIC:
        at -= 1
    return _span(words, at) if at >= 0 else None


def _span(words: Sequence[Word], at: int) -> Span | None:
    """The number at a place with those joined to it, unless it counts or names something."""
    if at >= len(words) or not _is_value(words, at):
        return None
    end = at + 1
    while end + 1 < len(words) and words[end].low in ("to", "→", "->", "±", "/", "%"):
        if not _is_value(words, end + 1):
            break
        end += 2
    return Span(at, end)


def _is_value(words: Sequence[Word], at: int) -> bool:
    word = words[at]
    before = words[at - 1].low if at else ""
    return (
        word.sort is Sort.NUMBER and before not in measures.NAMES_NUMBERS and not _counts(words, at)
    )


def _counts(words: Sequence[Word], at: int) -> bool:
    """Whether a number says how many of something there are: `5000 images`, `5000 new images`."""
    following = [word.low for word in words[at + 1 : at + 3]]
    if following[:1] and following[0] in measures.COUNTED:
        return True
    whole = words[at].decimals == 0 and len(following) > 1 and following[0].isalpha()
    return whole and following[1] in measures.COUNTED


def _figure(name: str, words: Sequence[Word], value: Span, span: Span) -> Figure:
    percent = value.end < len(words) and words[value.end].low in ("%", "percent")
    return Figure(name, _values(words, value), span, percent)


def _values(words: Sequence[Word], span: Span) -> tuple[tuple[float, int], ...]:
    """Numbers of a span; what follows a plus-minus is a spread and no value."""
    return tuple(
        (word.value, word.decimals)
        for at, word in enumerate(words[span.start : span.end], span.start)
        if word.value is not None and not (at > span.start and words[at - 1].low == "±")
    )


def _inherited(
    words: Sequence[Word], around: Sequence[Sequence[Word]], *, cell: bool
) -> Iterator[Figure]:
    """A number whose metric is named by a label, or by the clause before."""
    name = next((w.name for near in around for w in reversed(near) if w.sort is Sort.METRIC), None)
    if name is None:
        return
    if cell:
        numbers = [at for at, word in enumerate(words) if word.value is not None]
        if numbers and len(words) <= _NEAR * 2 and _is_value(words, numbers[0]):
            span = _span(words, numbers[0])
            if span is not None:
                yield _figure(name, words, span, span)
    elif any(word.sort is Sort.OURS for word in words):
        for _, span in find(measures.REACHED, words):
            if _is_value(words, span.end - 1):
                value = Span(span.end - 1, span.end)
                yield _figure(name, words, value, value)
                return

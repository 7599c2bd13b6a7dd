"""Words of a sentence, and a small language of phrases that are looked for among them.

A phrase is a string of atoms: `match*` any word that starts so, `a|b` either word, `?the` a word
that may be absent, `..` up to three words of any kind, `@metric` `@authority` `@number` `@ours` a
word of that kind. `"@number % faster|slower"` finds "30 % faster". Nothing crosses a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

GAP = 3


class Sort(StrEnum):
    """What a word is."""

    WORD = "word"
    NUMBER = "number"
    METRIC = "metric"
    AUTHORITY = "authority"
    OURS = "ours"
    CITATION = "citation"
    MARK = "mark"


@dataclass(frozen=True)
class Word:
    """A word of a sentence; `name` is the canonical name of a metric or an authority."""

    low: str
    raw: str
    start: int
    end: int
    sort: Sort = Sort.WORD
    name: str = ""
    value: float | None = None
    decimals: int = 0


# One line a kind of token; the first that fits wins.
_TOKENS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\[[0-9][0-9, -]*\]",  # [12]
        r"\[@?[A-Za-z][A-Za-z-]*[0-9]{2,4}[a-z0-9:_-]*(?:[,;] ?@?[A-Za-z0-9:_-]+)*\]",  # [deng2026]
        r"\([A-Z][^()0-9]{1,60},? (?:19|20)[0-9]{2}[a-z]?\)",  # (Peebles and Xie, 2023)
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}",  # a date
        r"v?[0-9]+\.[0-9]+(?:\.[0-9]+)+",  # a version
        r"[0-9]+[x×][0-9]+",  # 256x256
        r"[0-9]{4}\.[0-9]{5}(?:v[0-9])?",  # arXiv identifier
        r"(?:[0-9.]+ ?(?:[x×·] ?))?10\^-?[0-9]+",  # 10^-5, 3 x 10^-6
        r"[0-9]+(?:,[0-9]{3})+(?:\.[0-9]+)?",  # 50,000
        r"[0-9.]+[kKM](?![A-Za-z])",  # 50k counts things and is no figure
        r"[0-9]+(?:\.[0-9]+)?[eE][-+]?[0-9]+",  # 1e-5
        r"[0-9]*\.?[0-9]+",  # 1.54
        r"[A-Za-z]+/[0-9]+",  # L/2
        r"n't",
        r"['’]s?(?![A-Za-z])",  # the possessive, a word of its own
        r"[A-Za-zÀ-ÿ]+?(?=n['’]t)",  # does|n't
        r"[A-Za-zÀ-ÿ][A-Za-zÀ-ÿ0-9_]*",
        r"[^\s]",  # any other character
    )
)
_CITATION = 3  # how many of the first kinds are citations
_PLAIN = re.compile(r"^[0-9.,]+$")


def split(text: str) -> tuple[Word, ...]:
    """The words of a text; hyphens part words, so `bit-identical` is two."""
    text = text.replace("’", "'")
    found = []
    at = 0
    while at < len(text):
        if text[at].isspace() or (text[at] == "-" and _joins(text, at)):
            at += 1
            continue
        kind, match = next(
            (kind, match)
            for kind, pattern in enumerate(_TOKENS)
            if (match := pattern.match(text, at)) is not None
        )
        found.append(_word(match.group(), at, kind))
        at = match.end()
    return tuple(found)


def _joins(text: str, at: int) -> bool:
    """Whether a hyphen stands between two parts of a compound."""
    return 0 < at < len(text) - 1 and text[at - 1].isalnum() and text[at + 1].isalnum()


def _word(raw: str, start: int, kind: int) -> Word:
    end = start + len(raw)
    if kind < _CITATION:
        return Word(raw.lower(), raw, start, end, Sort.CITATION)
    value = number(raw)
    if value is not None:
        decimals = len(raw.partition(".")[2]) if _PLAIN.match(raw) else 0
        return Word(raw, raw, start, end, Sort.NUMBER, value=value, decimals=decimals)
    sort = Sort.WORD if raw[0].isalnum() or raw[0] == "'" else Sort.MARK
    return Word(raw.lower(), raw, start, end, sort)


def number(text: str) -> float | None:
    """The value of a number as written in prose: 1.54, 50,000, 1e-5, 10^-5, 3 x 10^-6."""
    text = text.replace(",", "")
    if text[-1:] in "kKM":
        return None
    mantissa, power, exponent = text.partition("10^")
    try:
        if power:
            factor = float(mantissa.strip(" x×·")) if mantissa.strip() else 1.0
            return factor * 10.0 ** max(-300, min(300, int(exponent)))
        return float(text) if text[:1].isdigit() or text[:1] == "." else None
    except ValueError:
        return None


def bag(text: str) -> frozenset[str]:
    """The words of a literal list, for a table that is read by membership."""
    return frozenset(text.split())


# -- phrases --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Span:
    """Words start..end-1 of a sentence."""

    start: int
    end: int


@dataclass(frozen=True)
class _Atom:
    words: tuple[str, ...]
    sorts: tuple[Sort, ...]
    optional: bool
    gap: bool

    def fits(self, word: Word) -> bool:
        if word.sort in self.sorts:
            return True
        return any(
            word.low.startswith(one[:-1]) if len(one) > 1 and one.endswith("*") else word.low == one
            for one in self.words
        )


@cache
def _compiled(phrase: str) -> tuple[_Atom, ...]:
    return tuple(_atom(text) for text in phrase.split())


def _atom(text: str) -> _Atom:
    if text == "..":
        return _Atom((), (), optional=True, gap=True)
    optional = len(text) > 1 and text.startswith("?")
    choices = (text[1:] if optional else text).split("|")
    sorts = tuple(Sort(choice[1:]) for choice in choices if choice.startswith("@"))
    words = tuple(choice for choice in choices if not choice.startswith("@"))
    return _Atom(words, sorts, optional, gap=False)


def match_at(phrase: str, words: Sequence[Word], at: int) -> int | None:
    """Where a phrase that starts at word `at` ends, or None."""
    return _match(_compiled(phrase), words, at)


def _match(atoms: tuple[_Atom, ...], words: Sequence[Word], at: int) -> int | None:
    if not atoms:
        return at
    first, rest = atoms[0], atoms[1:]
    if first.gap:
        for skipped in range(GAP + 1):
            end = _match(rest, words, at + skipped)
            if end is not None:
                return end
        return None
    if at < len(words) and first.fits(words[at]):
        end = _match(rest, words, at + 1)
        if end is not None:
            return end
    return _match(rest, words, at) if first.optional else None


def find(phrases: Iterable[str], words: Sequence[Word]) -> Iterator[tuple[str, Span]]:
    """Every place of every phrase, in the order of the phrases."""
    lows, sorts = {word.low for word in words}, {word.sort for word in words}
    for phrase in phrases:
        if not _possible(phrase, lows, sorts):
            continue
        for at in range(len(words)):
            end = match_at(phrase, words, at)
            if end is not None and end > at:
                yield phrase, Span(at, end)


def _possible(phrase: str, lows: set[str], sorts: set[Sort]) -> bool:
    """Whether every plain atom of a phrase has a word at all; spares most phrases the search."""
    return all(
        not lows.isdisjoint(choices) or not sorts.isdisjoint(kinds)
        for choices, kinds in _required(phrase)
    )


@cache
def _required(phrase: str) -> tuple[tuple[frozenset[str], frozenset[Sort]], ...]:
    """Words and kinds of each atom that may not be absent and has no open ending."""
    return tuple(
        (frozenset(atom.words), frozenset(atom.sorts))
        for atom in _compiled(phrase)
        if not atom.optional and not any(len(w) > 1 and w.endswith("*") for w in atom.words)
    )


def holds(phrases: Iterable[str], words: Sequence[Word]) -> bool:
    """Whether any phrase occurs."""
    return next(find(phrases, words), None) is not None


# -- what a sentence is about ---------------------------------------------------------------------

_ENDINGS = ("ations", "ation", "ings", "ing", "ied", "ies", "ed", "es", "s", "ly", "e")
_SHORTEST = 3


def stem(word: str) -> str:
    """A word without its ending, so that `equals` meets `equal`; crude and the same for all."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST:
            return word[: -len(ending)] + ("y" if ending in ("ied", "ies") else "")
    return word

"""The names a pack gives to metrics, authorities and itself, found among a sentence's words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from verify.outcome import Axis
from verify.prose.evidence import Evidence, KnownAuthority, KnownClaim
from verify.prose.patterns import measures, speakers, surroundings
from verify.prose.words import Sort, Word, bag, holds, match_at, split, stem

ANY_SOURCE = "*"
SHARE = 0.7  # of the words that two sentences must have in common to be the same
MIN_COMMON = 3
_DETERMINERS = bag("the a an this that its 's ' each every no")

_TITLE = 3  # a name of so many words is a title, and an article before it makes it no other
_PLACEHOLDER = re.compile(r"\{[a-z_]+\}")
_VERSION = re.compile(r"(?<=[0-9])v[0-9]+$")
Name = tuple[tuple[str, ...], Sort, str]


@dataclass(frozen=True)
class Vocabulary:
    """Names as rows of lower-case words, the longest first; the subject; the pack's columns.

    claims     id, and the topics of its sentence and of its title
    forbidden  id, and a phrase of two words or more that it forbids
    patterns   id, and a forbidden phrase in the small language of `verify.prose.words`
    """

    names: tuple[Name, ...]
    subject: str
    columns: frozenset[str]
    claims: tuple[tuple[str, tuple[frozenset[str], ...]], ...] = ()
    forbidden: tuple[tuple[str, tuple[str, ...]], ...] = ()
    patterns: tuple[tuple[str, str], ...] = ()

    def tag(self, text: str) -> tuple[Word, ...]:
        """The words of a text, with those of a name joined into one that knows what it names."""
        if text not in self._tagged:
            self._tagged[text] = self._tag(text)
        return self._tagged[text]

    @cached_property
    def _tagged(self) -> dict[str, tuple[Word, ...]]:
        return {}

    @cached_property
    def _by_first_word(self) -> dict[str, list[Name]]:
        found: dict[str, list[Name]] = {}
        for name in self.names:
            found.setdefault(name[0][0], []).append(name)
        return found

    def _tag(self, text: str) -> tuple[Word, ...]:
        words, at = split(text), 0
        found: list[Word] = []
        while at < len(words):
            ends = [
                e for phrase in speakers.NOT_OURS if (e := match_at(phrase, words, at)) is not None
            ]
            if ends:
                found += words[at : max(ends)]
                at = max(ends)
                continue
            word, length = self._named(words, at)
            found.append(word)
            at += length
        return tuple(found)

    def _named(self, words: Sequence[Word], at: int) -> tuple[Word, int]:
        for row, sort, name in self._by_first_word.get(words[at].low, ()):
            low = tuple(word.low for word in words[at : at + len(row)])
            if low == row and self._fits(words, at, at + len(row), sort):
                return _joined(words[at : at + len(row)], sort, name), len(row)
        if words[at].raw in measures.METRICS_IN_CAPITALS:
            return _joined(
                words[at : at + 1], Sort.METRIC, measures.METRICS_IN_CAPITALS[words[at].raw]
            ), 1
        for phrase in speakers.OURS:
            end = match_at(phrase, words, at)
            if end is not None:
                return _joined(words[at:end], Sort.OURS, self.subject), end - at
        if words[at].low == self.subject and (at == 0 or words[at - 1].low not in _DETERMINERS):
            return _joined(words[at : at + 1], Sort.OURS, self.subject), 1
        return words[at], 1

    def _fits(self, words: Sequence[Word], start: int, end: int, sort: Sort) -> bool:
        """Whether the words around a name leave it that name."""
        before = words[start - 1].low if start else ""
        after = words[end].low if end < len(words) else ""
        if sort is Sort.AUTHORITY:
            own = end - start < _TITLE and before in speakers.NOT_AN_AUTHORITY_AFTER
            return not own and after not in speakers.NOT_AN_AUTHORITY_BEFORE
        if words[start].low in ("precision", "recall"):
            return (
                before not in measures.NOT_A_METRIC_AFTER
                and after not in measures.NOT_A_METRIC_BEFORE
            )
        return True

    def columns_in(self, *texts: str) -> frozenset[str]:
        """Columns of the pack that texts name, `L/2` for `L2` too."""
        low = {word.low.replace("/", "") for text in texts for word in split(text)}
        return frozenset(column for column in self.columns if column in low)

    def restated(self, text: str) -> tuple[str, ...]:
        """Claims whose sentence or title a text repeats, in whole or nearly."""
        said = self.topic(self.tag(text))
        return tuple(
            claim for claim, topics in self.claims if any(_repeats(said, topic) for topic in topics)
        )

    def forbidding(self, text: str) -> tuple[str, ...]:
        """Claims that forbid words of a text."""
        low = tuple(word.low for word in split(text))
        plain = [
            claim
            for claim, row in self.forbidden
            if any(low[at : at + len(row)] == row for at in range(len(low) - len(row) + 1))
        ]
        readings = (self.tag(text), split(text)) if self.patterns else ()
        fitting = [
            claim
            for claim, phrase in self.patterns
            if any(holds((phrase,), words) for words in readings)
        ]
        return tuple(dict.fromkeys((*plain, *fitting)))

    def topic(self, words: Sequence[Word]) -> frozenset[str]:
        """Stems of the words that say what a sentence is about."""
        return frozenset(
            stem(word.low)
            for word in words
            if word.sort is Sort.WORD
            and word.low not in surroundings.STOPWORDS
            and word.low not in surroundings.INTENSIFIERS
            and word.low != self.subject
            and word.low.replace("/", "") not in self.columns
            and word.low not in ("'s", "'", "n't")
        )


def vocabulary(evidence: Evidence) -> Vocabulary:
    """Names from the pack, and those that are common."""
    names = [*_metrics(evidence), *_authorities(evidence.authorities)]
    plain = Vocabulary(
        names=tuple(sorted(set(names), key=lambda name: (-len(name[0]), name))),
        subject=evidence.subject.lower(),
        columns=frozenset(column.lower() for column in evidence.columns),
    )
    phrases = [(claim.id, text) for claim in evidence.claims for text in claim.forbids]
    rows = [(claim, _row(text)) for claim, text in phrases if not is_pattern(text)]
    return replace(
        plain,
        claims=tuple(
            (claim.id, tuple(plain.topic(plain.tag(t)) for t in _said(claim)))
            for claim in evidence.claims
        ),
        forbidden=tuple((claim, row) for claim, row in rows if len(row) > 1),
        patterns=tuple((claim, text) for claim, text in phrases if is_pattern(text)),
    )


def is_pattern(phrase: str) -> bool:
    """Whether a forbidden phrase is written in the small language of `verify.prose.words`."""
    return any(sign in phrase for sign in ("*", "|", "@", "?", ".."))


def _said(claim: KnownClaim) -> tuple[str, str]:
    """Sentence and title; what a denied claim's sentence would be filled with is no word of it."""
    return _PLACEHOLDER.sub(" ", claim.sentence), claim.title


def _repeats(said: frozenset[str], topic: frozenset[str]) -> bool:
    """Whether most words of either are words of the other; all of them where they are few."""
    common = len(said & topic)
    if said == topic:
        return common > 1
    return common >= MIN_COMMON and common >= SHARE * max(len(said), len(topic))


def _metrics(evidence: Evidence) -> Iterator[Name]:
    for text, name in measures.METRICS.items():
        yield _row(text), Sort.METRIC, name
    for text in evidence.metrics:
        if _row(text) not in {_row(known) for known in measures.METRICS}:
            yield _row(text), Sort.METRIC, text


def _authorities(authorities: Sequence[KnownAuthority]) -> Iterator[Name]:
    ids = {authority.id for authority in authorities}
    for known, texts in speakers.AUTHORITY_WORDS.items():
        name = known if known in ids else ANY_SOURCE
        for text in texts:
            yield _row(text), Sort.AUTHORITY, name
    for authority in authorities:
        for text in (authority.id, authority.title, *authority.identifier.split(",")):
            for variant in (text, _VERSION.sub("", text)):
                if row := _row(variant.replace("_", " ")):
                    yield row, Sort.AUTHORITY, authority.id


def _row(text: str) -> tuple[str, ...]:
    words = tuple(word.low for word in split(text))
    return words[1:] if words[:1] in (("the",), ("a",), ("an",)) and len(words) > 2 else words


def _joined(words: Sequence[Word], sort: Sort, name: str) -> Word:
    low = " ".join(word.low for word in words)
    raw = " ".join(word.raw for word in words)
    return Word(low, raw, words[0].start, words[-1].end, sort, name)


def axis_of(words: Sequence[Word]) -> Axis | None:
    """The evidence axis that a text names."""
    low = " ".join(word.low for word in words)
    named = [axis for axis in Axis if f" {axis.value.replace('-', ' ')} " in f" {low} "]
    return named[0] if named else None

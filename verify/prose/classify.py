"""What a sentence asserts: a pure function from a sentence to an assertion, or to none.

An assertion is found by a cue (a figure of merit, words of parity or of superiority, a claim's own
words) that nothing in its clause takes back: a negation, a wish, a condition, talk about claims.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from verify.outcome import Axis
from verify.prose.figures import Figure
from verify.prose.patterns import assertions, withdrawals
from verify.prose.reading import Form, Sentence
from verify.prose.scene import Scene, Voice
from verify.prose.vocabulary import Vocabulary, axis_of
from verify.prose.words import Sort, Span, Word, find, holds

_WITHIN = 300  # characters of a sentence that a clause looks back over
_REACH = 8  # words before a cue that a negation is looked for in


class Act(StrEnum):
    """What is asserted."""

    FIGURE = "figure"
    PARITY = "parity"
    SUPERIORITY = "superiority"
    RESTATED = "restated"  # a claim's own words
    FORBIDDEN = "forbidden"  # words that a claim forbids


@dataclass(frozen=True)
class Assertion:
    """What one clause of a sentence asserts.

    acts     what kinds of assertion it makes, each with the words that show it
    quoted   authorities that it is said to come from; `cited` is a work outside of the pack
    named    authorities that occur in it
    topic    stems of the words that say what it is about
    bound    the largest difference it allows, where it states one
    restates, forbidden_by   claims whose words it repeats, or whose forbidden words it uses
    """

    sentence: Sentence
    acts: tuple[tuple[Act, str], ...]
    figures: tuple[Figure, ...]
    voice: Voice
    quoted: tuple[str, ...]
    named: frozenset[str]
    topic: frozenset[str]
    numbers: tuple[float, ...]
    columns: frozenset[str]
    exact: bool = False
    bound: float | None = None
    axis: Axis | None = None
    semantics: str | None = None
    restates: tuple[str, ...] = ()
    forbidden_by: tuple[str, ...] = ()


def classify(sentence: Sentence, vocabulary: Vocabulary) -> Assertion | None:
    """The assertion of a sentence or of one clause of it."""
    scene = Scene.of(sentence, vocabulary)
    if not scene.words or scene.shielded():
        return None
    acts = tuple(dict.fromkeys(_acts(scene)))
    if not acts:
        return None
    figure = any(act is Act.FIGURE for act, _ in acts)
    return Assertion(
        sentence=sentence,
        acts=acts,
        figures=scene.figures if figure else (),
        voice=scene.voice(),
        quoted=scene.quoted(only_figures=all(act is Act.FIGURE for act, _ in acts)),
        named=frozenset(w.name for w in scene.words if w.sort is Sort.AUTHORITY),
        topic=_topic(scene, acts),
        numbers=tuple(w.value for w in scene.words if w.value is not None),
        columns=scene.columns(),
        exact=holds(assertions.EXACT, scene.words),
        bound=_bound(scene.words),
        axis=axis_of(scene.words) or axis_of(scene.labels),
        semantics=_semantics(scene.words),
        restates=vocabulary.restated(sentence.text),
        forbidden_by=vocabulary.forbidding(sentence.text),
    )


def clauses(sentence: Sentence) -> Iterator[Sentence]:
    """A sentence's clauses, each with the words before it as context."""
    for start, end in pairwise(sorted({0, len(sentence.text), *_breaks(sentence.text)})):
        text = sentence.text[start:end].strip(" ;,")
        if text:
            within = sentence.text[:start].strip()[-_WITHIN:]
            yield replace(sentence, text=text, context=replace(sentence.context, within=within))


def _breaks(text: str) -> Iterator[int]:
    low, depth = text.lower(), 0
    for at, char in enumerate(low):
        depth += (char in "([") - (char in ")]")
        if depth <= 0 and low.startswith(assertions.CLAUSE_BREAKS, at):
            yield at + 1


# -- cues -----------------------------------------------------------------------------------------


def _acts(scene: Scene) -> Iterator[tuple[Act, str]]:
    words = scene.words
    for figure in scene.figures:
        if not _taken_back(words, figure.span):
            yield Act.FIGURE, figure.metric
    if scene.sentence.form is Form.LABEL:
        return  # the head of a column asserts nothing but a figure
    yield from ((Act.SUPERIORITY, cue) for cue in _superiority(scene))
    yield from ((Act.PARITY, cue) for cue in _parity(scene))
    denied = holds(withdrawals.NEGATIONS, words) or holds(withdrawals.WISHES, words)
    if not denied and scene.vocabulary.restated(scene.sentence.text):
        yield Act.RESTATED, "a claim's words"
    if not denied and scene.vocabulary.forbidding(scene.sentence.text):
        yield Act.FORBIDDEN, "forbidden words"


def _superiority(scene: Scene) -> Iterator[str]:
    words = _asked(scene) or scene.words
    for _, span in find(assertions.SUPERIORITY_BY_NEGATION, words):
        yield _text(words, span)
    for _, span in find(assertions.SUPERIORITY, words):
        if not _taken_back(words, span) and not _activity(words, span):
            yield _text(words, span)


def _parity(scene: Scene) -> Iterator[str]:
    asked = _asked(scene)
    words = asked or scene.words
    for _, span in find(assertions.PARITY_ASKED, asked):
        yield _text(asked, span)
    for _, span in find(assertions.PARITY_BY_NEGATION, words):
        yield _text(words, span)
    if words[0].low in withdrawals.IMPERATIVES:
        return  # it tells the reader what to do
    for _, span in find(assertions.PARITY_ALONE, words):
        if not _taken_back(words, span):
            yield _text(words, span)
    with_whom = any(w.sort is Sort.AUTHORITY for w in words) or holds(assertions.PUBLISHED, words)
    for _, span in find(assertions.PARITY_WITH, words) if with_whom else ():
        if not (_taken_back(words, span) or _activity(words, span) or _wording(words, span)):
            yield _text(words, span)


def _asked(scene: Scene) -> tuple[Word, ...]:
    """The labels that a cell answers with yes."""
    text = scene.sentence.text.strip(" .*_").lower()
    yes = scene.sentence.form is Form.CELL and text in assertions.YES
    return scene.labels if yes else ()


def _text(words: Sequence[Word], span: Span) -> str:
    return " ".join(word.raw for word in words[span.start : span.end])


# -- what takes a cue back ------------------------------------------------------------------------


def _taken_back(words: Sequence[Word], span: Span) -> bool:
    """A negation or a wish stands before the cue, with no comma between."""
    scope = _scope(words, span)
    if holds(withdrawals.WISHES, scope):
        return True
    around = (*scope, *words[span.start : span.end])
    excused = [other for _, other in find(withdrawals.NO_NEGATIONS, around)]
    return any(
        not any(other.start <= found.start < other.end for other in excused)
        for _, found in find(withdrawals.NEGATIONS, scope)
    )


def _scope(words: Sequence[Word], span: Span) -> Sequence[Word]:
    """The words before a cue that can take it back: "not tuned and reaches" denies no reaching."""
    start = max(0, span.start - _REACH)
    for at in range(start, span.start):
        joined = words[at].low in ("and", "but", "yet") and at >= span.start - 2
        if joined or words[at].low in (",", ":", ";", ".", "!", "?"):
            start = at + 1
    return words[start : span.start]


def _activity(words: Sequence[Word], span: Span) -> bool:
    """`to match` is a purpose, `for matching` an activity; neither says that it was done."""
    before = words[span.start - 1].low if span.start else ""
    if before == "to":
        further = words[span.start - 2].low if span.start > 1 else ""
        return further not in withdrawals.ACHIEVED_TO
    gerund = words[span.start].low.endswith("ing")
    return gerund and (not span.start or before in withdrawals.ACTIVITY_AFTER)


def _wording(words: Sequence[Word], span: Span) -> bool:
    """The parity is one of notation, or the word is part of a name."""
    named = span.start > 0 and words[span.start - 1].low in assertions.NOT_PARITY_AFTER
    return named or holds(assertions.WORDING, words[span.end :])


# -- details --------------------------------------------------------------------------------------


def _bound(words: Sequence[Word]) -> float | None:
    spans = [span for _, span in find(assertions.BOUND, words)]
    return words[spans[0].end - 1].value if spans else None


def _semantics(words: Sequence[Word]) -> str | None:
    named = [before.low for before, word in pairwise(words) if word.low == "semantics"]
    return named[0] if named else None


def _topic(scene: Scene, acts: Sequence[tuple[Act, str]]) -> frozenset[str]:
    """What the sentence is about: its words without those of its cues."""
    asked = _asked(scene)
    words = (*asked, *scene.vocabulary.tag(scene.sentence.context.row)) if asked else scene.words
    cues = {word for _, cue in acts for word in cue.lower().split()}
    return scene.vocabulary.topic([word for word in words if word.low not in cues])

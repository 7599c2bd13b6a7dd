"""What a sentence asserts: a pure function from a sentence to an assertion, or to none.

An assertion is found by a cue (a figure of merit, words of parity or of superiority, a claim's own
words) that nothing in its clause takes back: a negation, a wish, a condition, talk about claims.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from verify.outcome import Axis
from verify.prose import patterns
from verify.prose.figures import Figure, figures
from verify.prose.reading import Form, Sentence
from verify.prose.vocabulary import Vocabulary, axis_of
from verify.prose.words import Sort, Span, Word, find, holds


class Act(StrEnum):
    """What is asserted."""

    FIGURE = "figure"
    PARITY = "parity"
    SUPERIORITY = "superiority"
    RESTATED = "restated"  # a claim's own words
    FORBIDDEN = "forbidden"  # words that a claim forbids


class Voice(StrEnum):
    """Who is said to have it."""

    OURS = "ours"
    OTHERS = "others"
    NEUTRAL = "neutral"


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


CITED = "cited"


def classify(sentence: Sentence, vocabulary: Vocabulary) -> Assertion | None:
    """The assertion of a sentence or of one clause of it."""
    scene = _Scene.of(sentence, vocabulary)
    if not scene.words or scene.shielded():
        return None
    acts = tuple(dict.fromkeys(_acts(scene)))
    found = scene.figures if any(act is Act.FIGURE for act, _ in acts) else ()
    if not acts:
        return None
    return Assertion(
        sentence=sentence,
        acts=acts,
        figures=found,
        voice=scene.voice(),
        quoted=scene.quoted(acts),
        named=frozenset(w.name for w in scene.words if w.sort is Sort.AUTHORITY),
        topic=_topic(scene, acts),
        numbers=tuple(w.value for w in scene.words if w.value is not None),
        columns=scene.columns(),
        exact=holds(patterns.EXACT, scene.words),
        bound=_bound(scene.words),
        axis=axis_of(scene.words) or axis_of(scene.labels),
        semantics=_semantics(scene.words),
        restates=vocabulary.restated(sentence.text),
        forbidden_by=vocabulary.forbidding(sentence.text),
    )


def clauses(sentence: Sentence) -> Iterator[Sentence]:
    """A sentence's clauses, each with the words before it as context."""
    edges = sorted({0, len(sentence.text), *_breaks(sentence.text)})
    for start, end in zip(edges, edges[1:], strict=False):
        text = sentence.text[start:end].strip(" ;,")
        if text:
            context = replace(sentence.context, within=sentence.text[:start].strip())
            yield replace(sentence, text=text, context=context)


def _breaks(text: str) -> Iterator[int]:
    low, depth = text.lower(), 0
    for at, char in enumerate(low):
        depth += (char in "([") - (char in ")]")
        if depth <= 0 and any(low.startswith(mark, at) for mark in patterns.CLAUSE_BREAKS):
            yield at + 1


@dataclass(frozen=True)
class _Scene:
    """A sentence with everything around it as words."""

    sentence: Sentence
    vocabulary: Vocabulary
    words: tuple[Word, ...]
    labels: tuple[Word, ...]  # of the row and the column, where it is a cell
    lead: tuple[Word, ...]
    within: tuple[Word, ...]
    figures: tuple[Figure, ...]

    @classmethod
    def of(cls, sentence: Sentence, vocabulary: Vocabulary) -> _Scene:
        context, tag = sentence.context, vocabulary.tag
        words, within = tag(sentence.text), tag(context.within)
        labels = (*tag(context.row), *tag(context.column))
        cell = sentence.form in (Form.CELL, Form.METADATA)
        around = [tag(context.column), tag(context.row), tag(context.lead)] if cell else [within]
        found = tuple(figures(words, around, cell=cell))
        return cls(sentence, vocabulary, words, labels, tag(context.lead), within, found)

    # -- whether anything is asserted at all --------------------------------------------------

    def shielded(self) -> bool:
        """Questions, plans, talk about claims, code; nothing in them is asserted."""
        text, form = self.sentence.text, self.sentence.form
        return (
            text.rstrip("\"'”)*_ ").endswith("?")
            or (form is Form.OUTPUT and not self._presented())
            or holds(patterns.DENIED, self._plainly())
            or holds(patterns.ABOUT_CLAIMS, self.words)
            or self._hypothetical()
            or self._under_a_shield()
        )

    def _presented(self) -> bool:
        """Output is a result where the text before it says so."""
        text = self.sentence.text.lstrip()
        return holds(patterns.PRESENTED_AS_RESULT, self.lead) and not text.startswith(
            patterns.PROMPTS
        )

    def _plainly(self) -> tuple[Word, ...]:
        """The words without those that deny by form only: "not only", "no other ... as"."""
        immune = [*patterns.NO_NEGATIONS, *patterns.PARITY_BY_NEGATION]
        immune += patterns.SUPERIORITY_BY_NEGATION
        spans = [span for _, span in find(immune, self.words)]
        return tuple(
            word for at, word in enumerate(self.words)
            if not any(span.start <= at < span.end for span in spans)
        )  # fmt: skip

    def _hypothetical(self) -> bool:
        """A condition holds for what follows a comma, not for what follows a colon or semicolon."""
        words = self.words
        if self.sentence.context.within.endswith(","):
            words = (*self.within, *words)
        return not holds(patterns.NO_HYPOTHESES, words) and holds(patterns.HYPOTHETICAL, words)

    def _under_a_shield(self) -> bool:
        context = self.sentence.context
        tag = self.vocabulary.tag
        if any(holds(patterns.NOT_ASSERTED_UNDER, tag(text)) for text in context.headings[-2:]):
            return True
        if holds(patterns.NOT_ASSERTED_UNDER, self.lead):
            return True
        if self.sentence.form is not Form.CELL:
            return False
        beside = [split for text in context.beside if (split := tag(text))]
        return holds(patterns.SETTING_COLUMNS, self.labels) or any(
            len(words) <= _LABEL and holds(patterns.DENIED_BESIDE, words) for words in beside
        )

    # -- whose it is --------------------------------------------------------------------------

    def voice(self) -> Voice:
        """Ours where the sentence or its labels say so."""
        if self.sentence.form is Form.QUOTE and any(self._by_context()):
            return Voice.NEUTRAL
        ours = any(word.sort is Sort.OURS for word in (*self.words, *self.labels))
        ours = ours or holds(patterns.PROMISES, (*self.lead, *self.words))
        theirs = any(word.sort is Sort.AUTHORITY for word in self.labels)
        if not (ours or theirs) and self.sentence.form in (Form.ITEM, Form.CELL, Form.OUTPUT):
            ours = any(word.sort is Sort.OURS for word in self.lead)
        if ours:
            return Voice.OURS
        return Voice.OTHERS if holds(patterns.OTHERS, self._with_antecedent()) else Voice.NEUTRAL

    def _with_antecedent(self) -> tuple[Word, ...]:
        """The words, and those of the sentence before where a pronoun points there."""
        if self.words[0].low in patterns.ANAPHORS:
            return (*self.vocabulary.tag(self.sentence.context.before), *self.words)
        return self.words

    def quoted(self, acts: Sequence[tuple[Act, str]]) -> tuple[str, ...]:
        """Whom it is attributed to, by the sentence itself or by what stands around it."""
        only_figures = all(act is Act.FIGURE for act, _ in acts)
        own = any(word.sort is Sort.OURS for word in self.words)
        found = [] if own else list(self._by_itself(self.words, figure=only_figures))
        if not own and not any(word.sort is Sort.OURS for word in self.labels):
            found += self._by_itself(self.within, figure=only_figures)
            labels = self.labels if only_figures else ()
            found += [word.name for word in labels if word.sort is Sort.AUTHORITY]
        if not own or self.sentence.form is Form.QUOTE:
            found += self._by_context()
        return tuple(dict.fromkeys(found))

    def _by_itself(self, words: Sequence[Word], *, figure: bool) -> Iterator[str]:
        tables = [*patterns.SAYS, *(patterns.BELONGS if figure else ())]
        likened = [span for _, span in find(patterns.NOT_BELONGING, words)]
        for _, span in find(tables, words):
            if not any(other.start <= span.start and span.end <= other.end for other in likened):
                yield from _authorities(words[span.start : span.end])
        if not figure:
            yield from _subject(words)
        named = (w.sort is Sort.CITATION and not w.raw[1].isdigit() for w in words)
        if any(named) or holds(patterns.CITED, words):
            yield CITED

    def _by_context(self) -> Iterator[str]:
        context, tag = self.sentence.context, self.vocabulary.tag
        if self.words[0].low in patterns.ANAPHORS:
            yield from list(_authorities(tag(context.before)[:_SUBJECT]))[:1]
        around = [tag(text) for text in context.headings]
        if self.sentence.form is not Form.PROSE:
            around.append(self.lead)
        for words in around:
            if any(word.sort is Sort.OURS for word in words):
                continue
            for _, span in find(patterns.HEADING_SAYS, words):
                names = list(_authorities(words[span.start : span.end]))
                yield from names or ["*"]

    def columns(self) -> frozenset[str]:
        """Columns that the sentence, its labels or its nearest heading name."""
        context = self.sentence.context
        return self.vocabulary.columns_in(
            self.sentence.text, context.row, context.column
        ) or self.vocabulary.columns_in(*context.headings[-1:])


_SUBJECT = 4  # first words of a sentence, where its subject stands
_LABEL = 4  # words of a cell that is a label and not a sentence


def _authorities(words: Sequence[Word]) -> Iterator[str]:
    for word in words:
        if word.sort is Sort.AUTHORITY:
            yield word.name
        elif word.sort is Sort.CITATION:
            yield CITED


def _subject(words: Sequence[Word]) -> Iterator[str]:
    """An authority that a clause begins with and that is not its passive object."""
    for at, word in enumerate(words[:4]):
        if word.sort is Sort.AUTHORITY:
            if not holds(("is|are|was|were|been|be ?fully|exactly matched|reproduced|replicated|"
                          "reached|met|equalled|attained|achieved|recreated",), words[at:]):
                if holds(patterns.PARITY_WITH, words[at:]) or holds(
                    patterns.SUPERIORITY, words[at:]
                ):
                    if not (at + 1 < len(words) and words[at + 1].low in ("'s", "'")):
                        yield word.name
            return
        if word.sort is not Sort.WORD:
            return


# -- what is asserted -----------------------------------------------------------------------------


def _acts(scene: _Scene) -> Iterator[tuple[Act, str]]:
    words = scene.words
    for figure in scene.figures:
        if not _taken_back(words, figure.span):
            yield Act.FIGURE, figure.metric
    if scene.sentence.form is Form.LABEL:
        return  # the head of a column asserts nothing but a figure
    yield from ((Act.SUPERIORITY, cue) for cue in _superiority(scene))
    yield from ((Act.PARITY, cue) for cue in _parity(scene))
    if scene.vocabulary.restated(scene.sentence.text):
        yield Act.RESTATED, "a claim's words"
    if scene.vocabulary.forbidding(scene.sentence.text) and not _denied_anywhere(words):
        yield Act.FORBIDDEN, "forbidden words"


def _superiority(scene: _Scene) -> Iterator[str]:
    words = _asked(scene) or scene.words
    for phrase, span in find(patterns.SUPERIORITY_BY_NEGATION, words):
        yield _text(words, span) or phrase
    for _, span in find(patterns.SUPERIORITY, words):
        if not _taken_back(words, span) and not _activity(words, span):
            yield _text(words, span)


def _parity(scene: _Scene) -> Iterator[str]:
    asked = _asked(scene)
    words = asked or scene.words
    for _, span in find(patterns.PARITY_ASKED, asked):
        yield _text(asked, span)
    for _, span in find(patterns.PARITY_BY_NEGATION, words):
        yield _text(words, span)
    for _, span in find(patterns.PARITY_ALONE, words):
        if not _taken_back(words, span) and not _asks(scene):
            yield _text(words, span)
    with_somebody = any(w.sort is Sort.AUTHORITY for w in words) or holds(patterns.PUBLISHED, words)
    for _, span in find(patterns.PARITY_WITH, words) if with_somebody else ():
        wording = holds(patterns.WORDING, words[span.end :]) or (
            span.start > 0 and words[span.start - 1].low in patterns.NOT_PARITY_AFTER
        )
        if not (_taken_back(words, span) or _activity(words, span) or _asks(scene) or wording):
            yield _text(words, span)


def _asked(scene: _Scene) -> tuple[Word, ...]:
    """The label that a cell answers with yes."""
    text = scene.sentence.text.strip(" .*_").lower()
    yes = scene.sentence.form is Form.CELL and text in patterns.YES
    return scene.labels if yes else ()


def _asks(scene: _Scene) -> bool:
    """An imperative tells the reader what to do."""
    return scene.words[0].low in patterns.IMPERATIVES


def _taken_back(words: Sequence[Word], span: Span) -> bool:
    """A negation or a wish stands before the cue, with no comma between."""
    scope = _scope(words, span)
    if holds(patterns.WISHES, scope):
        return True
    spans = [other for _, other in find(patterns.NO_NEGATIONS, (*scope, *words[span.start : span.end]))]
    for _, found in find(patterns.NEGATIONS, scope):
        if not any(other.start <= found.start < other.end for other in spans):
            return True
    return False


def _scope(words: Sequence[Word], span: Span) -> Sequence[Word]:
    start = max(0, span.start - _REACH)
    for at in range(start, span.start):
        if words[at].low in (",", ":", ";", ".", "!", "?"):
            start = at + 1
    return words[start : span.start]


_REACH = 8  # words before a cue that a negation is looked for in


def _denied_anywhere(words: Sequence[Word]) -> bool:
    return holds(patterns.NEGATIONS, words) or holds(patterns.WISHES, words)


def _activity(words: Sequence[Word], span: Span) -> bool:
    """`to match` is a purpose, `for matching` an activity; neither says that it was done."""
    before = words[span.start - 1].low if span.start else ""
    if before == "to":
        further = words[span.start - 2].low if span.start > 1 else ""
        return further not in patterns.ACHIEVED_TO
    gerund = words[span.start].low.endswith("ing")
    return gerund and (not span.start or before in patterns.ACTIVITY_AFTER)


def _text(words: Sequence[Word], span: Span) -> str:
    return " ".join(word.raw for word in words[span.start : span.end])


def _bound(words: Sequence[Word]) -> float | None:
    for _, span in find(patterns.BOUND, words):
        return words[span.end - 1].value
    return None


def _semantics(words: Sequence[Word]) -> str | None:
    for at, word in enumerate(words[1:]):
        if word.low == "semantics":
            return words[at].low
    return None


def _topic(scene: _Scene, acts: Sequence[tuple[Act, str]]) -> frozenset[str]:
    """What the sentence is about: its words without those of its cues."""
    asked = _asked(scene)
    words = (*asked, *scene.vocabulary.tag(scene.sentence.context.row)) if asked else scene.words
    cues = {word for _, cue in acts for word in cue.lower().split()}
    left = [w for w in words if w.low not in cues]
    return scene.vocabulary.topic(left)

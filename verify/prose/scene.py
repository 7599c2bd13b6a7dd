"""A sentence with everything around it as words: whether it asserts at all, and whose it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from verify.prose.figures import Figure, figures
from verify.prose.patterns import assertions, speakers, surroundings, withdrawals
from verify.prose.reading import Form, Sentence
from verify.prose.vocabulary import ANY_SOURCE, Vocabulary
from verify.prose.words import Sort, Word, find, holds

CITED = "cited"  # a work outside of the pack, cited by name
_SUBJECT = 4  # first words of a sentence, where its subject stands
_LABEL = 4  # words of a cell that is a label and not a sentence


class Voice(StrEnum):
    """Who is said to have what is asserted."""

    OURS = "ours"
    OTHERS = "others"
    NEUTRAL = "neutral"


@dataclass(frozen=True)
class Scene:
    """The words of a sentence or clause, of its labels where it is a cell, and before it."""

    sentence: Sentence
    vocabulary: Vocabulary
    words: tuple[Word, ...]
    labels: tuple[Word, ...]
    lead: tuple[Word, ...]
    within: tuple[Word, ...]
    figures: tuple[Figure, ...]

    @classmethod
    def of(cls, sentence: Sentence, vocabulary: Vocabulary) -> Scene:
        """Everything in words."""
        context, tag = sentence.context, vocabulary.tag
        words, within, lead = tag(sentence.text), tag(context.within), tag(context.lead)
        row, column = tag(context.row), tag(context.column)
        cell = sentence.form in (Form.CELL, Form.METADATA)
        around = [column, row, lead] if cell else [within]
        found = tuple(figures(words, around, cell=cell))
        return cls(sentence, vocabulary, words, (*row, *column), lead, within, found)

    # -- whether anything is asserted ---------------------------------------------------------

    def shielded(self) -> bool:
        """Questions, plans, talk about claims, code: nothing in them is asserted."""
        return (
            self.sentence.text.rstrip("\"'”)*_ ").endswith("?")
            or (self.sentence.form is Form.OUTPUT and not self._presented())
            or holds(withdrawals.DENIED, self._plainly())
            or holds(withdrawals.ABOUT_CLAIMS, self.words)
            or self._hypothetical()
            or self._under_a_shield()
        )

    def _presented(self) -> bool:
        """Output is a result where the text before it says so."""
        prompted = self.sentence.text.lstrip().startswith(surroundings.PROMPTS)
        return not prompted and holds(surroundings.PRESENTED_AS_RESULT, self.lead)

    def _plainly(self) -> tuple[Word, ...]:
        """The words without those that deny by form only: "not only", "no other ... as"."""
        immune = [*withdrawals.NO_NEGATIONS, *assertions.PARITY_BY_NEGATION]
        immune += assertions.SUPERIORITY_BY_NEGATION
        spans = [span for _, span in find(immune, self.words)]
        within = {at for span in spans for at in range(span.start, span.end)}
        return tuple(word for at, word in enumerate(self.words) if at not in within)

    def _hypothetical(self) -> bool:
        """A condition holds for what follows a comma, not for what follows a colon."""
        words = self.words
        if self.sentence.context.within.endswith(","):
            words = (*self.within, *words)
        excused = holds(withdrawals.NO_HYPOTHESES, words)
        return not excused and holds(withdrawals.HYPOTHETICAL, words)

    def _under_a_shield(self) -> bool:
        """Under a heading, in a column or beside a cell that says that nothing is asserted."""
        context, tag = self.sentence.context, self.vocabulary.tag
        above = [*(tag(text) for text in context.headings[-2:]), self.lead]
        if any(holds(withdrawals.NOT_ASSERTED_UNDER, words) for words in above):
            return True
        if self.sentence.form is not Form.CELL:
            return False
        beside = [tag(text) for text in context.beside]
        return holds(withdrawals.SETTING_COLUMNS, self.labels) or any(
            len(words) <= _LABEL and holds(withdrawals.DENIED_BESIDE, words) for words in beside
        )

    # -- whose it is --------------------------------------------------------------------------

    def voice(self) -> Voice:
        """Ours where the sentence, its labels, or what leads to it say so."""
        if self.sentence.form is Form.QUOTE and any(self._by_context()):
            return Voice.NEUTRAL
        if _own((*self.words, *self.labels)) or holds(speakers.PROMISES, (*self.lead, *self.words)):
            return Voice.OURS
        theirs = any(word.sort is Sort.AUTHORITY for word in self.labels)
        led = self.sentence.form in (Form.ITEM, Form.CELL, Form.OUTPUT)
        if led and not theirs and _own(self.lead):
            return Voice.OURS
        return Voice.OTHERS if holds(speakers.OTHERS, self._with_antecedent()) else Voice.NEUTRAL

    def _with_antecedent(self) -> tuple[Word, ...]:
        """The words, and those of the sentence before where a pronoun points there."""
        if self.words[0].low in speakers.ANAPHORS:
            return (*self.vocabulary.tag(self.sentence.context.before), *self.words)
        return self.words

    def quoted(self, *, only_figures: bool) -> tuple[str, ...]:
        """Whom it is attributed to, by the sentence itself or by what stands around it."""
        own = _own(self.words)
        found = [] if own else list(_attributed(self.words, figure=only_figures))
        if not own and not _own(self.labels):
            found += _attributed(self.within, figure=only_figures)
            labels = self.labels if only_figures else ()
            found += [word.name for word in labels if word.sort is Sort.AUTHORITY]
        if not own or self.sentence.form is Form.QUOTE:
            found += self._by_context()
        return tuple(dict.fromkeys(found))

    def _by_context(self) -> Iterator[str]:
        """Authorities that a heading, a lead or the sentence before ascribes it to."""
        context, tag = self.sentence.context, self.vocabulary.tag
        if self.words[0].low in speakers.ANAPHORS:
            yield from list(_authorities(tag(context.before)[:_SUBJECT]))[:1]
        around = [tag(text) for text in context.headings]
        if self.sentence.form is not Form.PROSE:
            around.append(self.lead)
        for words in around:
            for _, span in () if _own(words) else find(speakers.HEADING_SAYS, words):
                yield from list(_authorities(words[span.start : span.end])) or [ANY_SOURCE]

    def columns(self) -> frozenset[str]:
        """Columns that the sentence, its labels or its nearest heading name."""
        context, named = self.sentence.context, self.vocabulary.columns_in
        return named(self.sentence.text, context.row, context.column) or named(
            *context.headings[-1:]
        )


def _own(words: Sequence[Word]) -> bool:
    return any(word.sort is Sort.OURS for word in words)


def _authorities(words: Sequence[Word]) -> Iterator[str]:
    for word in words:
        if word.sort is Sort.AUTHORITY:
            yield word.name
        elif word.sort is Sort.CITATION:
            yield CITED


def _attributed(words: Sequence[Word], *, figure: bool) -> Iterator[str]:
    """Whom words attribute something to; a figure may also belong to an authority's table."""
    likened = [span for _, span in find(speakers.NOT_BELONGING, words)]
    tables = [*speakers.SAYS, *(speakers.BELONGS if figure else ())]
    for _, span in find(tables, words):
        if not any(other.start <= span.start and span.end <= other.end for other in likened):
            yield from _authorities(words[span.start : span.end])
    if not figure:
        yield from _subject(words)
    named = (w.sort is Sort.CITATION and not w.raw[1].isdigit() for w in words)
    if any(named) or holds(speakers.CITED, words):
        yield CITED


def _subject(words: Sequence[Word]) -> Iterator[str]:
    """The authority that a clause begins with, where it is what matches or outdoes."""
    for at, word in enumerate(words[:_SUBJECT]):
        following = words[at + 1 :]
        if word.sort is Sort.AUTHORITY:
            possessive = bool(following) and following[0].low in ("'s", "'")
            passive = holds(assertions.PASSIVE, following)
            active = holds((*assertions.PARITY_WITH, *assertions.SUPERIORITY), following)
            if active and not passive and not possessive:
                yield word.name
            return
        if word.sort is not Sort.WORD:
            return

"""What a sentence says as a whole, whatever stands in its clauses.

A figure beside its metric, or one of ours beside whom it is compared with, is a claim among orders
and deeds as well; a label with its status is one without any verb; and `them` are whom the clause
or the sentence before it names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from verify.prose import lexicon as lex
from verify.prose.page import Form, Sentence
from verify.prose.plain import beside, plain

_DECIMAL = re.compile(r"\d[.,]\d|[a-z][\s-]+(?:point|and|half|halves|quarters|thirds)")
_SHORT = 8  # words of a label with its status


def figures(text: str) -> list[str]:
    """The numbers of a folded text that count, date, name or place nothing."""
    bare = lex.METRIC.sub(" ", lex.NO_FIGURE.sub(" ", text))
    return [match.group().strip() for match in lex.FIGURE.finditer(bare)]


def measured(text: str) -> str:
    """A metric with a decimal in one sentence that neither supposes, bounds nor denies it."""
    metric = lex.METRIC.search(text)
    found = [one for one in figures(text) if _DECIMAL.search(one)] if metric else []
    if metric is None or not found or lex.SUPPOSED.search(text) or lex.OPEN_QUESTION.match(text):
        return ""
    return f"{metric.group()} {found[0]}"


def bare(text: str, before: str) -> str:
    """A decimal of ours beside whom it is compared with, in a sentence without a metric."""
    rest = lex.STANDS_AT.sub(" ", text)
    ours = lex.OURS.search(text) or lex.DRIFT_SUBJECT.search(text)
    others = lex.COMPARAND.search(text) or (
        lex.COMPARAND.search(before) if figures(before) else None
    )
    found = [one for one in figures(text) if _DECIMAL.search(one)]
    if not (ours and others and found) or lex.SUPPOSED.search(re.sub("not|n't", " ", text)):
        return ""
    if plain(rest, "deeds", "things"):
        return ""
    return f"{others.group()} ... {ours.group().strip()} {found[0]}"


def status(text: str, form: Form) -> str:
    """A label with a status that only a finished claim has: `topic: reproduced`."""
    if form in (Form.LABEL, Form.CELL) or len(text.split()) > _SHORT:
        return ""
    match = lex.STATUS.match(text)
    topic = re.split(r"[:|=]", text)[0]
    return match.group() if match and not plain(topic) else ""


def of_them(clause: str, earlier: str) -> str:
    """A clause about ours and `them`, whom the words before it name."""
    known = lex.COMPARAND.search(earlier)
    them = lex.THEM.search(clause)
    if known is None or them is None or lex.COMPARAND.search(clause):
        return ""
    return beside(clause[: them.start()] + known.group() + clause[them.end() :])


def whole(sentence: Sentence, text: str, spell: Callable[[str], str]) -> Iterator[str]:
    """The words of figures and labels that a sentence states, whatever its clauses do."""
    for cue in (
        measured(text),
        bare(text, spell(sentence.context.before)),
        status(text, sentence.form),
    ):
        if cue:
            yield cue

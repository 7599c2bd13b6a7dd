"""The net: what in a sentence could be read as a claim, and the frames in which nothing is claimed.

It looks for a figure beside a metric, for agreement, superiority, speed and praise, clause by
clause, in the text as it is and with look-alike letters read as Latin ones. It knows nothing of
evidence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from verify.prose import frames
from verify.prose import lexicon as lex
from verify.prose.page import Form, Sentence
from verify.prose.text import fold, latin

_Spell = Callable[[str], str]


class Act(StrEnum):
    """What a sentence seems to do."""

    FIGURE = "figure"
    PARITY = "parity"
    SUPERIORITY = "superiority"
    QUALITY = "quality"
    SPEED = "speed"
    RESTATED = "restated"  # a claim's own sentence
    FORBIDDEN = "forbidden"
    MARKED = "marked"


@dataclass(frozen=True)
class Catch:
    """One reason why a sentence is in the net: the words that brought it there."""

    act: Act
    cue: str


def catches(sentence: Sentence) -> tuple[Catch, ...]:
    """Everything in a sentence that could be read as a claim; empty where it claims nothing."""
    found = dict[Catch, None]()
    for spell in (fold, latin):
        found.update(dict.fromkeys(_caught(sentence, spell(sentence.text), spell)))
    return tuple(found)


def said(sentence: Sentence) -> tuple[str, ...]:
    """The parts of a sentence that no frame takes back, in both spellings."""
    parts = dict[str, None]()
    for spell in (fold, latin):
        if _open_question(sentence, spell(sentence.text), spell):
            continue
        for clause in _clauses(frames.MENTION.sub(" ", spell(sentence.text))):
            parts[clause[: _frame_start(clause)]] = None
    return tuple(parts)


def _caught(sentence: Sentence, text: str, spell: _Spell) -> Iterator[Catch]:
    text = frames.MENTION.sub(" ", text)
    around = [spell(part) for part in (sentence.context.row, sentence.context.column)]
    labels = " ".join(part for part in around if part)
    if sentence.form in (Form.OUTPUT, Form.METADATA):
        if labels or lex.BESIDE.search(text):
            yield from _figure_in(f"{labels} {text}", text)
        return
    if labels:
        yield from _cell(text, labels, spell(sentence.context.lead))
    if _open_question(sentence, text, spell):
        return
    yield from _split_figure(sentence, text, spell)
    for clause in _clauses(text):
        for catch in _clause(clause):
            # The head of a column says nothing before a cell below it does.
            if sentence.form is not Form.LABEL or catch.act is not Act.PARITY:
                yield catch


# -- figures --------------------------------------------------------------------------------------


def figures(text: str) -> list[str]:
    """The numbers of a folded text that count, date, name or place nothing."""
    bare = lex.METRIC.sub(" ", lex.NO_FIGURE.sub(" ", text))
    return [match.group().strip() for match in lex.FIGURE.finditer(bare)]


def _figure_in(text: str, within: str) -> Iterator[Catch]:
    """A metric with a figure; the figure has to stand in `within`."""
    metric = lex.METRIC.search(text)
    share = None if metric else lex.SHARE_METRIC.search(text)
    for figure in figures(within) if metric or share else ():
        if metric or _is_share(figure):
            yield Catch(Act.FIGURE, f"{(metric or share).group()} {figure}")  # type: ignore[union-attr]
            return


def _is_share(figure: str) -> bool:
    return bool(re.search(r"%|percent|prozent|^0?[.,]\d|^\d\d[.,]\d", figure))


def _cell(text: str, labels: str, lead: str) -> Iterator[Catch]:
    """A number under a metric, or a yes under words that claim something."""
    known = f"{labels} {lead}" if lex.METRIC.search(lead) else labels
    if not frames.NOT_A_RESULT.search(labels):
        yield from _figure_in(f"{known} {text}", text)
    if frames.AFFIRMED.search(text):
        yield from _clause(re.sub(r"[?]", "", labels))


def _split_figure(sentence: Sentence, text: str, spell: _Spell) -> Iterator[Catch]:
    """A figure whose metric stands in the sentence before it."""
    before = spell(sentence.context.before)
    if not before or lex.METRIC.search(text) or not lex.METRIC.search(before):
        return
    found = [one for one in figures(text) if re.search(r"[.,]\d|^\d{1,3}$", one)]
    plain = frames.FRAME.search(text) or frames.DENIAL.search(text) or lex.NO_FIGURE.fullmatch(text)
    short = len(text.split()) <= _SHORT or lex.OURS.search(text)
    if found and short and not plain and not figures(before):
        yield Catch(Act.FIGURE, f"{lex.METRIC.search(before).group()} ... {found[0]}")  # type: ignore[union-attr]


_SHORT = 9  # words of a sentence that says a figure and little else


# -- clauses --------------------------------------------------------------------------------------

_CUTS = re.compile(
    r"[;。；]|:\s|\s-+\s|,\s(?:and|but|while|whereas|so|yet|which|und|aber|et|mais|y|pero)\s|\s(?:but|aber|pero|mais)\s"
    r"|(?<=[a-z]),\s|，|、"
)


def _clauses(text: str) -> Iterator[str]:
    """Parts of a sentence in which a negation or a condition governs what follows it."""
    parts = [part.strip() for part in _CUTS.split(text) if part and part.strip()]
    joined = list[str]()
    for part in parts:
        # An enumeration or a place before the comma is no clause of its own.
        if joined and (len(part.split()) <= 1 or frames.PURPOSE.search(joined[-1])):
            joined[-1] += f", {part}"
        else:
            joined.append(part)
    yield from joined
    if len(joined) > 1 and not any(_frame_start(part) is not None for part in joined):
        yield text


def _clause(text: str) -> Iterator[Catch]:
    if frames.DEFINES.search(text):
        return
    start = _frame_start(text)
    said = text if start is None else text[:start]
    yield from _rivals(text)
    if not said.strip():
        return
    yield from _figure_in(said, said)
    yield from _metric_change(said)
    yield from _speed(said)
    yield from _parity(said)
    yield from _superior(said)
    yield from _praise(said)


def _frame_start(text: str) -> int | None:
    """Where words begin that claim nothing: a condition, a goal, a check, a plain denial."""
    found = []
    for match in frames.FRAME.finditer(text):
        if not any(m.start() <= match.end() and m.end() >= match.start() for m in _unframed(text)):
            found.append(match.start())
    if (denied := _denied(text)) is not None:
        found.append(denied)
    return min(found, default=None)


def _unframed(text: str) -> list[re.Match[str]]:
    return list(frames.NOT_A_FRAME.finditer(text))


def _denied(text: str) -> int | None:
    """Where a denial of ours begins; none that praises us by what others do not reach."""
    match = frames.TRAILING.search(text) or frames.DENIAL.search(text)
    if match is None or frames.NOT_A_DENIAL.search(text) or frames.NO_RIVAL.search(text):
        return None
    subject, rest = text[: match.start()], text[match.end() :]
    others = lex.RIVAL.search(subject) or lex.TARGET.search(subject)
    if others and lex.OURS.search(rest):
        return None
    follows = match.re is frames.TRAILING or not match.group().isascii()
    return 0 if follows else match.start()


def _rivals(text: str) -> Iterator[Catch]:
    """Praise in the shape of a denial."""
    if match := frames.NO_RIVAL.search(text):
        about = (
            lex.OURS.search(text)
            or lex.OUTCOME.search(text)
            or lex.METRIC.search(text)
            or lex.RIVAL.search(text)
        )
        if about or re.search(r"close|open|other|offers|compar|as good|better", match.group()):
            yield Catch(Act.SUPERIORITY, match.group())
    lack = frames.LACK.search(text)
    negated = lack and frames.NEGATION.search(text)
    if negated and (lex.TARGET.search(text) or lex.PRAISED.search(text) or lex.RIVAL.search(text)):
        yield Catch(Act.PARITY, lack.group())  # type: ignore[union-attr]


def _metric_change(text: str) -> Iterator[Catch]:
    metric = lex.METRIC.search(text)
    change = metric and (
        lex.RIVAL.search(text) or lex.CHANGE.search(text) or lex.PRAISE.search(text)
    )
    about = lex.OURS.search(text) or lex.TARGET.search(text) or lex.RIVAL.search(text)
    if change and about:
        yield Catch(Act.FIGURE, f"{metric.group()}, {change.group()}")  # type: ignore[union-attr]


def _speed(text: str) -> Iterator[Catch]:
    if (match := lex.SPEED.search(text)) or (
        match := re.search(r"\d[\d.,]* ?% (?:less|more|fewer|faster|lower)", text)
    ) is not None:
        yield Catch(Act.SPEED, match.group())


def _parity(text: str) -> Iterator[Catch]:
    if match := lex.STRONG_PARITY.search(text):
        yield Catch(Act.PARITY, match.group())
        return
    target = lex.TARGET.search(text) or lex.RIVAL.search(text)
    weak = lex.PARITY.search(text) or frames.PASSIVE.search(text)
    if weak and target and not frames.FORM_WORDS.search(text):
        yield Catch(Act.PARITY, f"{weak.group()} ... {target.group()}")
    elif (
        target
        and lex.OUTCOME.search(text)
        and lex.GAINED.search(text)
        and not (_told(text) or (_subject_is_source(text) and not lex.OURS.search(text)))
    ):
        yield Catch(Act.PARITY, f"{lex.OUTCOME.search(text).group()} ... {target.group()}")  # type: ignore[union-attr]
    elif (beside := lex.BESIDE_SOURCE.search(text)) and not lex.USE_OF_SOURCE.search(text):
        if not _subject_is_source(text) and not _told(text) and not frames.NEGATION.search(text):
            yield Catch(Act.PARITY, beside.group().lstrip("'\"), "))
    elif weak and lex.METRIC.search(text) and lex.OURS.search(text):
        yield Catch(Act.PARITY, f"{weak.group()}, {lex.METRIC.search(text).group()}")  # type: ignore[union-attr]


def _subject_is_source(text: str) -> bool:
    return bool(lex.TARGET.match(re.sub(r"^(?:the|an?|all|both|in|on|by)\s", "", text)))


def _told(text: str) -> bool:
    """Whether a source, a test or a table is what the clause is about, and not we."""
    return bool(frames.ABOUT_A_SOURCE.search(text)) and not lex.OURS.search(text)


def _superior(text: str) -> Iterator[Catch]:
    if match := lex.SUPERIOR.search(text):
        yield Catch(Act.SUPERIORITY, match.group())
        return
    best = lex.SUPERLATIVE.search(text)
    if best and not lex.NOT_SUPERLATIVE.search(text):
        yield Catch(Act.SUPERIORITY, best.group())
        return
    more = lex.COMPARATIVE.search(text)
    than = more and lex.THAN.search(text, more.start())
    if more and than:
        beside = lex.TARGET.search(text) or lex.RIVAL.search(text) or lex.OURS.search(text)
        if beside:
            yield Catch(Act.SUPERIORITY, f"{more.group()} {than.group()} ... {beside.group()}")


def _praise(text: str) -> Iterator[Catch]:
    if lex.METRIC.search(text) and (match := lex.EVALUATED.search(text)):
        yield Catch(Act.QUALITY, match.group())
    if match := lex.PRAISE.search(text):
        yield Catch(Act.QUALITY, match.group())
        return
    if (match := lex.QUALITY_OF.search(text)) is not None:
        yield Catch(Act.QUALITY, match.group())
        return
    praised, good = lex.PRAISED.search(text), lex.GOOD.search(text)
    strong = good and re.search(
        r"perfect|excel|beauti|guarantee|good|great|high|hoh|高|quali", good.group()
    )
    if praised and good and (strong or lex.OURS.search(text) or lex.TARGET.search(text)):
        yield Catch(Act.QUALITY, f"{good.group()} {praised.group()}")
    steady, always = lex.STEADY.search(text), lex.ALWAYS.search(text)
    if steady and (always or (praised and frames.NEGATION.search(text))):
        yield Catch(Act.QUALITY, steady.group())


# -- questions ------------------------------------------------------------------------------------


def _open_question(sentence: Sentence, text: str, spell: _Spell) -> bool:
    """A question that is left open, or answered with no; a yes or rhetoric makes it a claim."""
    if not text.rstrip("\"')").endswith(("?", "？")):
        return False
    answer = spell(sentence.context.after)
    unanswered = not answer or frames.UNANSWERED.search(answer)
    yes = frames.YES.search(answer) or len(answer.split()) <= _SHORT
    return bool(frames.OPEN_QUESTION.search(text)) and not (yes and not unanswered)

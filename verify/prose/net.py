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
from functools import lru_cache

from verify.prose import learned
from verify.prose import lexicon as lex
from verify.prose.page import Form, Sentence
from verify.prose.plain import beside, unplain
from verify.prose.text import fold, latin
from verify.prose.whole import figures, of_them, whole

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
    LIKENESS = "likeness"  # to sentences that were labelled as claims


@dataclass(frozen=True)
class Catch:
    """One reason why a sentence is in the net: the words that brought it there."""

    act: Act
    cue: str


def catches(sentence: Sentence) -> tuple[Catch, ...]:
    """Everything in a sentence that could be read as a claim; empty where it claims nothing."""
    found = dict[Catch, None]()
    for spell in _spellings(sentence):
        found.update(dict.fromkeys(_caught(sentence, spell(sentence.text), spell)))
    return _weighed(sentence, tuple(found))


_MERE = (Act.QUALITY, Act.SPEED)  # neither figures nor what is said beside others
_SHORT_OF = 7  # words, of which fewer say less of what they are like
_FEWEST = 3  # words of a sentence that anything can be told of
_READ = (Form.PROSE, Form.HEADING, Form.QUOTE, Form.CAPTION, Form.BADGE)


def _weighed(sentence: Sentence, found: tuple[Catch, ...]) -> tuple[Catch, ...]:
    """What the words caught, and what is learnt of sentences: it adds, and lets go."""
    weighed = sentence.form in _READ and len(sentence.text.split()) >= _FEWEST
    odds = learned.score(sentence.text, sentence.form) if weighed else learned.CLAIM
    if odds < learned.INNOCENT:
        denies = lex.NEGATION.search(latin(sentence.text))
        go = (*_MERE, Act.PARITY, Act.SUPERIORITY) if denies else _MERE
        return tuple(catch for catch in found if catch.act not in go)
    least = learned.CLAIM if len(sentence.text.split()) >= _SHORT_OF else learned.SURE
    if not found and odds > least:
        return (Catch(Act.LIKENESS, learned.cue(sentence.text, sentence.form)),)
    return found


def said(sentence: Sentence) -> tuple[str, ...]:
    """The parts of a sentence that no frame takes back, in both spellings."""
    parts = dict[str, None]()
    for spell in _spellings(sentence):
        text = _unquoted(spell(sentence.text))
        if _open_question(sentence, text, spell) or _taken_back(text):
            continue
        for clause in _clauses(text):
            parts[clause[: _frame_start(clause)]] = None
    return tuple(parts)


def _spellings(sentence: Sentence) -> tuple[_Spell, ...]:
    """Both spellings, or the first where no letter looks like another."""
    around = sentence.context
    texts = (sentence.text, around.row, around.column, around.lead, around.before, around.after)
    return (fold,) if all(fold(one) == latin(one) for one in texts) else (fold, latin)


def _caught(sentence: Sentence, text: str, spell: _Spell) -> Iterator[Catch]:
    text = _unquoted(text)
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
    for cue in whole(sentence, text, spell):
        yield Catch(Act.FIGURE, cue)
    if _taken_back(text):
        return
    yield from _split_figure(sentence, text, spell)
    yield from _likewise(sentence, text, spell)
    earlier = spell(sentence.context.before)
    for clause in _clauses(text):
        for catch in (*_clause(clause), *_unplain(clause, text, sentence.form, earlier)):
            # The head of a column says nothing before a cell below it does.
            if sentence.form is not Form.LABEL or catch.act is not Act.PARITY:
                yield catch
        earlier = f"{earlier} ; {clause}"
    for table in ("denials", "idioms") if len(text) < _SPAN else ():  # over a comma or a colon
        yield from _ruled(table, text)


_SPAN = 160  # characters over which words are still about each other


_FILE = re.compile(
    r"(?<![^\W_])[\w/-]+\.(?:py|np[yz]|ya?ml|json|md|tex|png|jpe?g|csv|txt|toml|sh|cfg|ini|pth?|"
    r"safetensors|zip|tar|html|log|lock|ipynb|svg|pdf)(?![^\W_])|\w+/\*"
)


def _unquoted(text: str) -> str:
    """Without words that are only mentioned, or quoted in order to be taken back."""
    text = _FILE.sub(" file ", lex.MENTION.sub(" ", text))
    return lex.QUOTED.sub(" ", text) if lex.WITHDRAWN.search(text) else text


def _taken_back(text: str) -> bool:
    frames = lex.data("rules")["taken_back"]
    if lex.RESULT.search(text) and lex.METRIC.search(text):  # a setting that leads to a figure
        frames = [name for name in frames if name != "SETTING"]
    return not lex.NOT_SO.search(text) and any(_seen(name, text) for name in frames)


# -- figures --------------------------------------------------------------------------------------


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
    if not lex.NOT_A_RESULT.search(labels):
        yield from _figure_in(f"{known} {text}", text)
    if lex.AFFIRMED.search(text):
        yield from _clause(re.sub(r"[?]", "", labels))
        if cue := beside(labels) or _same(labels):
            yield Catch(Act.PARITY, cue)


def _same(labels: str) -> str:
    found = None if lex.FORM_WORDS.search(labels) else lex.SAME.search(labels)
    return found.group() if found else ""


def _split_figure(sentence: Sentence, text: str, spell: _Spell) -> Iterator[Catch]:
    """A figure whose metric stands in the sentence before it."""
    before = spell(sentence.context.before)
    metric = lex.METRIC.search(before) or lex.SHARE_METRIC.search(before)
    if not metric or lex.METRIC.search(text):
        return
    found = [one for one in figures(text) if re.search(r"[.,]\d|^\d{1,3}$|^\D+$", one)]
    plain = lex.FRAME.search(text) or lex.DENIAL.search(text) or lex.NO_FIGURE.fullmatch(text)
    short = len(text.split()) <= _SHORT or lex.OURS.search(text)
    right = found and (lex.METRIC.search(before) or _is_share(found[0]))
    if right and short and not plain and not figures(before):
        yield Catch(Act.FIGURE, f"{metric.group()} ... {found[0]}")


def _likewise(sentence: Sentence, text: str, spell: _Spell) -> Iterator[Catch]:
    """Agreement with what the sentence before it names."""
    before, match = spell(sentence.context.before), lex.LIKEWISE.search(text)
    known = lex.METRIC.search(before) or lex.COMPARAND.search(before)
    if match and known and len(text.split()) <= _SHORT and _frame_start(text) is None:
        yield Catch(Act.PARITY, f"{known.group()} ... {match.group()}")


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
        if joined and (len(part.split()) <= 1 or lex.PURPOSE.search(joined[-1])):
            joined[-1] += f", {part}"
        else:
            joined.append(part)
    yield from joined
    if len(joined) > 1 and not any(_frame_start(part) is not None for part in joined):
        yield text


def _clause(text: str) -> Iterator[Catch]:
    if lex.DEFINES.search(text):
        return
    start = _frame_start(text)
    said = text if start is None else text[:start]
    yield from _ruled("denials", text)
    yield from _ruled("idioms", text)
    if said.strip():
        yield from _figure_in(said, said)
        yield from _ruled("asserted", said)
        yield from _ruled("plain", said)


def _unplain(clause: str, sentence: str, form: Form, earlier: str) -> Iterator[Catch]:
    """A clause about ours or others without any word of plain work, whatever it says of them."""
    if form in (Form.LABEL, Form.CELL) or lex.DEFINES.search(clause):
        return
    if form is Form.HEADING and lex.ASKS.search(clause):
        return  # the question that a chapter answers
    start = _frame_start(clause)
    soft = lex.SOFT.search(clause, start) if start is not None else None
    supposed = clause if soft and soft.start() == start else clause[:start]
    told = clause[:start]
    if cue := unplain(clause, told, supposed, sentence) or of_them(told, earlier):
        yield Catch(Act.QUALITY, cue)


def _frame_start(text: str) -> int | None:
    """Where words begin that claim nothing: a condition, a goal, a check, a plain denial."""
    found = []
    for match in lex.FRAME.finditer(text):
        if not any(m.start() <= match.end() and m.end() >= match.start() for m in _unframed(text)):
            found.append(match.start())
    if (start := denied(text)) is not None:
        found.append(start)
    return min(found, default=None)


def _unframed(text: str) -> list[re.Match[str]]:
    return list(lex.NOT_A_FRAME.finditer(text))


def denied(text: str) -> int | None:
    """Where a denial of ours begins; none that praises us by what others do not reach."""
    match = lex.TRAILING.search(text) or lex.DENIAL.search(text)
    if match is None or lex.NOT_A_DENIAL.search(text) or lex.NO_RIVAL.search(text):
        return None
    subject, rest = text[: match.start()], text[match.end() :]
    if lex.NONE_OF.search(subject) and lex.WANTING.search(match.group()):
        return None  # nothing is missing
    others = lex.RIVAL.search(subject) or lex.TARGET.search(subject)
    if others and lex.OURS.search(rest):
        return None
    follows = match.re is lex.TRAILING or lex.TRAILS.search(match.group())
    return 0 if follows else match.start()


# -- rules ----------------------------------------------------------------------------------------


def _ruled(table: str, text: str) -> Iterator[Catch]:
    for act, cue, *others in lex.data("rules")[table]:
        found = all(_has(one, text) for one in others) and _cue(cue, text, table)
        if found:
            yield Catch(Act(act), found.strip("'\"), "))


def _has(names: str, text: str) -> bool:
    if names.startswith("!"):
        return not _seen(names[1:], text)
    return any(_seen(name, text) for name in names.split("|"))


def _seen(name: str, text: str) -> bool:
    return _searched(getattr(lex, name), text)


@lru_cache(1 << 14)
def _searched(words: re.Pattern[str], text: str) -> bool:
    return words.search(text) is not None


def _cue(names: str, text: str, table: str) -> str:
    """The words of a rule that no negation stands before; in a rule of denials they may be."""
    for name in names.split("|"):
        for match in getattr(lex, name).finditer(text):
            if table in ("asserted", "denials") or not _negated(text, match):
                return str(match.group())
    return ""


def _negated(text: str, match: re.Match[str]) -> bool:
    before, after = text[: match.start()], text[match.end() :]
    return bool(lex.NEGATED.search(before) or lex.NEGATED_AFTER.search(after))


# -- questions ------------------------------------------------------------------------------------


def _open_question(sentence: Sentence, text: str, spell: _Spell) -> bool:
    """A question that is left open, or answered with no; a yes or rhetoric makes it a claim."""
    if not text.rstrip("\"')").endswith(("?", "？")):
        return False
    answer = spell(sentence.context.after)
    if lex.REFUSED.search(answer) and lex.FAULT.search(text):
        return False  # a question after a fault, answered with no
    unanswered = not answer or lex.UNANSWERED.search(answer)
    yes = lex.YES.search(answer) or len(answer.split()) <= _SHORT
    return not lex.RHETORICAL.search(text) and not (yes and not unanswered)

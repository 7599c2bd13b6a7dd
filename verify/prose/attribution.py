"""Whether a sentence says whose figure it quotes, and whether that authority states it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from verify.prose import lexicon as lex
from verify.prose.evidence import Evidence, KnownAuthority, KnownFact
from verify.prose.net import Act, catches, denied, said
from verify.prose.page import Form, Sentence
from verify.prose.text import latin, pattern
from verify.prose.whole import figures

_NOT_OURS = re.compile(
    r"(?:and )?(?:not|never|none of) (?:ours|our own|us|we)\b"
    # what is left where a denial began
    r"|(?:^|; )\s*(?:and |but |yet |so )?(?:we|i)"
    r"(?: (?:do|did|have|had|can|could|make|made))?\s*(?=;|$)"
)
_COLUMN = re.compile(r"\b([a-z])\s?[/-]\s?(\d+)\b")
_WITHIN = re.compile(r"(?:to )?within \d[\d.]*|(?:by|of) \d[\d.]* (?:hours|gpu)\S*")


@dataclass(frozen=True)
class Said:
    """Whether an attribution holds and why; `facts` are those that its figures match, or should."""

    holds: bool
    reason: str = ""
    misquoted: bool = False
    ours: bool = False
    facts: tuple[KnownFact, ...] = ()


def hold(sentence: Sentence, evidence: Evidence) -> Said:
    """A sentence of somebody else's, held against what that authority states."""
    context = sentence.context
    labels = latin(" | ".join(filter(None, (context.row, context.column, context.lead))))
    text = latin(sentence.text)
    if sentence.form is Form.QUOTE:  # in it, "we" are whom it quotes
        text = lex.OURS.sub(" ", text)
    parts = said(sentence) if sentence.form is not Form.QUOTE else (text,)
    pieces = [one for part in (*parts, labels) for one in re.split(r"[;,]\s|[()|]", part)]
    kept = _NOT_OURS.sub(" ", "; ".join(one for one in pieces if not _disowned(one)))
    ours = bool(lex.OURS.search(kept)) or _subject(text, evidence)
    found = _figures(text) if text else []
    about = [f for f in evidence.facts if _is_about(f, f"{text} {labels}")]
    stated = _stated(found, about, f"{text} {labels}", evidence)
    named = _named(text, labels, evidence)
    if not named and not found and _of_two(text, evidence):
        named = {_FOREIGN}
    if ours or not named or lex.PASSIVE.search(text):
        return Said(False, ours=ours, facts=tuple(stated))
    if not found:
        return _words_alone(sentence, text, named, evidence)
    if named == {_FOREIGN}:
        return Said(True, "a figure of others, with its citation; not in the facts, not checked")
    theirs = [f for f in about if f.authority in named]
    right = _stated(found, theirs, f"{text} {labels}", evidence)
    if right:
        return Said(True, f"quoted from: {', '.join(sorted(named))}", facts=tuple(right))
    who = ", ".join(sorted(named))
    place = f" ({theirs[0].at})" if theirs else ""
    reason = f"misquoted: the {who} does not state {', '.join(found)}{place}"
    return Said(False, reason, misquoted=True, facts=tuple(theirs[:1]))


def _words_alone(sentence: Sentence, text: str, named: set[str], evidence: Evidence) -> Said:
    """What somebody else is said to claim in words: only where a verb says that they say it."""
    acts = {catch.act for catch in catches(sentence)}
    names = "|".join(_names(a) for a in evidence.authorities if a.id in named)
    reported = names and re.search(
        rf"(?:{names})(?:'s? \w+)?\s(?:\w+\s){{0,2}}{lex.text('TELLS')}\b", text
    )
    reported = reported or re.search(
        rf"(?:{lex.text('STRICTLY')}\W*(?:\w+\W+)?|^in )(?:{names})", text
    )
    if (names and reported and Act.FIGURE not in acts) or _of_two(text, evidence):
        return Said(True, f"told of: {', '.join(sorted(named))}")
    return Said(False)


def _of_two(text: str, evidence: Evidence) -> bool:
    """Whether a sentence says of one authority how it stands to another."""
    mentioned = [a for a in evidence.authorities if re.search(rf"\b(?:{_names(a)})\b", text)]
    subject = any(re.match(rf"(?:the )?(?:{_names(a)}) \w+s\b", text) for a in mentioned)
    return subject and len(mentioned) > 1


_FOREIGN = "others"


def _named(text: str, labels: str, evidence: Evidence) -> set[str]:
    """The authorities to which a sentence attributes what it says."""
    if lex.THIRD.search(text) and (lex.OTHERS.search(text) or lex.RIVAL.search(text)):
        return {_FOREIGN}
    found = set[str]()
    for authority in evidence.authorities:
        name = _names(authority)
        if re.search(rf"(?:{_REACHES}\W+(?:\w+\W+){{0,2}}?|{_LIKE})(?:the )?(?:{name})", text):
            continue
        says = re.compile(
            rf"(?:^|[\s,;(])(?:{name})(?:'s?)?(?:\W+\w+){{0,6}}?\W+{lex.text('SAYS')}\b"
            rf"|\b{lex.text('ACCORDING')}\s+(?:\w+\s+){{0,4}}?(?:{name})(?![^\W_])"
            rf"|(?:table|section|figure|abstract|appendix)s?"
            rf"[\s\w.]{{0,8}} (?:of|in) (?:the )?(?:{name})"
            rf"|(?:{lex.text('ACCORDING')}|根据|据)\s*(?:{name})|(?:{name})(?:によると|によれば|报告|称|の報告|の[^。]{{0,24}}(?:とあります|とある|です|である)|(?:て)?は\W)"
            rf"|\b{lex.text('SAYS')},?\s+(?:by\s+)?(?:the\s+)?(?:{name})(?![^\W_])"
            rf"|(?:{name})(?:'s|s')\s+(?:\w+\s+){{0,4}}(?:fid|inception|figure|metric|table|score|abstract)"
            rf"|\((?:[^()]*[\s,])?(?:{name})[^()]*\)"
        )
        label = re.search(rf"(?<![^\W_])(?:{name})(?![^\W_])", labels)
        if says.search(text) or label:
            found.add(authority.id)
    if not found and lex.FOREIGN.search(text):
        found.add(_FOREIGN)
    return found


def _disowned(part: str) -> bool:
    """A clause without a figure that says what we have not done, and praises nothing by it.

    Only a plain denial says so, and one alone: what is not missing, or no trouble, is praise.
    """
    rest, undone = lex.NOT_DONE.subn(" ", part)
    lacking = lex.DENIAL.search(rest)
    bare = lacking is not None and not lex.NEGATION.search(lacking.group())
    signs = undone + len(lex.NEGATION.findall(rest)) + bare
    praise = (lex.LACK, lex.FAULT, lex.BETTER, lex.LITOTES)
    praises = any(words.search(part) for words in praise) or lex.AGREES.search(rest)
    plain = undone or denied(part) is not None
    return bool(plain and signs == 1 and not praises and not figures(part))


# Before an authority's name these make its figure somebody else's achievement.
_REACHES = (
    r"\b(?:reach|match|hit|attain|achiev|obtain|recover|beat|surpass|meet|equal"
    r"|reproduc|erreich|attein|alcanz)\w*"
)
_LIKE = (
    r"\b(?:good|well|accurate|fast|same|just|exactly|precisely|sharp|faithful"
    r"|everything|all|what)\W+(?:as\W+)?"
)


@cache
def _names(authority: KnownAuthority) -> str:
    title = latin(authority.title)
    own = {latin(authority.id).replace("_", " "), title, title.removeprefix("the ")}
    own |= {
        part.strip()
        for part in latin(authority.identifier).split(",")
        if len(part.strip()) > _SHORT
    }
    names = [rf"(?:the )?{re.escape(name)}" for name in sorted(own, key=len, reverse=True) if name]
    alias = lex.text("ALIASES").get(authority.id)
    return pattern(*([alias] if alias else []), *names).pattern


@cache
def called(authority: KnownAuthority) -> re.Pattern[str]:
    """The names of an authority, in any case."""
    return re.compile(rf"(?<![^\W_])(?:{_names(authority)})(?![^\W_])", re.I)


_SHORT = 4  # letters of an identifier that is too short to name anything


def _subject(text: str, evidence: Evidence) -> bool:
    return bool(re.search(rf"(?<![^\W_]){re.escape(latin(evidence.subject))}(?![^\W_])", text))


def _figures(text: str) -> list[str]:
    return [one for one in figures(_WITHIN.sub(" ", text)) if value(one) is not None]


def value(figure: str) -> tuple[float, int] | None:
    """A number and how many decimals it is written with."""
    digits = re.sub(r"[^\d.,]", "", figure).replace(" ", "").strip(".,")
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits):
        digits = digits.replace(",", "")
    digits = digits.replace(",", ".")
    try:
        return float(digits), len(digits.partition(".")[2])
    except ValueError:
        return None


def metric_of(fact: KnownFact) -> str:
    """The metric that a fact is about, as its title or words name it."""
    text = f"{fact.title} {fact.says}"
    match = re.search(r"FID|Inception score|KID|[Pp]recision|[Rr]ecall", text)
    return match.group() if match else ""


def _is_about(fact: KnownFact, text: str) -> bool:
    """Whether a fact and a text name the same metric."""
    kinds = _metrics(latin(f"{fact.title} {fact.says} {fact.topic.replace('_', ' ')}"))
    asked = _metrics(text)
    return bool(kinds & asked if asked else metric_of(fact))


def _metrics(text: str) -> set[str]:
    found = {re.sub(r"[\W_]", "", m.group()).replace("1", "i") for m in lex.METRIC.finditer(text)}
    named = {"fid" if one.startswith("frechet") else one[:9] for one in found}
    return named | {m.group() for m in lex.SHARE_METRIC.finditer(text)}


def _stated(
    found: Iterable[str], facts: Iterable[KnownFact], text: str, evidence: Evidence
) -> list[KnownFact]:
    """A fact for each figure; none where any figure is stated by none of the right column."""
    columns = _columns(text, evidence)
    right, known = list[KnownFact](), list(facts)
    for figure in found:
        number = value(figure)
        fits = [f for f in known if number and round(f.value, number[1]) == number[0]]
        keyed = [
            f for f in fits if not columns or not _of(f, evidence) or _of(f, evidence) & columns
        ]
        if not keyed:
            return []
        right.append(keyed[0])
    return right


def _columns(text: str, evidence: Evidence) -> set[str]:
    said = {"".join(match.groups()).upper() for match in _COLUMN.finditer(text)}
    return {column for column in evidence.columns if column.upper() in said}


def _of(fact: KnownFact, evidence: Evidence) -> set[str]:
    return {column for column in evidence.columns if column in fact.key.split()}

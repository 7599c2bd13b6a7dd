"""Whether a sentence says more than the claim that its author ties it to."""

from __future__ import annotations

import re

from verify.outcome import Axis
from verify.prose import lexicon as lex
from verify.prose.attribution import value
from verify.prose.evidence import Evidence, KnownClaim
from verify.prose.net import Act, catches
from verify.prose.page import Sentence
from verify.prose.plain import unknown
from verify.prose.text import bag, latin, stem

# Words that widen or sharpen what is said: a paraphrase may have them only where the claim does.
_STRICT = (
    "exact", "bit", "byte", "identical", "lossless",
    "indistinguish", "all", "every", "any", "always",
    "never", "full", "complete", "perfect",
    "everything", "without", "guarantee", "prove", "only", "best",
)  # fmt: skip
_COMMON = bag("the a an of and or to in on for with is are that it this its as by at from each one")
_SHORTEST = 3  # letters of a word that says something
_FEWEST_SHARED = 2


def content(text: str) -> frozenset[str]:
    """The stems of a text's words, without those that every sentence has."""
    found = re.findall(r"[^\W\d_]+|\w/\d+", latin(text))
    return frozenset(stem(word) for word in found if word not in _COMMON and len(word) > 1)


def says_more(sentence: Sentence, claim: KnownClaim, evidence: Evidence) -> str | None:
    """What a paraphrase says beyond its claim's own sentence, or None."""
    context = sentence.context
    text = " ".join(filter(None, (context.row, context.column, sentence.text)))
    for found in (
        _other_topic(text, claim, evidence),
        _other_numbers(text, claim),
        _stricter(text, claim),
        _other_kind(sentence, claim),
        _unnamed_axis(text, claim),
    ):
        if found:
            return found
    return None


def other_words(sentence: Sentence, claim: KnownClaim) -> str | None:
    """Of a sentence in which no claim is recognised: a word that may be one, or None."""
    own = content(f"{claim.title} {claim.sentence}")
    for word in unknown(latin(sentence.text)):
        if word not in own and word not in _COMMON and len(word) > _SHORTEST:
            return f"it says {word!r}, which neither the claim does nor any list of plain words"
    return None


def _other_topic(text: str, claim: KnownClaim, evidence: Evidence) -> str | None:
    """Words of other claims that are none of this one's, or too few of its own."""
    own, said = content(f"{claim.title} {claim.sentence}"), content(text)
    others = {c.id: content(f"{c.title} {c.sentence}") for c in evidence.claims}
    foreign = sorted(said & frozenset().union(*others.values()) - own)
    if foreign:
        return f"it speaks of {', '.join(foreign)}, which the claim does not"
    if len(said & own) < min(_FEWEST_SHARED, len(own)):
        return "it speaks of something else"
    return None


def _other_numbers(text: str, claim: KnownClaim) -> str | None:
    own = {value(n) for n in _numbers(claim.sentence)}
    for figure in _numbers(text):
        number = value(figure)
        if number and not any(n and round(n[0], number[1]) == number[0] for n in own):
            return f"it says {figure.strip()}, which the claim does not"
    return None


def _numbers(text: str) -> list[str]:
    """Every number of a text, those that count as well; 1e-5 is one number."""
    plain = re.sub(r"(\d)\s*(?:x|×)\s*10\^", r"\1e", latin(text)).replace("10^", "1e")
    exact = re.findall(r"\d+(?:\.\d+)?e[+-]?\d+", plain)
    rest = re.sub(r"\d+(?:\.\d+)?e[+-]?\d+|[a-z]+/?\d+", " ", plain)
    return [f"{float(n):.20f}".rstrip("0") for n in exact] + re.findall(r"\d[\d.,]*", rest)


def _stricter(text: str, claim: KnownClaim) -> str | None:
    own = re.findall(r"[^\W_]+", latin(claim.sentence))
    for word in re.findall(r"[^\W_]+", latin(text)):
        strict = next((one for one in _STRICT if _begins(word, one)), None)
        if strict and not any(_begins(mine, strict) for mine in own):
            return f"it says {word!r}, which the claim does not"
    return None


def _begins(word: str, stem: str) -> bool:
    return word == stem if len(stem) <= len("byte") else word.startswith(stem)


def _other_kind(sentence: Sentence, claim: KnownClaim) -> str | None:
    """Superiority, speed or praise that the claim's own sentence does not speak of."""
    own = Sentence(claim.sentence)
    allowed = {(c.act, c.cue) for c in catches(own)}
    for catch in catches(sentence):
        kind = catch.act in (Act.SUPERIORITY, Act.QUALITY, Act.SPEED)
        mine = content(catch.cue) <= content(claim.sentence)
        if (
            kind
            and not mine
            and not any(a is catch.act and _shares(c, catch.cue) for a, c in allowed)
        ):
            return f"it says {catch.cue!r}, which the claim does not"
    return None


def _shares(one: str, other: str) -> bool:
    return bool(content(one) & content(other))


def _unnamed_axis(text: str, claim: KnownClaim) -> str | None:
    """Evidence on a weak axis carries no sentence that does not name it."""
    if claim.axis in (None, Axis.PAPER_EVAL):
        return None
    if re.search(lex.text("AXIS")[str(claim.axis)], latin(text)):
        return None
    return f"its evidence is on the {claim.axis} axis, which the text does not name"

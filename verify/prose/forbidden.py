"""What a claim forbids: phrases, in a small language, as patterns over a folded text.

A phrase is a row of atoms: `match*` any word that begins so, `a|b` either, `?the` a word that may
be absent, `..` up to three words of any kind, `@metric` and `@number` words of that kind.
"""

from __future__ import annotations

import re
from functools import cache

from verify.prose import lexicon as lex
from verify.prose.text import fold, latin

_KINDS = {"@number": r"[\d.,]+\S*", "@metric": lex.METRIC.pattern, "@ours": lex.OURS.pattern}
_GAP = r"(?:\S+[\s-]+){0,3}?"
_WORD, _END = r"(?<![^\W_])", r"(?![^\W_])"


@cache
def forbidden(phrase: str) -> re.Pattern[str]:
    """The pattern of one phrase."""
    return re.compile("".join(map(_atom, phrase.casefold().split())))


def _atom(text: str) -> str:
    if text == "..":
        return _GAP
    optional = len(text) > 1 and text.startswith("?")
    choices = "|".join(map(_choice, text.removeprefix("?").split("|")))
    found = rf"{_WORD}(?:{choices})(?:{_END}[\W_]*?[\s\"'),.;:-]*)"
    return f"(?:{found})?" if optional else found


def _choice(text: str) -> str:
    if text in _KINDS:
        return f"(?:{_KINDS[text]})"
    return re.escape(text[:-1]) + r"\w*" if text.endswith("*") else re.escape(text)


def says(phrase: str, text: str) -> str:
    """The words of a text that are forbidden by a phrase, or nothing."""
    for spelled in (fold(text), latin(text)):
        if (match := forbidden(phrase).search(spelled)) is not None:
            return match.group().strip()
    return ""

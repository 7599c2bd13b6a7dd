"""Whether a clause speaks of plain work: files, programs, settings, mathematics, time, plans.

How people praise cannot be listed, and what manuals speak of can. A clause about what we made, or
about whom it is compared with, that has no word of plain work is caught whatever its verb.
"""

from __future__ import annotations

import re
from functools import cache

from verify.prose import lexicon as lex
from verify.prose.text import bag, pattern, stem, words

_WORD = re.compile(r"[a-z]{2,}")
# Names of files, options and functions, and numbers with what they count.
_NAMES = re.compile(r"\w{2,}[./_]\w*[a-z_]\w+|--\w|\w\(\)|<\w+>|\w=\w|\b[a-z]+\d*:\s?\d")
_NEXT = re.compile(r"^'?s?\s\w+")
_LAST = re.compile(r"\w+\s$")
_THEIRS = re.compile(
    r"(?<![^\W_])(?:its|their|ihre\w*|seine\w*|ses|leurs?|sus?|suoi|sue|seus?|suas?) \w+"
)
_OURS = re.compile(
    r"(?<![^\W_])(?:our \w+|this (?:repo\w*|engine|port|package|project|model|code|library))"
)
_NO_STEMS = bag("not on her so all")  # words that the stems of others look like
_LETTERS = 3  # of words that languages share by chance
_FEWEST = 2  # words of a clause that says something of a topic


@cache
def _stems(*tables: str) -> frozenset[str]:
    listed = (" ".join(lex.data("plain")[table].values()) for table in tables)
    return frozenset(stem(word) for word in " ".join(listed).split()) - _NO_STEMS


@cache
def _foreign() -> re.Pattern[str]:
    table = lex.data("plain")
    listed = " ".join(table["foreign"].values()).split()
    return pattern(words(listed).pattern, table["cjk"])


def plain(text: str, *tables: str) -> bool:
    """Whether any word of a folded clause is of plain work, of the given tables of it."""
    rest = lex.TOPICS.sub(" ", text)
    if foreign := lex.NOT_ENGLISH.search(text):
        rest = lex.SOURCE.sub(" ", lex.THING.sub(" ", rest))
    said = [word for word in _WORD.findall(rest) if len(word) > _LETTERS or not foreign]
    found = any(stem(word) in _stems(*tables) for word in said)
    return found or bool(_NAMES.search(rest) or (foreign and _foreign().search(rest)))


def unknown(text: str) -> list[str]:
    """The stems of the words of a folded text that are not of plain work."""
    known = _stems("deeds", "things")
    return [one for word in _WORD.findall(text) if (one := stem(word)) not in known]


def _without(match: re.Match[str], text: str, foreign: bool) -> str:
    """A text without a name of others and the noun that it belongs to."""
    before, after = text[: match.start()], text[match.end() :]
    kept = (_LAST.sub(" ", before), after) if foreign else (before, _NEXT.sub(" ", after))
    return _THEIRS.sub(" ", " ; ".join(kept))


def beside(text: str) -> str:
    """Words about ours and words about others in a text without any deed of plain work."""
    others, foreign = lex.COMPARAND.search(text), bool(lex.NOT_ENGLISH.search(text))
    if others is None or plain(text, "deeds") or lex.COUNTED.search(text):
        return ""
    apart = _without(others, text, foreign)
    made = lex.MADE.search(apart) or lex.OURS.search(apart) or lex.SELF.search(apart)
    made = made or lex.METRIC.search(apart) or (lex.THING.search(apart) if foreign else None)
    return f"{made.group()} ... {others.group()}" if made else ""


def unplain(clause: str, text: str, whole: str, sentence: str) -> str:
    """The words about ours or about others that a clause without any plain word has, or nothing.

    `text` is what the clause asserts, `whole` the same with what it only supposes. One about ours
    alone is only caught where its whole sentence has no plain word either.
    """
    if lex.COMPARAND.search(whole) and (cue := beside(clause)):
        return cue
    topic = lex.MADE.search(text) or lex.DRIFT_SUBJECT.search(text) or lex.COMPARAND.search(text)
    foreign = lex.NOT_ENGLISH.search(text)
    rest = lex.DRIFT_SUBJECT.sub(" ", _OURS.sub(" ", sentence))
    if topic is None or foreign or plain(rest, "deeds", "things", "weak"):
        return ""
    rest = lex.LITTLE.sub(" ", lex.TOPICS.sub(" ", text))
    return topic.group() if len(_WORD.findall(rest)) >= _FEWEST else ""

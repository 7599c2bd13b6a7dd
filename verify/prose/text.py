"""One spelling for what looks alike: Unicode folded, look-alike letters Latin, digits ASCII.

NFKC and NFKD bring full-width, styled and composed characters to plain ones; marks, soft hyphens
and characters without width fall away. Patterns are written in this folded spelling.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

# Cyrillic, Greek and Armenian letters that a reader takes for the Latin ones below them.
_ALIKE = str.maketrans(
    "АВЕЅІЈКМНОРСТУХԀԌԛԝасеіјорѕухԁһӏгктмпεΑΒΕΖΗΙΚΜΝΟΡΤΥΧϜαικνορτυχսոօⅼıƖ",
    "ABESIJKMHOPCTYXDGqwaceijopsyxdhlrktmneABEZHIKMNOPTYXFaiknoptuxunoliI",
)
_SILENT = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\ufeff\ufe00-\ufe0f]"
)
# The metric, told from the verb by its capitals and by what stands beside it.
_IS = re.compile(
    r"\bIS\b(?=\s*(?:[=:≈~↑↓(/)|]|of\b|[<>]?\d|$))|(?<=FID[,/ &])\s?IS\b|(?<=and )IS\b"
)
# Chinese characters in their simplified form.
_SIMPLE = str.maketrans(
    "們與圖質樣數現復複論實達過優勝無別級開發擴損訓練結測試對應種準確類競個來說時間為這項業據標識記錄驗證點遜遠領後輸贏齊媲碼庫",
    "们与图质样数现复复论实达过优胜无别级开发扩损训练结测试对应种准确类竞个来说时间为这项业据标识记录验证点逊远领后输赢齐媲码库",
)
_SPACE = re.compile(r"\s+")
# A digest or a commit spells nothing, whatever its letters look like: one in 300 holds `f1d`.
_DIGEST = re.compile(r"(?<![0-9A-Za-z])(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{7,}(?![0-9A-Za-z])")
_QUOTES = str.maketrans("’‘‛ʼ＇“”„«»‐‑‒–—−·∙", "'''''\"\"\"\"\"------..")


@cache
def fold(text: str) -> str:
    """Lower case without marks; scripts stay as they are."""
    return _SPACE.sub(" ", _bare(text).casefold()).strip()


@cache
def latin(text: str) -> str:
    """The same with look-alike letters read as the Latin ones."""
    return _SPACE.sub(" ", _bare(text).translate(_ALIKE).casefold()).strip()


def _bare(text: str) -> str:
    text = _DIGEST.sub("digest", _SILENT.sub("", text)).translate(_QUOTES).translate(_SIMPLE)
    kept = [c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) != "Mn"]
    return _IS.sub("inception score", "".join(map(_digit, kept)).translate(_QUOTES))


def _digit(char: str) -> str:
    return str(unicodedata.decimal(char)) if char.isdecimal() else char


_ENDINGS = re.compile(r"(?:ations?|ings?|ied|ies|ed|es|s|ly|e)$")
_SHORTEST = 3  # letters of a stem


def stem(word: str) -> str:
    """An English word without its ending."""
    short = _ENDINGS.sub("", word)
    return short if len(short) >= _SHORTEST else word


def pattern(*choices: str) -> re.Pattern[str]:
    """A choice of patterns, folded as the texts are that they are looked for in."""
    joined = "|".join(f"(?:{choice})" for choice in choices)
    kept = (c for c in unicodedata.normalize("NFKD", joined) if unicodedata.category(c) != "Mn")
    return re.compile("".join(kept).translate(_SIMPLE))


def bag(listed: str) -> frozenset[str]:
    """The words of a list, for a table that is read by membership."""
    return frozenset(listed.split())


def words(listed: Iterable[str]) -> re.Pattern[str]:
    """Words and stems: `match*` any word that begins so; others are whole words."""
    return pattern(*(_word(" ".join(entry.split())) for entry in listed if entry.strip()))


def _word(entry: str) -> str:
    plain = re.escape(entry.rstrip("*")).replace(r"\ ", r"[\s-]+").replace(r"\-", r"[\s-]?")
    spaced = all(ord(c) < 0x1100 for c in entry)  # scripts that put spaces between words
    if not spaced:
        return plain
    start = r"(?<![^\W_])" if entry[0].isalnum() else ""
    end = r"\w*" if entry.endswith("*") else r"(?![^\W_])" if entry[-1].isalnum() else ""
    return start + plain + end

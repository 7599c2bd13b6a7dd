"""Words, numbers and the phrase language."""

from __future__ import annotations

import importlib
import pkgutil
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.prose import patterns
from verify.prose.words import Sort, _compiled, find, holds, match_at, number, split, stem


def lows(text: str) -> list[str]:
    return [word.low for word in split(text)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("state-of-the-art", ["state", "of", "the", "art"]),
        ("doesn't", ["does", "n't"]),
        ("the paper's", ["the", "paper", "'s"]),
        ("the authors’ FID", ["the", "authors", "'", "fid"]),
        ("L/2 at 256x256", ["l/2", "at", "256x256"]),
        ("on 2015-12-05", ["on", "2015-12-05"]),
        ("50k samples", ["50k", "samples"]),
        ("v0.1.1", ["v0.1.1"]),
    ],
)
def test_words_are_parted_where_phrases_need_them_parted(text: str, words: list[str]) -> None:
    assert lows(text) == words


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.54", 1.54),
        ("50,000", 50000.0),
        ("1e-5", 1e-5),
        ("10^-5", 1e-5),
        ("3 x 10^-6", 3e-6),
        (".5", 0.5),
        ("50k", None),
        ("fid", None),
    ],
)
def test_numbers_are_read_as_prose_writes_them(text: str, value: float | None) -> None:
    assert number(text) == (pytest.approx(value) if value is not None else None)
    values = [word.value for word in split(text)]
    assert values == ([pytest.approx(value)] if value is not None else [None])


def test_an_exponent_beyond_floats_is_no_crash() -> None:
    assert number("10^-999999") == pytest.approx(0.0)
    assert number("10^999999") == pytest.approx(1e300)


@pytest.mark.parametrize("text", ["(Peebles and Xie, 2023)", "[deng2026]", "[12]", "[1, 2]"])
def test_a_citation_is_one_word(text: str) -> None:
    (word,) = split(text)
    assert word.sort is Sort.CITATION


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("match*", "it matches", True),
        ("match*", "a mismatch", False),
        ("paper|release", "the release", True),
        ("equal ?to the", "equal the", True),
        ("equal ?to the", "equal to the", True),
        ("as .. as", "as good as", True),
        ("as .. as", "as one two three four as", False),
        ("within @number", "within 1e-5", True),
        ("within @number", "within reach", False),
    ],
)
def test_phrases(phrase: str, text: str, found: bool) -> None:
    assert holds([phrase], split(text)) is found


def test_a_phrase_of_absent_words_alone_is_found_nowhere() -> None:
    assert list(find(["?the .."], split("nothing here"))) == []
    assert match_at("?the ..", split("nothing here"), 0) == 0


def _tables() -> list[tuple[str, str, tuple[str, ...]]]:
    found = []
    for module in pkgutil.iter_modules(patterns.__path__):
        loaded = importlib.import_module(f"verify.prose.patterns.{module.name}")
        for name, value in vars(loaded).items():
            if name.isupper() and isinstance(value, tuple) and name not in NOT_PHRASES:
                found.append((module.name, name, value))
    return found


NOT_PHRASES = {"CLAUSE_BREAKS", "PROMPTS"}


@pytest.mark.parametrize(("module", "name", "table"), _tables())
def test_every_phrase_of_every_table_can_be_read(
    module: str, name: str, table: tuple[str, ...]
) -> None:
    assert table
    assert len(set(table)) == len(table), f"{module}.{name} holds a phrase twice"
    for phrase in table:
        atoms = _compiled(phrase)
        assert any(not atom.optional for atom in atoms), f"{module}.{name}: {phrase!r} finds all"
        for atom in atoms:
            for word in atom.words:
                written = word.removesuffix("*") or word
                assert len(split(written)) == 1, f"{module}.{name}: {word!r} is no single word"


@given(st.text(max_size=200))
def test_words_stand_where_they_say(text: str) -> None:
    words = split(text)
    plain = text.replace("’", "'")
    assert all(plain[word.start : word.end] == word.raw for word in words)
    assert all(a.end <= b.start for a, b in pairwise(words))


def test_endings_do_not_part_what_belongs_together() -> None:
    assert stem("equals") == stem("equal")
    assert stem("templates") == stem("template")
    assert stem("copies") == stem("copied")

"""Globs: a small reference by regular expression, laws, and patterns made to hang."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.guard import globs
from verify.guard.globs import base, fault, matches

PARTS = st.sampled_from(["a", "b", "ab", "a b", "a\nb", "ä", ".git"])
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
PIECES = st.sampled_from(["a", "b", "*", "**", "?", "a*", "*b", "[ab]"])
PATTERNS = st.lists(PIECES, min_size=1, max_size=4).map("/".join)


def reference(pattern: str, path: str) -> bool:
    """The same meaning, written as one regular expression."""
    one = {"*": "[^/]*", "?": "[^/]", "a*": "a[^/]*", "*b": "[^/]*b"}
    pieces = pattern.split("/")
    text = ""
    for at, piece in enumerate(pieces):
        last = at == len(pieces) - 1
        if piece == "**":
            text += "(?:[^/]+(?:/[^/]+)*)?" if last else "(?:[^/]+/)*"
        else:
            text += one.get(piece, piece) + ("" if last else "/")
    found = re.fullmatch(text, path, re.S) is not None
    # `a/**` means a itself as well: nothing may take the folder's place unseen
    if pieces[-1] == "**" and len(pieces) > 1:
        found |= reference("/".join(pieces[:-1]), path)
    return found


@given(PATTERNS, PATHS)
@settings(max_examples=600)
def test_a_glob_means_what_its_regular_expression_means(pattern: str, path: str) -> None:
    assert matches(pattern, path) == reference(pattern, path)


@given(PATHS)
def test_two_stars_match_every_path_and_a_path_matches_itself(path: str) -> None:
    assert matches("**", path)
    assert matches(path, path)


@given(PATTERNS, PATHS)
def test_all_matches_lie_below_the_base(pattern: str, path: str) -> None:
    if matches(pattern, path) and base(pattern):
        assert f"{path}/".startswith(f"{base(pattern)}/")


@pytest.mark.parametrize(
    ("pattern", "path", "meant"),
    [
        ("*.md", "a.md", True),
        ("*.md", "docs/a.md", False),
        ("src/*", "src/a/b", False),
        ("src/**", "src", True),
        ("src/**", "srcs/a", False),
        ("src/**", "src2", False),
        ("**/x", "x", True),
        ("**/x", "a/b/x", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("*.py", "new\nline.py", True),
        ("A", "a", False),
        ("[!a]", "b", True),
    ],
)
def test_examples(pattern: str, path: str, meant: bool) -> None:
    assert matches(pattern, path) is meant


def test_each_part_of_a_path_is_compared_with_each_part_of_a_pattern_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pattern made to hang a matcher that goes back costs no more than any other."""
    compared: list[tuple[str, str]] = []
    real = globs.fnmatchcase

    def counted(part: str, piece: str) -> bool:
        compared.append((part, piece))
        return real(part, piece)

    monkeypatch.setattr(globs, "fnmatchcase", counted)
    assert not matches("/".join(["**", "*a*a*a*a*b"] * 20), "/".join(["a" * 200] * 60))
    assert 0 < len(compared) <= 20 * 60


@pytest.mark.parametrize("pattern", ["/a", "a//b", "a/../b", "./a", "a\\b", "a**", "a/**b", "a/"])
def test_a_pattern_that_means_nothing_clear_is_refused(pattern: str) -> None:
    assert fault(pattern) is not None

"""How much a sentence reads like a claim, as learnt from labelled sentences.

Nobody can list how people overclaim, but many have written down what is an overclaim and what is
not. A logistic regression learns from them, over the words of a sentence, its pairs of words, its
pieces of five letters, and its words in the scope of a denial. The weights are data, written by
tests/verify/prose/fit.py; one above zero speaks for a claim. Regression: Cox 1958. Pieces of
letters: Cavnar, Trenkle 1994. Denials: Das, Chen 2001.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from verify.prose.text import latin, stem

CLAIM = 0.1  # log odds from which a sentence is a claim whatever its words
SURE = 1.1  # the same for a short one
INNOCENT = -0.75  # log odds below which words of praise alone are none
_TOKEN = re.compile(r"[a-z']+|\d+(?:[.,]\d+)?|[^\s\w]|[^\W\d_a-z]")
_PIECE = 5  # letters


def features(text: str, form: str) -> dict[str, str]:
    """The features of a sentence, each with the words of it that it stands for."""
    folded = latin(text)
    said = _TOKEN.findall(folded)
    words = [_word(token) for token in said]
    found = {f"form {form}": ""}
    bare = re.sub(r"[^\w ]", "", folded)
    for at in range(len(bare) - _PIECE + 1):
        found.setdefault(f"~{bare[at : at + _PIECE]}", "")
    pairs = zip(["^", *words], [*words, "$"], ["", *said], [*said, ""], strict=True)
    for first, second, *named in pairs:
        found.setdefault(f"{first} {second}", " ".join(named).strip())
    found.update(zip(words, said, strict=True))
    for token in _denied(said):
        found.setdefault(f"!{_word(token)}", token)
    return found


_DENIES = re.compile(
    r"n't$|^(?:not|no|never|none|nobody|nothing|neither|nor|cannot|without|unable|hardly|yet"
    r"|whether|if|should|would)$"
)
_ENDS = re.compile(r"^(?:[.,;:!?()]|but|and|yet|because|since|so)$")


def _denied(said: list[str]) -> Iterator[str]:
    """Words that a denial or a condition stands before, up to the end of its clause."""
    within = False
    for token in said:
        if _ENDS.search(token):
            within = False
        elif within:
            yield token
        within = within or bool(_DENIES.search(token))


def _word(token: str) -> str:
    if token[0].isdigit():
        return "#.#" if re.search("[.,]", token) else "#"
    return stem(token) if token.isascii() and token.isalpha() else token


def score(text: str, form: str) -> float:
    """Log odds that a sentence is a claim."""
    found, (bias, weights) = features(text, form), _fitted()
    return bias + sum(weights.get(one, 0) for one in found) / math.sqrt(len(found))


def cue(text: str, form: str) -> str:
    """The words of a sentence that speak most for a claim."""
    found, (_, weights) = features(text, form), _fitted()
    return max(
        (one for one in found if found[one]), key=lambda one: weights.get(one, 0), default=""
    )


@cache
def fitted() -> dict[str, Any]:
    """The file of weights: what they were fitted to, the bias, and features by whole weight."""
    source = files("verify.prose").joinpath("data", "weights.json").read_text(encoding="utf-8")
    return dict(json.loads(source))


@cache
def _fitted() -> tuple[float, dict[str, float]]:
    data = fitted()
    weights = {
        one: int(n) * data["unit"] for n, listed in data["weights"].items() for one in listed
    }
    return data["bias"], weights

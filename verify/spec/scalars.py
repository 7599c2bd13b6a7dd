"""One reading for each plain YAML scalar; forms that have two are refused with the clear spelling.

YAML 1.1 and 1.2 read `on`, `1e-4`, `010`, `12:30` and `2026-01-01` differently, and people read
them in a third way. What is accepted here means the same to every reader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

MAX_DIGITS = 19  # of an integer: what fits into 64 bits

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+([eE][-+][0-9]+)?\Z")
_WORDS = {"true": True, "false": False, "null": None}
_TRUTH = frozenset({"yes", "no", "on", "off", "y", "n"})
_NOT_FINITE = frozenset({"nan", "inf", "infinity"})
# What some YAML reader takes for something other than a text: the regular expressions of YAML 1.1,
# of the core schema of YAML 1.2, and of readers that mix both. No form is wider than they are, so
# that a digest such as 0b3f... or a note such as "2026-01-01 to 2026-02-01" stays a text.
_FORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[-+]?\.(?i:inf|nan)\Z"), "use a finite number"),
    (re.compile(r"[-+](?i:inf|infinity)\Z"), "use a finite number, or quote the word"),
    (
        re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+\Z"),
        "write the float as 1.0e-4",
    ),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.)\Z"), "write digits on both sides of the point"),
    (
        re.compile(r"[-+]?0([0-9_]+|x[0-9a-fA-F_]+|o[0-7_]+|b[01_]+)\Z"),
        "write a decimal, or quote it",
    ),
    (
        re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*([eE][-+]?[0-9]+)?)?\Z"),
        "write the number without leading zeros and underscores, or quote it",
    ),
    (
        re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?\Z"),
        "quote it: YAML 1.1 reads base 60",
    ),
    (
        re.compile(
            r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
            r"(([Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\.[0-9]*)?"
            r"([ \t]*(Z|[-+][0-9]{1,2}(:?[0-9]{2})?))?)?\Z"
        ),
        "quote the date",
    ),
    (re.compile(r"[~=]\Z|<<\Z"), "quote it, or write null"),
)


@dataclass(frozen=True)
class Refusal:
    """Why a scalar has no single reading, and how to write what was meant."""

    found: str
    expected: str
    remedy: str


def resolve(text: str) -> Any:
    """The value of an unquoted scalar, or a Refusal."""
    if text in _WORDS:
        return _WORDS[text]
    if text == "":
        return Refusal("nothing", "a value", "write null or a value")
    if text[0].isalpha():
        return _word(text)
    if _INTEGER.match(text):
        return (
            int(text) if len(text.lstrip("+-")) <= MAX_DIGITS else _refuse(text, "a 64-bit integer")
        )
    if _FLOAT.match(text):
        return _float(text)
    for pattern, remedy in _FORMS:
        if pattern.match(text):
            return _ambiguous(text, remedy)
    return _ambiguous(text, "quote it") if _special_in_yaml_1_1(text) else text


def _word(text: str) -> Any:
    lowered = text.lower()
    if lowered in _WORDS:
        return _ambiguous(text, f"write {lowered}")
    if lowered in _TRUTH:
        return _ambiguous(text, "write true or false, or quote the word")
    if lowered in _NOT_FINITE:
        return _ambiguous(text, "use a finite number, or quote the word")
    return text


def _float(text: str) -> Any:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        return _refuse(text, "a finite number")
    mantissa = text.lower().partition("e")[0]
    if number == 0 and mantissa.strip("+-0."):
        return _refuse(text, "a number that is not rounded to zero")
    return number


def _special_in_yaml_1_1(text: str) -> bool:
    """Whether a plain YAML 1.1 reader sees anything but a text."""
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers.get(text[0], ())
    return any(pattern.match(text) for _, pattern in resolvers)


def _ambiguous(text: str, remedy: str) -> Refusal:
    return Refusal(f"the ambiguous scalar {text[:40]}", "one reading", remedy)


def _refuse(text: str, expected: str) -> Refusal:
    return Refusal(text[:40], expected, "use another number or quote it")

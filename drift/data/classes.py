"""Class labels by the names of classes: never by where a folder stands among others."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise

from drift.artifacts.errors import shown
from drift.data.source import DataError

MAX_CLASSES = 1_000_000


def class_order(names: Iterable[str], *, place: str) -> tuple[str, ...]:
    """The classes in the order of their labels: numbers by value, other names by code point.

    Raises DataError for two names of one class.
    """
    key = _key_for(given := list(names))
    ordered = sorted((key(name), name) for name in given)
    for (one, first), (other, second) in pairwise(ordered):
        if one == other:
            raise DataError(
                place,
                found=f"the classes {shown(first)} and {shown(second)}",
                expected="names that differ as numbers, or in more than their encoding",
                remedy="Rename or merge the folders.",
            )
    return tuple(name for _, name in ordered)


def places_of(names: Sequence[str], among: Sequence[str], *, place: str) -> list[int] | None:
    """For each class of `names` its label among the classes `among`; None where none is there.

    Raises DataError where some are there and others are not.
    """
    key = _key_for([*names, *among])
    labels = {key(name): label for label, name in enumerate(among)}
    found = [labels.get(key(name)) for name in names]
    unknown = [name for name, label in zip(names, found, strict=True) if label is None]
    if len(unknown) == len(names):
        return None
    if unknown:
        raise DataError(
            place,
            found=f"{len(unknown)} of {len(names)} classes that the reference does not have: "
            f"{listed(unknown)}",
            expected=f"classes of {listed(among)}",
            remedy="Rename the folders, or take them out.",
        )
    return [label for label in found if label is not None]


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first names and how many there are besides."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(shown, names[:most])) + rest


def is_number(name: str) -> bool:
    """Decimal ASCII digits of a number that may be a label."""
    return name.isascii() and name.isdigit() and len(name) < 16


class _Key:
    """What two names of one class have in common: the number where all are, else the text."""

    def __init__(self, *, numbers: bool) -> None:
        self._numbers = numbers

    def __call__(self, name: str) -> tuple[int, str]:
        if self._numbers:
            return int(name), ""
        return 0, unicodedata.normalize("NFC", name)


def _key_for(names: Sequence[str]) -> _Key:
    return _Key(numbers=all(map(is_number, names)))

"""Floors of a claim, with what they cite looked up, and provenance held against them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from verify.provenance import COUNTS, Provenance
from verify.spec.model import Cited, Pack, StatedFloors


@dataclass(frozen=True)
class Floors:
    """The least that must stand behind a number; None asks nothing.

    steps, images_seen   optimisation steps and generated samples of the training run
    samples, seeds       samples of each evaluation, and how many seeds were evaluated
    extractor_sha256     digest of the extractor's weights, which has to be this very one
    """

    steps: int | None = None
    images_seen: int | None = None
    samples: int | None = None
    seeds: int | None = None
    extractor_sha256: str | None = None

    def asked(self) -> dict[str, int | str]:
        """The floors there are, by name."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in values if value is not None}

    def shortfalls(self, found: Provenance) -> Iterator[str]:
        """In what a provenance falls short, in words; what is not known is short."""
        for name, wanted in self.asked().items():
            have = getattr(found, name)
            if name in COUNTS:
                if have is None or have < int(wanted):
                    said = "unknown" if have is None else f"{have:,}"
                    yield f"{_words(name)} {said}, at least {int(wanted):,} needed"
            elif have != wanted:
                said = "unknown" if have is None else f"{have[:12]}..."
                yield f"{_words(name)} {said}, {str(wanted)[:12]}... needed"

    def words(self) -> str:
        """The floors as a phrase; empty where there are none."""
        said = [
            f"at least {int(value):,} {_words(name)}"
            if name in COUNTS
            else f"{_words(name)} {str(value)[:12]}..."
            for name, value in self.asked().items()
        ]
        return ", ".join(said)


def floors(stated: StatedFloors, pack: Pack) -> Floors:
    """Floors as numbers; raises LookupError where a cited fact does not give one."""
    return Floors(**{field.name: _value(field.name, stated, pack) for field in fields(Floors)})


def _value(name: str, stated: StatedFloors, pack: Pack) -> Any:
    given = getattr(stated, name)
    if not isinstance(given, Cited):
        return given
    fact = pack.fact(given.fact)
    value = fact.value if fact else None
    if given.column is not None:
        value = value.get(given.column) if isinstance(value, dict) else None
    wanted = int if name in COUNTS else str
    if type(value) is not wanted or not value:
        column = f" of {given.column}" if given.column else ""
        raise LookupError(f"{given.fact}{column}: found {value!r}; expected {_kind(name)}")
    return value


def _kind(name: str) -> str:
    return "a whole number above zero" if name in COUNTS else "64 hexadecimal digits"


def _words(name: str) -> str:
    return name.replace("_", " ")

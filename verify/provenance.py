"""What stands behind a number, typed and bounded: a claim's floors are held against it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

_LARGEST = 2**63
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class Provenance:
    """None where nobody knows, and what nobody knows is never enough.

    steps, images_seen   optimisation steps and generated samples of the training run
    samples, seeds       samples of each evaluation, and how many seeds were evaluated
    extractor_sha256     digest of the weights whose features were compared

    Raises TypeError or ValueError for anything else.
    """

    steps: int | None = None
    images_seen: int | None = None
    samples: int | None = None
    seeds: int | None = None
    extractor_sha256: str | None = None

    def __post_init__(self) -> None:
        for name in COUNTS:
            _require_count(name, getattr(self, name))
        digest = self.extractor_sha256
        if digest is not None and not (isinstance(digest, str) and _SHA256.match(digest)):
            raise ValueError(f"extractor_sha256 is {digest!r:.80}, not 64 hexadecimal digits")

    def known(self) -> dict[str, int | str]:
        """What is known, by name."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in values if value is not None}


COUNTS = ("steps", "images_seen", "samples", "seeds")


def provenance(values: Mapping[str, Any]) -> Provenance:
    """From names and values; raises TypeError or ValueError where one is not of its kind."""
    if not isinstance(values, Mapping):
        raise TypeError(f"provenance is a {type(values).__name__}, not a mapping")
    names = [field.name for field in fields(Provenance)]
    for name in values:
        if name not in names:
            raise ValueError(f"provenance names {name!r:.80}; expected {', '.join(names)}")
    return Provenance(**values)


def _require_count(name: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is a {type(value).__name__}, not a whole number")
    if not 0 <= value < _LARGEST:
        raise ValueError(f"{name} is {value}, not a count")

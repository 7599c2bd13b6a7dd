"""What a sealed bundle says that its judgements rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from verify.run.surroundings import UNKNOWN


@dataclass(frozen=True)
class Pins:
    """What one bundle says that its judgements rest on.

    whole    whether the run said at its end what it had touched; one that was cut off did not
    imports  name -> digest of every file that was imported
    reads    name -> digest of every other file that was read
    records  (clause, falsifier or None) -> its record, with `key`, `reads` and the rest
    around   digest of all that lay around the run (`verify.run.surroundings`), or UNKNOWN
    """

    head: dict[str, Any]
    whole: bool
    imports: dict[str, str]
    reads: dict[str, str]
    records: dict[tuple[str, str | None], dict[str, Any]]
    around: str = UNKNOWN

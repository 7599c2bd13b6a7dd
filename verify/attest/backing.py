"""What a number rests on: records that are signed and were computed again, or why they are not.

A number on paper-eval or repo-eval can be typed, with all that stands behind it. It counts there
only where each record it comes from is named, is signed by a key of the pack for records, and was
computed again by the signer; else it counts as proxy. Whether that is so is told by
`verify.attest.standing`; this module is what a worker needs, and imports no more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUFFIX = ".dsse"  # of an envelope beside what it is about
MAX_BYTES = 4 << 20


@dataclass(frozen=True)
class Backing:
    """A record that a number comes from: its name, the digest of what was read, which figures.

    envelope  the text of its signature; None where there was none
    """

    record: str
    sha256: str
    figures: tuple[str, ...]
    envelope: str | None = None


def backing(paths: Iterable[Path], figures: Sequence[str]) -> tuple[Backing, ...]:
    """These records as they are now, with the signatures beside them."""
    return tuple(
        Backing(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), tuple(figures),
                text_of(path))
        for path in paths
    )  # fmt: skip


def read_backing(items: object) -> tuple[Backing, ...]:
    """What was written as plain data; raises TypeError, KeyError or ValueError for nonsense."""
    if not isinstance(items, (list, tuple)):
        raise TypeError(f"found a {type(items).__name__} where records are listed")
    return tuple(_one(item) for item in items)


def _one(item: Mapping[str, Any]) -> Backing:
    envelope, figures = item["envelope"], tuple(item["figures"])
    texts = [item["record"], item["sha256"], *figures, *([] if envelope is None else [envelope])]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("found a record whose name, digest, figures or envelope is no text")
    return Backing(item["record"], item["sha256"], figures, envelope)


def beside(target: Path) -> Path:
    """Where the envelope of a record or of a bundle lies; a bundle's name keeps its dots."""
    if target.is_dir():
        return target.with_name(target.name + SUFFIX)
    return target.with_suffix(SUFFIX)


def text_of(target: Path) -> str | None:
    """The text of the envelope beside a file or folder; None where there is none."""
    place = beside(target)
    if place.is_symlink() or not place.is_file():
        return None
    with place.open("rb") as file:
        return file.read(MAX_BYTES + 1).decode("utf-8", "replace")

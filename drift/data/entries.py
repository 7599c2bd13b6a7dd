"""The images of a data set in their one order, with labels and identity; no pixels yet."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from drift.artifacts.errors import shown
from drift.data.classes import listed
from drift.data.source import DataError

MAX_FILE_BYTES = 256 << 20
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".pgm")
NAMED = 5  # how many offenders a message lists
UNLABELLED = -1


class Entry(NamedTuple):
    """One image: `name` below the root with forward slashes; its bytes may lie in an archive."""

    name: str
    label: int
    size: int
    archive: str | None = None
    offset: int = 0


@dataclass(frozen=True)
class Listing:
    """Images in their one order; `classes[label]` is the name of a class.

    skipped  names of what lies there and was left out: hidden files, notes, other members
    repeated names of images that are read although another name leads to the same file, or another
             archive has a member of that name
    """

    root: Path
    classes: tuple[str, ...]
    entries: Sequence[Entry]
    skipped: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unnamed = [name for name in self.classes if not _is_text(name)]
        if unnamed:
            raise DataError(
                str(self.root), found=f"the class name {shown(unnamed[0])}", expected="UTF-8"
            )
        held = Counter(entry.label for entry in self.entries)
        empty = [name for label, name in enumerate(self.classes) if not held[label]]
        if empty:
            raise DataError(
                str(self.root),
                found=f"{len(empty)} of {len(self.classes)} classes without an image: "
                f"{listed(empty)}",
                expected=f"images ({', '.join(SUFFIXES)}) of every class",
                remedy="Add images of these classes or remove their folders.",
            )

    def __len__(self) -> int:
        return len(self.entries)

    def part(self, every: int, *, held_out: bool) -> Listing:
        """Every so many-th image of each class, or the others; which, depends on names alone.

        Raises DataError where a class would have no image in one of the two parts.
        """
        seen = [0] * len(self.classes)
        chosen = []
        for entry in self.entries:
            seen[entry.label] += 1
            if (seen[entry.label] % every == 0) == held_out:
                chosen.append(entry)
        few = [name for name, count in zip(self.classes, seen, strict=True) if count < every]
        if few:
            raise DataError(
                str(self.root),
                found=f"{len(few)} classes of fewer than {every} images: {listed(few)}",
                expected=f"at least {every} images a class, of which every {every}th is held out",
                remedy="Add images, or lower inputs.held_out_every in the template.",
            )
        return replace(self, entries=chosen)

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence about what was skipped, and one about what is read more than once."""
        said = {
            "names left out as no data": self.skipped,
            "names read again, by a link or from another archive": self.repeated,
        }
        return tuple(
            f"{len(names):,} {what}: {listed(names)}" for what, names in said.items() if names
        )

    @property
    def labels(self) -> list[int]:
        """Class indices in the order of the entries."""
        return [entry.label for entry in self.entries]

    @property
    def outline(self) -> str:
        """sha256 over names, labels and sizes: found without reading a file."""
        lines = (f"{entry.label} {entry.size}" for entry in self.entries)
        return self._digest(lines)

    def manifest_digest(self, hashes: Iterable[str]) -> str:
        """sha256 over the lines NAME NUL SHA256 SPACE LABEL LF, with the sha256 of every file.

        The class names are the beginnings of the names, so they are covered too.
        """
        pairs = zip(hashes, self.entries, strict=True)
        return self._digest(f"{sha256} {entry.label}" for sha256, entry in pairs)

    def place(self, entry: Entry) -> str:
        """How a message names an image."""
        if entry.archive is None:
            return str(self.root / entry.name)
        return f"{self.root / entry.archive}: {entry.name}"

    def read(self, entry: Entry) -> bytes:
        """The bytes of one image; raises DataError that names it."""
        if entry.size > MAX_FILE_BYTES:
            raise DataError(
                self.place(entry),
                found=f"{entry.size:,} bytes",
                expected=f"an image of at most {MAX_FILE_BYTES:,} bytes",
            )
        path = self.root / (entry.archive or entry.name)
        try:
            with path.open("rb") as stream:
                stream.seek(entry.offset)
                data = stream.read(entry.size)
                grown = entry.archive is None and bool(stream.read(1))
        except OSError as error:
            raise DataError(
                self.place(entry), found=error.strerror or str(error), expected="a readable image"
            ) from error
        if len(data) != entry.size or grown:
            raise _changed(self.place(entry), "another length")
        return data

    def hashes(self, workers: int = 4) -> Iterator[str]:
        """sha256 of every image's bytes, in order; reads the whole data set."""
        with ThreadPoolExecutor(workers) as pool:
            for begin in range(0, len(self), 64 * workers):
                chunk = self.entries[begin : begin + 64 * workers]
                yield from pool.map(lambda entry: sha256_of(self.read(entry)), chunk)

    def _digest(self, lines: Iterable[str]) -> str:
        digest = hashlib.sha256()
        for entry, line in zip(self.entries, lines, strict=True):
            digest.update(os.fsencode(entry.name) + b"\0" + line.encode() + b"\n")
        return digest.hexdigest()


def again(entries: Iterable[Entry], keys: Iterable[Hashable]) -> tuple[Entry, ...]:
    """The entries whose key an earlier one has."""
    seen: set[Hashable] = set()
    found = []
    for entry, key in zip(entries, keys, strict=True):
        if key in seen:
            found.append(entry)
        seen.add(key)
    return tuple(found)


def sha256_of(data: bytes) -> str:
    """Hexadecimal digest."""
    return hashlib.sha256(data).hexdigest()


def require_unchanged(place: str, data: bytes, expected: str) -> None:
    """Raises DataError where an image is no longer the one whose digest was taken."""
    found = sha256_of(data)
    if found != expected:
        raise _changed(place, f"sha256 {found} instead of {expected}")


def _is_text(name: str) -> bool:
    """Whether a manifest can hold the name: bytes that are no UTF-8 come as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _changed(place: str, found: str) -> DataError:
    return DataError(
        place,
        found=found,
        expected="the file as it was when the data set was opened",
        remedy="Start again; do not change a data set while it is read.",
    )

"""Which files a data set consists of, in which order and with which labels; no pixels yet."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from drift.artifacts.errors import shown
from drift.data.source import DataError

MAX_FILE_BYTES = 256 << 20
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".pgm")
NAMED = 5  # how many offenders a message lists


class Entry(NamedTuple):
    """One image: `name` below the root with forward slashes; its bytes may lie in an archive."""

    name: str
    label: int
    size: int
    archive: str | None = None
    offset: int = 0


@dataclass(frozen=True)
class Listing:
    """Images in their one order; `classes[label]` is the name of a class."""

    root: Path
    classes: tuple[str, ...]
    entries: Sequence[Entry]

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
                f"{', '.join(map(shown, empty[:NAMED]))}",
                expected=f"images ({', '.join(SUFFIXES)}) of every class",
                remedy="Add images of these classes or remove their folders.",
            )

    def __len__(self) -> int:
        return len(self.entries)

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


def sha256_of(data: bytes) -> str:
    """Hexadecimal digest."""
    return hashlib.sha256(data).hexdigest()


def require_unchanged(place: str, data: bytes, expected: str) -> None:
    """Raises DataError where an image is no longer the one whose digest was taken."""
    found = sha256_of(data)
    if found != expected:
        raise _changed(place, f"sha256 {found} instead of {expected}")


def list_images(root: Path) -> Listing:
    """The images of a folder: one folder per class, or tar archives in WebDataset's layout."""
    if not root.is_dir():
        raise DataError(
            str(root),
            found="a file" if root.exists() else "no such folder",
            expected="a folder with one folder of images per class",
            remedy="Check the path of the data set.",
        )
    try:
        tars = sorted(path.name for path in root.glob("*.tar"))
        if not tars:
            return list_folder(root)
        from drift.data.webdataset import list_archives

        return list_archives(root, tars)
    except OSError as error:
        raise DataError(
            str(error.filename or root),
            found=error.strerror or str(error),
            expected="folders and files that can be read",
        ) from error


def list_folder(root: Path) -> Listing:
    """Classes are the folders of `root`, sorted by name; images of a class by their path.

    Hidden files and folders are not looked at. Anything else that is no image is an error: a file
    that is silently left out is a hole in the data set that nobody sees.
    """
    children = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    classes = [path.name for path in children if path.is_dir()]
    loose = [path.name for path in children if path.suffix.lower() in SUFFIXES and path.is_file()]
    if loose or not classes:
        found = f"{len(loose)} images that are in no class: " if loose else "no folders"
        raise DataError(
            str(root),
            found=found + ", ".join(map(shown, loose[:NAMED])),
            expected="one folder of images per class",
            remedy="Move the images of each class into a folder with the name of the class.",
        )
    entries = [
        Entry(name, label, size)
        for label, folder in enumerate(classes)
        for name, size in sorted(_files(root, folder))
    ]
    return Listing(root, tuple(classes), entries)


def _files(root: Path, folder: str) -> Iterator[tuple[str, int]]:
    """(name below the root, bytes) of every image below a class's folder."""

    def refuse(error: OSError) -> None:
        raise error

    for where, folders, files in os.walk(root / folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in files:
            if not file.startswith("."):
                path = Path(where, file)
                _require_image(path)
                yield path.relative_to(root).as_posix(), path.stat().st_size


def _is_text(name: str) -> bool:
    """Whether a manifest can hold the name: bytes that are no UTF-8 come as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _require_image(path: Path) -> None:
    problem = ""
    if path.suffix.lower() not in SUFFIXES:
        problem = f"a file with the suffix {shown(path.suffix)}"
    elif not path.is_file():  # a broken link, a pipe, a device
        problem = "something that is not a regular file"
    if problem:
        raise DataError(
            str(path),
            found=problem,
            expected=f"images only ({', '.join(SUFFIXES)})",
            remedy="Take it out of the class's folder, or hide it with a leading dot.",
        )


def _changed(place: str, found: str) -> DataError:
    return DataError(
        place,
        found=found,
        expected="the file as it was when the data set was opened",
        remedy="Start again; do not change a data set while it is read.",
    )

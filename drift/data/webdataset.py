"""Tar archives in WebDataset's layout as a data set with random access; no extra package is needed.

Each image KEY.jpg (.png, ...) has its class index in KEY.cls, in the same archive; members with
other suffixes are not looked at. Archives are not compressed, so an image is read at its offset
without unpacking anything.
"""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path

from drift.artifacts.errors import shown
from drift.data.listing import SUFFIXES, Entry, Listing
from drift.data.source import DataError

LABEL = ".cls"
MAX_LABEL_BYTES = 16
MAX_CLASSES = 1_000_000


def list_archives(root: Path, names: Sequence[str]) -> Listing:
    """Images of the archives `names` in `root`, in the order of the archives and in them of keys.

    The classes are 0 .. the greatest index; their names are these numbers.
    """
    entries = [entry for name in names for entry in _entries(root, name)]
    if not entries:
        raise DataError(str(root), found="archives without an image", expected="at least one image")
    classes = 1 + max(entry.label for entry in entries)
    return Listing(root, tuple(map(str, range(classes))), entries)


def _entries(root: Path, archive: str) -> list[Entry]:
    images: dict[str, tarfile.TarInfo] = {}
    labels: dict[str, int] = {}
    path = root / archive
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if member.isdir():
                    continue
                key, suffix = _split(member.name)
                if suffix == LABEL:
                    _require_plain(path, member, seen=key in labels)
                    labels[key] = _label(path, tar, member)
                elif suffix in SUFFIXES:
                    _require_plain(path, member, seen=key in images)
                    images[key] = member
    except tarfile.TarError as error:
        raise DataError(
            str(path), found=f"no whole tar archive ({error})", expected="an uncompressed archive"
        ) from error
    single = sorted(images.keys() ^ labels.keys())
    if single:
        raise DataError(
            f"{path}: {shown(single[0])}",
            found="an image without a .cls, or a .cls without an image",
            expected="both for every key",
        )
    return [
        Entry(f"{archive}/{m.name}", labels[key], m.size, archive, m.offset_data)
        for key, m in sorted(images.items())
    ]


def _split(name: str) -> tuple[str, str]:
    """(key, suffix): WebDataset splits a member's name at the first dot after the last slash."""
    folder, slash, file = name.rpartition("/")
    stem, dot, suffix = file.partition(".")
    return folder + slash + stem, (dot + suffix).lower()


def _require_plain(path: Path, member: tarfile.TarInfo, *, seen: bool) -> None:
    """Links, devices, sparse members and repeated keys have no bytes of their own to point at."""
    if not member.isreg() or member.issparse() or seen:
        raise DataError(
            f"{path}: {shown(member.name)}",
            found="a key that occurs twice" if seen else "a member that is not a regular file",
            expected="regular members, one image and one .cls per key",
        )


def _label(path: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> int:
    stream = tar.extractfile(member)
    text = stream.read(MAX_LABEL_BYTES + 1).decode("ascii", "replace").strip() if stream else ""
    if not (text.isascii() and text.isdigit() and int(text) < MAX_CLASSES):
        raise DataError(
            f"{path}: {shown(member.name)}",
            found=shown(text),
            expected=f"a class index in 0 .. {MAX_CLASSES - 1} as decimal digits",
        )
    return int(text)

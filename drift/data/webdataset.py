"""Tar archives in WebDataset's layout as a data set with random access; no extra package is needed.

Each image KEY.jpg (.png, ...) has its class index in KEY.cls, in the same archive; members with
other suffixes are skipped by name. Archives are not compressed, so an image is read at its offset
without unpacking anything.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drift.artifacts.errors import shown
from drift.data.classes import MAX_CLASSES
from drift.data.entries import SUFFIXES, Entry, Listing, sha256_of
from drift.data.source import DataError

LABEL = ".cls"
MAX_LABEL_BYTES = 16
END = 2 * tarfile.BLOCKSIZE  # zero bytes with which every archive ends
MOST_END = 1 << 20  # zero bytes of the longest record that archivers fill up


@dataclass
class Members:
    """Of one archive, by key."""

    images: dict[str, tarfile.TarInfo] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    others: list[tuple[str, str]] = field(default_factory=list)  # (key, name)


def list_archives(root: Path, names: Sequence[str], skipped: Sequence[str] = ()) -> Listing:
    """Images of the archives `names` in `root`, in the order of the archives and in them of keys.

    The classes are 0 .. the greatest index; their names are these numbers.
    """
    entries: list[Entry] = []
    left = list(skipped)
    for name in names:
        found = _members(root / name)
        if not found.images and not found.labels:
            raise DataError(
                str(root / name),
                found=f"one of {len(names)} archives without an image",
                expected="at least one image in each",
                remedy="Fetch it again, or take it out.",
            )
        entries += _entries(root, name, found)
        left += [f"{name}/{other}" for _, other in found.others]
    classes = 1 + max(entry.label for entry in entries)
    again = [entry for held in _by_name(entries).values() for entry in held[1:]]
    listing = Listing(
        root, tuple(map(str, range(classes))), entries, tuple(left),
        tuple(entry.name for entry in again),
    )  # fmt: skip
    _require_no_copies(listing)
    return listing


def _by_name(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """The entries of each name that a member has in its archive."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[posixpath.normpath(entry.name.removeprefix(f"{entry.archive}/"))].append(entry)
    return found


def _require_no_copies(listing: Listing) -> None:
    """Raise DataError for an archive that holds an image of another one, under its name.

    Names may begin anew in every archive; the same name over the same bytes is a copy or a link.
    """
    for held in _by_name(listing.entries).values():
        sizes = Counter(entry.size for entry in held)
        seen: dict[str, Entry] = {}
        for entry in (one for one in held if sizes[one.size] > 1):
            first = seen.setdefault(sha256_of(listing.read(entry)), entry)
            if first is not entry:
                raise DataError(
                    listing.place(entry),
                    found=f"the image that {shown(first.archive)} holds under this name",
                    expected="each image once",
                    remedy="Take the copy of the archive out, or pack it without these images.",
                )


def _members(path: Path) -> Members:
    found = Members()
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if not member.isdir():
                    _add(found, path, tar, member)
            _require_end(path, tar.offset)
    except tarfile.TarError as error:
        raise _cut(path, f"no whole tar archive ({error})") from error
    return found


def _add(found: Members, path: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    """Sort in one member; raises DataError for one that cannot be pointed at."""
    _require_inside(path, member.name)
    key, suffix = _split(posixpath.normpath(member.name))
    if suffix == LABEL:
        _require_plain(path, member, seen=key in found.labels)
        found.labels[key] = _label(path, tar, member)
    elif suffix in SUFFIXES:
        _require_plain(path, member, seen=key in found.images)
        found.images[key] = member
    else:
        found.others.append((key, member.name))


def _entries(root: Path, archive: str, found: Members) -> Iterator[Entry]:
    """The images of an archive; raises DataError for an image or a label that is alone."""
    alone = sorted(found.images.keys() ^ found.labels.keys())
    alone += [
        key for key, name in found.others if _looks_like_one(name) and key not in found.labels
    ]
    if alone:
        raise DataError(
            f"{root / archive}: {shown(alone[0])}",
            found="an image without a .cls, or a .cls without an image",
            expected="both for every key, which ends at the first dot of a name",
        )
    for key, member in sorted(found.images.items()):
        yield Entry(
            f"{archive}/{member.name}", found.labels[key], member.size, archive, member.offset_data
        )


def _looks_like_one(name: str) -> bool:
    """Whether a member that is not looked at ends as an image or a label does."""
    last = posixpath.basename(name)
    return not last.startswith(".") and last.lower().endswith((*SUFFIXES, LABEL))


def _split(name: str) -> tuple[str, str]:
    """(key, suffix): WebDataset splits a member's name at the first dot after the last slash."""
    folder, slash, file = name.rpartition("/")
    stem, dot, suffix = file.partition(".")
    return folder + slash + stem, (dot + suffix).lower()


def _require_end(path: Path, offset: int) -> None:
    """Raise DataError unless zero bytes, and nothing else, follow the last member.

    tarfile takes a header that it cannot read for the end, and what lies behind it is never seen.
    """
    with path.open("rb") as stream:
        stream.seek(offset)
        rest = stream.read(MOST_END + 1)
    if any(rest):
        raise _cut(path, f"a header at byte {offset:,} that is damaged or follows the end")
    if len(rest) < END:
        raise _cut(path, f"an archive that stops at byte {offset + len(rest):,} without its end")
    if len(rest) > MOST_END:
        raise _cut(path, f"more than {MOST_END:,} zero bytes from byte {offset:,} on")


def _cut(path: Path, found: str) -> DataError:
    return DataError(
        str(path),
        found=found,
        expected="one whole, uncompressed archive, which ends in two blocks of zeros",
        remedy="Fetch or pack it again; keep archives in files of their own instead of joining "
        "them.",
    )


def _require_inside(path: Path, name: str) -> None:
    """A name that leads out of the archive was made to be unpacked where it should not be."""
    if name.startswith("/") or ".." in name.split("/"):
        raise DataError(
            f"{path}: {shown(name)}",
            found="an absolute name or one with ..",
            expected="names below the archive",
            remedy="Pack it again, from its own folder.",
        )


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

"""Which files a data set consists of, in which order and with which labels; no pixels yet.

The one reader of image folders: `drift encode`, training and evaluation list them here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from drift.artifacts.errors import shown
from drift.data.classes import class_order
from drift.data.entries import NAMED, SUFFIXES, UNLABELLED, Entry, Listing, again
from drift.data.source import DataError
from drift.data.webdataset import list_archives

ARCHIVE = ".tar"
# What may lie beside class folders or archives without being data; it is skipped by name.
NOTES = (
    "", ".txt", ".md", ".rst", ".json", ".jsonl", ".csv", ".tsv", ".yaml", ".yml", ".html", ".log",
    ".sha256", ".md5",
)  # fmt: skip


@dataclass(frozen=True)
class Top:
    """The names in a data set's folder, each in one part."""

    folders: tuple[str, ...]
    images: tuple[str, ...]
    archives: tuple[str, ...]
    skipped: tuple[str, ...]


def list_images(root: Path, *, unlabelled: bool = False) -> Listing:
    """The images of a folder: one folder per class, or tar archives in WebDataset's layout.

    unlabelled  images in the folder itself will do; their label is -1 and there are no classes
    Raises DataError for what is not understood; `Listing.notes` names what is left out or repeated.
    """
    if not root.is_dir():
        raise DataError(
            str(root),
            found="a file" if root.exists() else "no such folder",
            expected="a folder with one folder of images per class",
            remedy="Check the path of the data set.",
        )
    try:
        top = survey(root)
        if top.archives:
            _require_archives_only(root, top)
            return list_archives(root, top.archives, top.skipped)
        if unlabelled and top.images and not top.folders:
            return _list_loose(root, top)
        return list_folder(root, top)
    except OSError as error:
        raise DataError(
            str(error.filename or root),
            found=error.strerror or str(error),
            expected="folders and files that can be read",
        ) from error


def survey(root: Path) -> Top:
    """Sort out the names in `root`; raises DataError for one that is neither data nor a note."""
    found: dict[str, list[str]] = {"folders": [], "images": [], "archives": [], "skipped": []}
    for name in sorted(path.name for path in root.iterdir()):
        found[_kind(root / name)].append(name)
    return Top(**{kind: tuple(names) for kind, names in found.items()})


def list_folder(root: Path, top: Top) -> Listing:
    """Classes are the folders of `root` in the order of `class_order`; images of a class by path.

    Hidden files and folders are skipped and named. Anything else that is no image is an error: a
    file that is silently left out is a hole in the data set that nobody sees.
    """
    loose = top.images
    if loose or not top.folders:
        found = f"{len(loose)} images that are in no class: " if loose else "no folders"
        raise DataError(
            str(root),
            found=found + ", ".join(map(shown, loose[:NAMED])),
            expected="one folder of images per class",
            remedy="Move the images of each class into a folder with the name of the class.",
        )
    classes = class_order(top.folders, place=str(root))
    skipped = list(top.skipped)
    entries: list[Entry] = []
    files: list[tuple[int, int]] = []
    for label, folder in enumerate(classes):
        for name, status in sorted(_files(root, folder, skipped), key=itemgetter(0)):
            entries.append(Entry(name, label, status.st_size))
            files.append((status.st_dev, status.st_ino))
    repeated = tuple(entry.name for entry in again(entries, files))
    return Listing(root, classes, entries, tuple(skipped), repeated)


def _list_loose(root: Path, top: Top) -> Listing:
    entries = [Entry(name, UNLABELLED, (root / name).stat().st_size) for name in top.images]
    return Listing(root, (), entries, top.skipped)


def _kind(path: Path) -> str:
    if path.name.startswith("."):
        return "skipped"
    if path.is_dir():
        return "folders"
    suffix = path.suffix.lower()
    if path.is_file() and suffix not in SUFFIXES:
        if suffix == ARCHIVE:
            return "archives"
        if suffix in NOTES:
            return "skipped"
    _require_image(path)
    return "images"


def _files(root: Path, folder: str, skipped: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    """(name below the root, status) of every image below a class's folder; links are followed.

    The names of hidden files and folders are added to `skipped`.
    """
    pending = [(Path(folder), frozenset({os.path.realpath(root)}))]
    while pending:
        where, above = pending.pop()
        real = os.path.realpath(root / where)
        _require_no_loop(root / where, real, above)
        for name in os.listdir(root / where):  # noqa: PTH208 - names, not paths
            path = root / where / name
            if name.startswith("."):
                skipped.append((where / name).as_posix())
            elif path.is_dir():
                pending.append((where / name, above | {real}))
            else:
                _require_image(path)
                yield (where / name).as_posix(), path.stat()


def _require_no_loop(path: Path, real: str, above: frozenset[str]) -> None:
    if real in above:
        raise DataError(
            str(path),
            found=f"a link to {real}, in which it lies itself",
            expected="links that lead out of their own folder",
            remedy="Remove the link, or hide it with a leading dot.",
        )


def _require_archives_only(root: Path, top: Top) -> None:
    beside = (*top.folders, *top.images)
    if beside:
        raise DataError(
            str(root),
            found=f"{len(top.archives)} archives ({', '.join(map(shown, top.archives[:NAMED]))}) "
            f"beside {len(beside)} folders or images ({', '.join(map(shown, beside[:NAMED]))})",
            expected="either archives or one folder of images per class",
            remedy="Move one of the two elsewhere, or hide it with a leading dot.",
        )


def _require_image(path: Path) -> None:
    problem = ""
    if not path.is_file():  # a broken link, a pipe, a device
        problem = "something that is not a regular file"
    elif path.suffix.lower() not in SUFFIXES:
        problem = f"a file with the suffix {shown(path.suffix)}"
    if problem:
        raise DataError(
            str(path),
            found=problem,
            expected=f"images only ({', '.join(SUFFIXES)})",
            remedy="Convert it or take it out, or hide it with a leading dot.",
        )

"""Checks of data sets as listed: order, labels, identity, what is left out, refusals by name."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from drift.data import entries, listing, webdataset
from drift.data.source import TensorSource
from verify.api import CheckContext, Measurement, check, mutant

from ..common.places import folder
from ..common.rows import Refused, Row, judge_rows

PLAIN = {
    "10/z.png": b"z", "2/b.png": b"bb", "2/a.JPG": b"aaa", "2/sub/c.webp": b"c", "2/.hid": b"",
    "9/e.bmp": b"eeee", "README.md": b"", ".git/x.png": b"", "list": b"",
}  # fmt: skip
ORDER = ["2/a.JPG", "2/b.png", "2/sub/c.webp", "9/d.png", "9/e.bmp", "10/z.png"]
LABELS, SIZES = [0, 0, 0, 1, 1, 2], [3, 2, 1, 4, 4, 1]


def _laid(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


@check("data.listed")
def listed(ctx: CheckContext) -> Measurement:
    """One folder, listed by the disk in three orders; then every kind of set that is refused."""
    with folder() as root:
        home = _laid(root / "set", PLAIN)
        (home / "9" / "d.png").symlink_to("e.bmp")
        rows = chain(
            _listed(home), _by_any_disk(home), _read(root / "read"), _refused(root), _in_memory()
        )
        return judge_rows(ctx, rows, "facts of listings")


def _listed(home: Path) -> Iterator[Row]:
    found = listing.list_images(home)
    hashes = [hashlib.sha256(PLAIN.get(name, b"eeee")).hexdigest() for name in ORDER]
    outline = b"".join(
        f"{name}\0{label} {size}\n".encode()
        for name, label, size in zip(ORDER, LABELS, SIZES, strict=True)
    )
    whole = b"".join(
        f"{name}\0{sha256} {label}\n".encode()
        for name, sha256, label in zip(ORDER, hashes, LABELS, strict=True)
    )
    yield "names", lambda: [one.name for one in found.entries], ORDER
    yield "labels", lambda: found.labels, LABELS
    yield "sizes", lambda: [one.size for one in found.entries], SIZES
    yield "classes", lambda: found.classes, ("2", "9", "10")
    yield "number", lambda: len(found), 6
    yield "skipped", lambda: sorted(found.skipped), [".git", "2/.hid", "README.md", "list"]
    yield "read again", lambda: found.repeated, ("9/e.bmp",)
    yield (
        "notes",
        lambda: found.notes,
        (
            "4 names left out as no data: '.git', 'README.md', 'list', '2/.hid'",
            "1 names read again, by a link or from another archive: '9/e.bmp'",
        ),
    )
    yield "no note", lambda: entries.Listing(home, (), []).notes, ()
    yield "outline", lambda: found.outline, hashlib.sha256(outline).hexdigest()
    yield "hashes", lambda: list(found.hashes(1)), hashes
    yield "manifest", lambda: found.manifest_digest(hashes), hashlib.sha256(whole).hexdigest()
    yield "place", lambda: found.place(found.entries[0]), str(home / "2" / "a.JPG")
    archived = entries.Entry("a.tar/x.png", 0, 1, "a.tar", 5)
    yield "place in an archive", lambda: found.place(archived), f"{home / 'a.tar'}: a.tar/x.png"


def _by_any_disk(home: Path) -> Iterator[Row]:
    """The order in which a disk lists names decides nothing."""
    names, paths = os.listdir, Path.iterdir
    for turn in (0, 1, 2):

        def moved(found: list[Any], turn: int = turn) -> list[Any]:
            held = sorted(found, key=str, reverse=True)
            return held[turn:] + held[:turn]

        def listed_so(turn: int = turn, moved: Callable[[list[Any]], list[Any]] = moved) -> object:
            with (
                patch.object(os, "listdir", lambda at: moved(names(at))),
                patch.object(Path, "iterdir", lambda self: iter(moved(list(paths(self))))),
            ):
                found = listing.list_images(home)
            return [one.name for one in found.entries], found.labels, found.classes, found.repeated

        yield f"listed in order {turn}", listed_so, (ORDER, LABELS, ("2", "9", "10"), ("9/e.bmp",))


def _read(root: Path) -> Iterator[Row]:
    home = _laid(root, {"a/x.png": b"12345", "b/y.png": b"1"})
    found = listing.list_images(home)
    first = found.entries[0]
    yield "bytes", lambda: found.read(first), b"12345"
    part = entries.Entry("a/x.png", 0, 3, "a/x.png", 1)
    yield "bytes of a part", lambda: found.read(part), b"234"

    def limited(most: int) -> bytes:
        with patch.object(entries, "MAX_FILE_BYTES", most):
            return found.read(first)

    yield "as large as may be", partial(limited, 5), b"12345"
    yield "larger", partial(limited, 4), Refused("a/x.png", "5 bytes", "at most 4")
    yield "the largest file", lambda: entries.MAX_FILE_BYTES, 1 << 28
    parts = _listing(2, 5, 3)
    for held_out, names in ((True, ["a/1", "b/1", "b/3", "c/1"]),
                            (False, ["a/0", "b/0", "b/2", "b/4", "c/0", "c/2"])):  # fmt: skip
        part_of = partial(parts.part, 2, held_out=held_out)
        yield f"held out {held_out}", partial(_names, part_of), names
    small = partial(parts.part, 3, held_out=True)
    said = Refused("1 classes of fewer than 3 images: 'a'", "held_out_every")
    yield "too few of a class", small, said
    longer, shorter = first._replace(size=4), first._replace(size=6)
    for name, wrong in (("grown", longer), ("cut", shorter)):
        yield name, partial(found.read, wrong), Refused("a/x.png", "another length", "Start again")
    gone = first._replace(name="a/none.png")
    yield "gone", partial(found.read, gone), Refused("none.png", "a readable image")
    loose = partial(listing.list_images, home / "a", unlabelled=True)
    yield "loose", lambda: (loose().classes, loose().labels, loose().entries[0].size), ((), [-1], 5)
    sha256 = hashlib.sha256(b"12345").hexdigest()
    yield "unchanged", lambda: entries.require_unchanged("x", b"12345", sha256), None
    yield "changed", lambda: entries.require_unchanged("x", b"1", sha256), Refused("x", sha256)
    for count in (64, 65, 130, 257):  # read in pieces, each of them by some workers
        many = entries.Listing(home, ("a",), [first] * count)
        for workers in (1, 2):
            read = partial(lambda many, workers: list(many.hashes(workers)), many, workers)
            yield f"{count} hashes by {workers}", read, [sha256] * count
    for wrong_name in ("\udcff", "caf\udce9", "\udce9t\u00e9"):
        odd = partial(entries.Listing, home, (wrong_name,), [first])
        yield f"a class {wrong_name!a}", odd, Refused(str(home), "the class name", "UTF-8")
    named = partial(lambda: entries.Listing(home, ("\u00e9t\u00e9",), [first]).classes)
    yield "a class beyond ASCII", named, ("\u00e9t\u00e9",)
    held = [first, found.entries[1], first]
    yield "seen before", lambda: entries.again(held, ["k", "l", "k"]), (first,)
    yield "never seen", lambda: entries.again(held, ["k", "l", "m"]), ()


def _names(made: Callable[[], entries.Listing]) -> list[str]:
    return [one.name for one in made().entries]


def _listing(*counts: int) -> entries.Listing:
    """So many images of the classes a, b and so on."""
    names = "abc"[: len(counts)]
    held = [
        entries.Entry(f"{name}/{i}", label, 1)
        for label, (name, count) in enumerate(zip(names, counts, strict=True))
        for i in range(count)
    ]
    return entries.Listing(Path(), tuple(names), held)


def _refused(root: Path) -> Iterator[Row]:
    """(what, the files of a set, what the error has to say)."""
    good = {"a/x.png": b"1"}
    for name, files, words in (
        ("no class", {"x.png": b"1"}, ("1 images that are in no class", "x.png", "Move")),
        ("an image beside classes", {**good, "y.png": b"1"}, ("in no class", "y.png")),
        ("no folder", {"notes.txt": b""}, ("no folders", "one folder of images per class")),
        ("an empty class", {**good, "b/.x": b""}, ("1 of 2 classes without an image: 'b'", "Add")),
        ("two names of a number", {"1/x.png": b"1", "01/x.png": b"1"}, ("'01' and '1'", "Rename")),
        ("a text in a class", {**good, "a/t.txt": b""}, ("t.txt", "suffix '.txt'", "Convert")),
        ("an unknown file", {**good, "t.pdf": b""}, ("t.pdf", "suffix '.pdf'")),
        ("archives and classes", {**good, "t.tar": b""}, ("1 archives", "'t.tar'", "'a'", "Move")),
    ):  # fmt: skip
        home = _laid(root / name, files)
        yield name, partial(listing.list_images, home), Refused(*words)
    home = _laid(root / "loop", good)
    (home / "a" / "back").symlink_to(home)
    yield "a loop", partial(listing.list_images, home), Refused("a link to", "in which it lies")
    home = _laid(root / "broken", good)
    (home / "a" / "y.png").symlink_to("nowhere.png")
    yield "a broken link", partial(listing.list_images, home), Refused("y.png", "not a regular")
    file = root / "a file"
    file.write_bytes(b"")
    yield "a file", partial(listing.list_images, file), Refused("found a file", "Check the path")
    none = partial(listing.list_images, root / "none")
    yield "nothing", none, Refused("no such folder", "Check the path")


# archives


def _tar(path: Path, members: dict[str, bytes | None], end: bytes | None = None) -> Path:
    """A tar of these members; None is a folder, b"->x" a link to x. `end` in place of its zeros."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name.removesuffix("*"))
            if data is None:
                entry.type = tarfile.DIRTYPE
            elif data.startswith(b"->"):
                entry.type, entry.linkname = tarfile.SYMTYPE, data[2:].decode()
            else:
                entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data or b""))
        stop = tar.offset
    if end is not None:
        path.write_bytes(path.read_bytes()[:stop] + end)
    return path


FIRST: dict[str, bytes | None] = {
    "b.png": b"1234", "b.cls": b"2", "x": None, "x/a.JPG": b"12", "x/a.cls": b" 0\n",
    "./c.png": b"9", "./c.cls": b"001", "b.json": b"{}", ".note": b"",
}  # fmt: skip
SECOND: dict[str, bytes | None] = {"b.png": b"4321", "b.cls": b"1"}


def _in_memory() -> Iterator[Row]:
    """Samples in memory: every class has some, each sample one label."""
    samples = torch.arange(4.0).reshape(4, 1, 1, 1)

    def made(labels: list[int], classes: int, some: torch.Tensor = samples) -> object:
        found = TensorSource(some, torch.tensor(labels, dtype=torch.int64), classes)
        return found.shape, found.get(torch.tensor([2, 0])).flatten().tolist()

    yield "in memory", partial(made, [0, 1, 1, 2], 3), ((1, 1, 1), [2.0, 0.0])
    whole = "samples of each of 3 classes"
    for name, labels, words in (
        ("the last is empty", [0, 1, 1, 0], ("3 classes, of which [2]", whole)),
        ("the first is empty", [2, 1, 1, 2], ("3 classes, of which [0]", whole)),
        ("one too many", [0, 1, 2, 3], ("4 classes, of which []", whole)),
    ):  # fmt: skip
        yield name, partial(made, labels, 3), Refused("TensorSource.labels", *words)
    for name, labels, some in (("a label less", [0, 1, 2], samples), ("none", [], samples[:0]),
                               ("three axes", [0, 1, 2, 0], samples[0])):  # fmt: skip
        yield name, partial(made, labels, 3, some), Refused("TensorSource: found samples", "[N, C")


@check("data.archives")
def archives(ctx: CheckContext) -> Measurement:
    """Two archives as listed, what they leave out, and every archive that is refused."""
    with folder() as root:
        rows = chain(_archived(root / "set"), _archives_refused(root))
        return judge_rows(ctx, rows, "facts of archives")


def _archived(home: Path) -> Iterator[Row]:
    _tar(home / "0.tar", FIRST)
    _tar(home / "1.tar", SECOND)
    (home / "sizes.json").write_bytes(b"{}")
    found = listing.list_images(home)
    names = ["0.tar/b.png", "0.tar/./c.png", "0.tar/x/a.JPG", "1.tar/b.png"]
    yield "names", lambda: [one.name for one in found.entries], names
    yield "labels", lambda: found.labels, [2, 1, 0, 1]
    yield "archives", lambda: [one.archive for one in found.entries], ["0.tar"] * 3 + ["1.tar"]
    yield "bytes", lambda: list(map(found.read, found.entries)), [b"1234", b"9", b"12", b"4321"]
    yield "classes", lambda: found.classes, ("0", "1", "2")
    yield "left out", lambda: found.skipped, ("sizes.json", "0.tar/b.json", "0.tar/.note")
    yield "named again", lambda: found.repeated, ("1.tar/b.png",)


def _archives_refused(root: Path) -> Iterator[Row]:
    pair: dict[str, bytes | None] = {"a.png": b"12", "a.cls": b"0"}
    many: tuple[tuple[str, dict[str, bytes | None], tuple[str, ...]], ...] = (
        ("no image", {"a.txt": b"1"}, ("one of 1 archives without an image", "take it out")),
        ("an image alone", {"a.png": b"1", **SECOND}, ("'a'", "without a .cls")),
        ("a label alone", {"a.cls": b"1", **SECOND}, ("'a'", "without a .cls")),
        ("a name of two dots", {**pair, "c.x.png": b"1"}, ("'c'", "first dot")),
        ("an absolute name", {**pair, "/b.png": b"1"}, ("'/b.png'", "absolute", "Pack it again")),
        ("a name that leaves", {**pair, "../b.png": b"1"}, ("absolute name or one with ..",)),
        ("a link", {**pair, "b.png": b"->a.png", "b.cls": b"0"}, ("b.png", "not a regular file")),
        ("a linked label", {**pair, "b.png": b"", "b.cls": b"->a.cls"}, ("b.cls", "not a reg")),
        ("a key twice", {**pair, "a.png*": b"1"}, ("a.png", "occurs twice")),
        ("a label twice", {**pair, "a.cls*": b"1"}, ("a.cls", "occurs twice")),
        ("a label in words", {"a.png": b"1", "a.cls": b"cat"}, ("'cat'", "0 .. 999999")),
        ("no label", {"a.png": b"1", "a.cls": b""}, ("''", "decimal digits")),
        ("a negative label", {"a.png": b"1", "a.cls": b"-1"}, ("'-1'",)),
        ("a label too large", {"a.png": b"1", "a.cls": b"1000000"}, ("'1000000'",)),
    )  # fmt: skip
    for name, members, words in many:
        home = _tar(root / name / "0.tar", members).parent
        yield name, partial(listing.list_images, home), Refused("0.tar", *words)
    zeros, mended = bytes(1024), root / "longest" / "0.tar"
    header = b"x" + bytes(511)
    for name, end, said in (
        ("no end", b"", "without its end"), ("half an end", zeros[:512], "without its end"),
        ("a damaged header", header + zeros, "damaged or follows the end"),
        ("behind the end", zeros + header, "damaged or follows the end"),
    ):  # fmt: skip
        home = _tar(root / name / "0.tar", pair, end).parent
        yield name, partial(listing.list_images, home), Refused("0.tar", said, "Fetch or pack")
    _tar(mended, pair, bytes(2048))

    def ended(most: int) -> int:
        with patch.object(webdataset, "MOST_END", most):
            return len(listing.list_images(mended.parent))

    yield "the longest end", partial(ended, 2048), 1
    yield "a longer end", partial(ended, 2047), Refused("more than 2,047 zero bytes")
    yield "the limits", lambda: (webdataset.END, webdataset.MOST_END), (1024, 1 << 20)
    copies = _tar(root / "copies" / "0.tar", pair).parent
    _tar(copies / "1.tar", pair)
    copied = Refused("1.tar", "'0.tar' holds under this name", "each image once", "Take the copy")
    yield "a copy", partial(listing.list_images, copies), copied


@mutant("data.disk_order")
def disk_order(subject: object) -> AbstractContextManager[Any]:
    """Names come in the order of the disk."""
    return patch.object(listing, "sorted", lambda found, key=None: list(found), create=True)


@mutant("data.whole_archives", entries.Listing, "read")
def whole_archives(real: Any, self: Any, entry: Any) -> bytes:
    """A file is read to its end, whatever length it had."""
    return bytes((self.root / (entry.archive or entry.name)).read_bytes())


OTHER_VALUES = (
    # Whatever follows the last member is taken for the end.
    mutant("data.ends_unseen", webdataset, _require_end=lambda path, offset: None),
    # Copies of images count as images of their own.
    mutant("data.copies_unseen", webdataset, _require_no_copies=lambda found: None),
)

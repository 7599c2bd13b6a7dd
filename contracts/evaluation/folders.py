"""Checks of folders of images that are evaluated, and of labels by the names of their classes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from drift.artifacts.errors import shown
from drift.evaluate import folders, sources
from drift.evaluate.sources import Images
from verify.api import CheckContext, Measurement, check, mutant

from ..common.places import folder
from ..common.rows import Refused, Row, judge_rows


@check("engine.folders")
def image_folders(ctx: CheckContext) -> Measurement:
    """Folders read, noted and refused; labels under the names of a reference's classes."""
    with folder() as root:
        return judge_rows(ctx, chain(_folders(root), _named()), "facts of folders")


def _png(path: Path, mode: str, value: object, sides: tuple[int, int] = (3, 2)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    made: Any = value
    Image.new(mode, sides, made).save(path)


def _folders(root: Path) -> Iterator[Row]:
    home = root / "images"
    _png(home / "b" / "x.png", "L", 9)
    _png(home / "a" / "y.png", "L", 70)

    def read() -> tuple[object, ...]:
        found = sources.from_path(home)
        pixels, labels = (torch.cat(part) for part in zip(*found.open(), strict=True))
        return (
            pixels[:, :, 1, 2].tolist(),
            labels.tolist(),
            found.classes,
            found.notes,
            dict(found.facts),
        )

    yield "grey", read, ([[70], [9]], [0, 1], ("a", "b"), (), {"lossy_files": 0})
    lines = b"".join(
        f"{name}\0{hashlib.sha256((home / name).read_bytes()).hexdigest()}\n".encode()
        for name in ("a/y.png", "b/x.png")
    )
    yield "which they are", lambda: folders.read(home).sha256, hashlib.sha256(lines).hexdigest()
    _png(home / "b" / "z.png", "RGBA", (1, 2, 3, 4))
    _png(home / "b" / "w.jpg", "RGB", (8, 8, 8))
    first, second, third = (shown(str(home / name)) for name in ("a/y.png", "b/x.png", "b/z.png"))
    grey = f"2 grey images among colours, read as three equal channels: {first}, {second}"
    clear = f"1 images whose transparency is dropped: {third}"
    yield "among colours", read, (
        [[70] * 3, [8] * 3, [9] * 3, [1, 2, 3]], [0, 1, 1, 1], ("a", "b"), (grey, clear),
         {"lossy_files": 1}
    )  # fmt: skip
    found = folders.read(home)
    yield "batches", lambda: [len(labels) for _, labels in found.batches(3)], [3, 1]
    (home / "a" / "y.png").write_bytes((home / "b" / "x.png").read_bytes())
    yield "changed meanwhile", lambda: list(found.batches(3)), Refused("a/y.png", "Start again")
    _png(home / "b" / "x.png", "L", 9, (2, 3))
    said = Refused("x.png", "2 x 3 pixels", "3 x 2, as", "crop")
    yield "another size", partial(folders.read, home), said
    loose = root / "loose"
    _png(loose / "x.png", "L", 9)
    yield "loose", lambda: torch.cat([n for _, n in sources.from_path(loose).open()]).tolist(), [-1]
    empty = root / "empty"
    empty.mkdir()
    yield "empty", partial(sources.from_path, empty), Refused("neither checkpoints nor images")


# names


def _named() -> Iterator[Row]:
    """Labels by the names of the reference's classes."""
    pixels = torch.zeros(3, 1, 1, 1, dtype=torch.uint8)

    def under(labels: list[int], own: object, reference: object, **facts: object) -> object:
        held: Any = own
        images = Images(3, lambda: [(pixels, torch.tensor(labels))], "s", facts, held)
        other: Any = reference
        found = sources.named(images, other, "p")
        return torch.cat([n for _, n in found.open()]).tolist(), found.notes

    yield "by name", partial(under, [0, 1, 0], ("b", "a"), ("a", "x", "b")), ([2, 0, 2], ())
    yield (
        "by their facts",
        partial(under, [0, 1, 0], None, ("a", "b"), class_names=["b", "a"]),
        ([1, 0, 1], ()),
    )
    yield "by number", partial(under, [0, 1, 2], None, ("a", "b", "c")), ([0, 1, 2], ())
    yield "no reference", partial(under, [0, 1, 5], None, None), ([0, 1, 5], ())
    left = "labels left out: 'b', 'a' are no classes of the reference; nothing is measured by class"
    yield "strangers", partial(under, [0, 1, 0], ("b", "a"), ("c", "d")), ([-1] * 3, (left,))
    bare = "labels left out: 'b' meet a reference without classes; nothing is measured by class"
    yield "a bare reference", partial(under, [0, 0, 0], ("b",), None), ([-1] * 3, (bare,))
    beyond = partial(under, [0, 1, 3], None, ("a", "b", "c"))
    said = Refused("p: labels", "class 3", "the reference's 3 classes", "data set")
    yield "a number beyond", beyond, said
    own = partial(under, [0, 1, 2], ("b", "a"), ("a", "b"))
    yield "a label without a name", own, Refused("p: labels", "class 2", "its own 2 classes")
    some = partial(under, [0, 1, 0], ("b", "z"), ("a", "b"))
    yield "some of them", some, Refused("p", "1 of 2 classes", "'z'", "'a', 'b'")


@mutant("engine.folders_unsaid", folders, "_notes")
def folders_unsaid(real: Any, listing: Any, looks: Any, *, colour: bool) -> Any:
    """Greys are among colours without a word."""
    return ()


@mutant("engine.labels_by_place", sources, "places_of")
def labels_by_place(real: Any, names: Any, among: Any, *, place: str) -> Any:
    """A class is the one that stands at its place in the reference."""
    return list(range(len(names)))

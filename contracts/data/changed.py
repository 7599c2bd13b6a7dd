"""Checks of a folder that changes while it is read: every way to read it looks at the digest."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from drift.data import crop as cropping
from drift.data import folder as folders
from drift.data.folder import FolderSource
from verify.api import CheckContext, Measurement, check, mutant

from ..common.places import folder
from ..common.rows import Refused, Row, judge_rows
from . import cases

Ways = dict[str, Callable[[FolderSource], object]]
WAYS: Ways = {
    "as it is": lambda source: list(source.get(torch.tensor([0, 1, 2, 3])).shape),
    "mirrored": lambda source: list(source.get(torch.tensor([2])).shape),
    "by random crops": lambda source: list(
        source.augmented(torch.tensor([3, 0]), torch.Generator().manual_seed(1)).shape
    ),
    "its colours": lambda source: source.require_grey(),
}


@check("data.changed")
def changed(ctx: CheckContext) -> Measurement:
    """Each way with and without a digest taken before, with and without a change."""
    with folder() as root:
        return judge_rows(ctx, _rows(root), "ways to read a folder that changed or did not")


def _bitmap(levels: NDArray[np.uint8]) -> bytes:
    """A file whose length tells nothing of its levels."""
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "BMP")
    return stream.getvalue()


def _rows(root: Path) -> Iterator[Row]:
    image, other = root / "a" / "x.bmp", _bitmap(np.full((20, 20), 7, np.uint8))
    whole = _bitmap(np.full((20, 20), 3, np.uint8))  # as long as the other one
    for place in (image, root / "b" / "y.bmp"):
        place.parent.mkdir()
        place.write_bytes(whole)
    shapes = {"as it is": [4, 1, 16, 16], "mirrored": [1, 1, 16, 16],
              "by random crops": [2, 1, 16, 16]}  # fmt: skip
    for way, read in WAYS.items():
        for taken, differs in ((False, True), (True, False), (True, True)):
            image.write_bytes(whole)
            source = FolderSource(root, cases.SIZE, channels=1, mirror=True)
            if taken:
                assert source.digest == source.digest
            image.write_bytes(other if differs else whole)
            refused = Refused(str(image), "sha256", "as it was when", "do not change")
            expected = refused if taken and differs else shapes.get(way)
            yield f"{way}, digest taken {taken}, changed {differs}", partial(read, source), expected
    yield "the same file again and again", partial(_read_again, root, image, [whole] * 3), [3, 3, 3]
    turns = [whole, other, whole, whole]
    yield "read in turns", partial(_read_again, root, image, turns), [3, 7, 3, 3]
    yield "decoded once", partial(_decoded, root, image, [whole] * 3), 1
    yield "decoded anew", partial(_decoded, root, image, turns), 3
    image.write_bytes(whole)
    for kept in (0, 1, 2):
        with patch.object(folders, "KEPT_BYTES", kept * 4 * cases.SIZE**2 + 1):
            small = FolderSource(root, cases.SIZE, channels=1)
            small.get(torch.arange(2))
        yield f"room for {kept} of two", partial(len, small._decoded), kept
    source = FolderSource(root, cases.SIZE, channels=1)
    crop = source.augmented(torch.tensor([0]), torch.Generator().manual_seed(1))
    image.write_bytes(_bitmap(cases.noise(0, 20, 20)[:, :, 0]))
    both = FolderSource(root, cases.SIZE, channels=1, mirror=True)
    plain, mirrored = (
        both.augmented(torch.tensor([place]), torch.Generator().manual_seed(1)) for place in (0, 2)
    )
    yield (
        "a crop of one level",
        lambda: sorted({round((v + 1) * 127.5) for v in crop.flatten().tolist()}),
        [3],
    )
    for name, data in (("shorter", whole[:-1]), ("longer", whole + b"x")):
        image.write_bytes(data)
        said = Refused(str(image), "another length", "as it was when")
        yield f"{name}, without a digest", partial(source.get, torch.tensor([0])), said
    yield "mirrored crops", lambda: torch.equal(mirrored, plain.flip(-1)), True
    yield "not the same", lambda: torch.equal(mirrored, plain), False


def _read_again(root: Path, image: Path, files: Sequence[bytes]) -> list[int]:
    """The level of an image that is another file each time it is read, without a digest."""
    source, found = FolderSource(root, cases.SIZE, channels=1), []
    for data in files:
        image.write_bytes(data)
        found.append(round(float(source.get(torch.tensor([0])).mean() + 1) * 127.5))
    return found


def _decoded(root: Path, image: Path, files: Sequence[bytes]) -> int:
    """How often it is decoded then."""
    with patch.object(cropping, "square", wraps=cropping.square) as square:
        _read_again(root, image, files)
    return square.call_count


OTHER_VALUES = (
    # An image that changed is taken for what it was.
    mutant("data.changes_unseen", folders, require_unchanged=lambda name, data, digest: None),
)

"""Samples on disk: files that appear whole or not at all, written batch by batch.

Nothing here holds more than one batch: a .safetensors header says the shape beforehand, a .npz
member is written as a stream.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from torch import Tensor

from drift import atomic
from drift.sample.loading import SampleError

Write = Callable[[Tensor], None]
SCHEMA = "drift-samples/1"


def refuse_to_overwrite(path: Path) -> None:
    """Raises SampleError for a path that is there, but for an empty folder."""
    if path.is_symlink() or (path.exists() and not (path.is_dir() and not any(path.iterdir()))):
        raise SampleError(
            str(path),
            found="something there",
            expected="a new name",
            remedy="Choose another --out.",
        )


@contextmanager
def fresh(path: Path) -> Iterator[Path]:
    """A temporary sibling that takes the name of `path` when the block has succeeded."""
    refuse_to_overwrite(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(path) as working:
            yield working
            refuse_to_overwrite(path)
    except OSError as error:
        raise SampleError(
            str(path), found=f"a write that failed ({error.strerror or error})",
            expected="room and permission", remedy="Nothing was left behind.",
        ) from error  # fmt: skip


@contextmanager
def safetensors(
    path: Path, shape: tuple[int, ...], labels: Tensor, facts: Mapping[str, Any]
) -> Iterator[Write]:
    """`labels` int64 [N] and `samples` float32 of `shape`, which is written in pieces."""
    values = int(np.prod(shape))
    table = {
        "__metadata__": {"schema": SCHEMA, "facts": json.dumps(facts, sort_keys=True)},
        "labels": {"dtype": "I64", "shape": [len(labels)], "data_offsets": [0, 8 * len(labels)]},
        "samples": {
            "dtype": "F32",
            "shape": list(shape),
            "data_offsets": [8 * len(labels), 8 * len(labels) + 4 * values],
        },
    }
    head = json.dumps(table, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with path.open("wb") as stream:
        stream.write(len(head).to_bytes(8, "little") + head)
        stream.write(labels.numpy().astype("<i8").tobytes())
        with _exactly(stream, values, "<f4") as write:
            yield write


@contextmanager
def npz(
    path: Path, shape: tuple[int, ...], labels: Tensor, facts: Mapping[str, Any]
) -> Iterator[Write]:
    """`arr_0` uint8 [N, H, W, C], as evaluation suites of the field read it, `arr_1` the labels.

    shape  of the bytes [N, C, H, W] that are written in pieces
    facts  are the comment of the archive, which readers of arrays never see
    """
    count, channels, height, width = shape
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        archive.comment = json.dumps(facts, sort_keys=True).encode()
        with archive.open("arr_1.npy", "w") as stream:
            np.lib.format.write_array(stream, labels.numpy(), allow_pickle=False)
        with archive.open("arr_0.npy", "w", force_zip64=True) as stream:
            description = {"descr": "|u1", "fortran_order": False,
                           "shape": (count, height, width, channels)}  # fmt: skip
            np.lib.format.write_array_header_1_0(stream, description)
            with _exactly(stream, int(np.prod(shape)), "|u1") as write:
                yield lambda images: write(images.permute(0, 2, 3, 1))


@contextmanager
def _exactly(stream: BinaryIO | Any, values: int, dtype: str) -> Iterator[Write]:
    """Write pieces of `values` numbers in all; raises ValueError for another number."""
    left = values

    def write(piece: Tensor) -> None:
        nonlocal left
        left -= piece.numel()
        stream.write(piece.contiguous().numpy().astype(dtype, copy=False).tobytes())

    yield write
    if left:
        raise ValueError(f"found {values - left} numbers; expected {values}")

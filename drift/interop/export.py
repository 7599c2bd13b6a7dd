"""Writes the reference's layout: `ema_params.msgpack` in Flax serialisation and `metadata.json`.

The counterpart of drift.interop.artifact; the format is described in drift.interop.flax_reader.
Arrays are streamed, so that writing needs no second copy of the parameters.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift import atomic
from drift.artifacts.errors import ArtifactError, file_errors, shown
from drift.interop.artifact import METADATA_FILE, PARAMS_FILE
from drift.interop.flax_reader import CHUNK_MARKER, DTYPES, EXT_ARRAY

CHUNK_BYTES = 1 << 30  # Flax splits larger arrays, because an extension ends at 4 GiB

_Tree = dict[str, Any]  # name -> tree or array


def write_artifact(
    directory: Path | str, flat: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]
) -> None:
    """Write `flat` (slash-separated path -> array) and `metadata` as a reference directory.

    The directory may exist; a parameter file in it is never overwritten. Raises ArtifactError.
    """
    folder = Path(directory)
    if (folder / PARAMS_FILE).exists():
        raise ArtifactError(
            str(folder / PARAMS_FILE),
            found="a parameter file",
            expected="none; an export never overwrites",
            remedy="Export into another directory.",
        )
    tree = _nested(flat)
    text = json.dumps(metadata, indent=2, sort_keys=True, allow_nan=False) + "\n"
    with file_errors(folder, "a folder that can be written to"):
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / PARAMS_FILE, _packed_tree(tree))
        _write(folder / METADATA_FILE, [text.encode()])


def _write(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """A reader sees the whole file or none of it."""
    with atomic.replacing(path) as temporary, temporary.open("xb") as stream:
        for piece in pieces:
            stream.write(piece)


def _nested(flat: Mapping[str, NDArray[Any]]) -> _Tree:
    tree: _Tree = {}
    for path in sorted(flat):
        *modules, name = path.split("/")
        node: Any = tree
        for module in modules:
            node = node.setdefault(module, {}) if isinstance(node, dict) else None
        if not isinstance(node, dict) or name in node or not all((*modules, name)):
            raise ArtifactError(
                f"parameter {shown(path)}",
                found="a path that is also a module of another, or an empty name",
                expected="one array or one module per path",
            )
        node[name] = flat[path]
    return tree


def _packed_tree(tree: _Tree) -> Iterator[bytes | memoryview]:
    yield _map_header(len(tree))
    for name, value in tree.items():
        yield _packed_text(name)
        if isinstance(value, dict):
            yield from _packed_tree(value)
        elif value.nbytes > CHUNK_BYTES:
            yield from _packed_chunks(value)
        else:
            yield from _packed_array(value)


def _packed_chunks(array: NDArray[Any]) -> Iterator[bytes | memoryview]:
    """marker, shape and chunks, as Flax orders them."""
    line = np.ascontiguousarray(array).reshape(-1)
    step = max(1, CHUNK_BYTES // array.itemsize)
    starts = range(0, line.size, step)
    yield _map_header(3)
    yield _packed_text(CHUNK_MARKER) + b"\xc3"
    yield _packed_text("shape") + _map_header(array.ndim)
    for axis, length in enumerate(array.shape):
        yield _packed_text(str(axis)) + _packed_natural(length)
    yield _packed_text("chunks") + _map_header(len(starts))
    for index, start in enumerate(starts):
        yield _packed_text(str(index))
        yield from _packed_array(line[start : start + step])


def _packed_array(array: NDArray[Any]) -> Iterator[bytes | memoryview]:
    name = array.dtype.name
    if name not in DTYPES or name == "bfloat16":
        raise ArtifactError("export", found=f"dtype {name}", expected=f"one of {sorted(DTYPES)}")
    shape = b"".join(_packed_natural(length) for length in array.shape)
    head = b"\x93" + bytes([0x90 + array.ndim]) + shape + _packed_text(name)
    head += b"\xc6" + array.nbytes.to_bytes(4, "big")
    yield b"\xc9" + (len(head) + array.nbytes).to_bytes(4, "big") + bytes([EXT_ARRAY]) + head
    little = np.ascontiguousarray(array, DTYPES[name])
    yield little.reshape(-1).view(np.uint8).data


def _map_header(count: int) -> bytes:
    return bytes([0x80 + count]) if count < 16 else b"\xdf" + count.to_bytes(4, "big")


def _packed_text(text: str) -> bytes:
    data = text.encode()
    return bytes([0xA0 + len(data)]) + data if len(data) < 32 else b"\xda" + _two(len(data)) + data


def _packed_natural(value: int) -> bytes:
    return bytes([value]) if value < 128 else b"\xce" + value.to_bytes(4, "big")


def _two(value: int) -> bytes:
    return value.to_bytes(2, "big")

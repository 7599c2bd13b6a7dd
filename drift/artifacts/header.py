"""The safetensors file format, read as untrusted bytes.

A file is: 8 bytes little-endian length N, N bytes of JSON (name -> dtype, shape, data_offsets, and
`__metadata__`: str -> str), then the tensors' bytes without holes. Every rule is checked before a
byte of a tensor is touched: after `read_header` the table describes exactly the bytes that are
there, so nothing can be allocated that the file does not hold.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drift.artifacts import strict_json
from drift.artifacts.errors import ArtifactError, file_errors, regular_size, shown

# bytes per element of every dtype a parameter may have; anything else is refused
ITEM_BYTES: Mapping[str, int] = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
}
MAX_HEADER_BYTES = 4 << 20  # the largest column's table takes 60 kB
MAX_TENSORS = 20_000
MAX_NAME = 256
MAX_DIMENSIONS = 8
MAX_METADATA_VALUE = 1 << 20
MAX_NUMBER = 1 << 48
READ_BYTES = 4 << 20
TRUNCATED = "The file is cut short or damaged; fetch or export it again."


@dataclass(frozen=True)
class TensorEntry:
    """One row of the table; `begin` and `end` count from the start of the data section."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Header:
    """What a file says about itself: `metadata` is None where the file has none."""

    path: Path
    data_start: int
    data_bytes: int
    tensors: Mapping[str, TensorEntry]
    metadata: Mapping[str, str] | None = None

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Tensor name -> shape."""
        return {name: entry.shape for name, entry in self.tensors.items()}


def read_header(path: Path) -> Header:
    """The checked header of `path`; raises ArtifactError and reads no tensor."""
    size = regular_size(
        path,
        expected="a safetensors file",
        remedy="Check the path; `drift import DIR --out FILE` makes such a file of a reference "
        "directory.",
    )
    if size < 8 + 2:
        raise ArtifactError(
            str(path), found=f"{size} bytes", expected="a safetensors file", remedy=TRUNCATED
        )
    with file_errors(path, "a readable file"), path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > min(MAX_HEADER_BYTES, size - 8):
            raise ArtifactError(
                f"{path}: first 8 bytes",
                found=f"a header of {length} bytes in a file of {size}",
                expected=f"a safetensors header of at most {min(MAX_HEADER_BYTES, size - 8)} bytes",
                remedy=TRUNCATED,
            )
        raw = stream.read(length)
    table = strict_json.parse(raw, place=f"{path}: header", limit=MAX_HEADER_BYTES)
    if not isinstance(table, dict):
        raise ArtifactError(
            f"{path}: header", found=shown(table), expected="a JSON object", remedy=TRUNCATED
        )
    metadata = _metadata(path, table.pop("__metadata__", None))
    tensors = _tensors(path, table, size - 8 - length)
    return Header(path, 8 + length, size - 8 - length, tensors, metadata)


def encode_header(header: Header, metadata: Mapping[str, str]) -> bytes:
    """The length and JSON that put `metadata` before the tensors of `header`, aligned to 8."""
    table: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    for entry in sorted(header.tensors.values(), key=lambda entry: (entry.begin, entry.end)):
        table[entry.name] = {
            "dtype": entry.dtype,
            "shape": list(entry.shape),
            "data_offsets": [entry.begin, entry.end],
        }
    text = json.dumps(table, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER_BYTES:
        raise ArtifactError(
            f"{header.path}: header",
            found=f"{len(text)} bytes with the new metadata",
            expected=f"at most {MAX_HEADER_BYTES}",
            remedy="Shorten the value that was given.",
        )
    return len(text).to_bytes(8, "little") + text


def data_chunks(header: Header, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The bytes [begin, end) of the data section, at most 4 MiB at a time."""
    left = (header.data_bytes if end is None else end) - begin
    with file_errors(header.path, "a readable file"), header.path.open("rb") as stream:
        stream.seek(header.data_start + begin)
        while left:
            chunk = stream.read(min(left, READ_BYTES))
            if not chunk:
                raise ArtifactError(
                    str(header.path),
                    found=f"the end of the file {left} bytes early",
                    expected="the bytes its header declares",
                    remedy="The file was changed while it was read; run the command again.",
                )
            left -= len(chunk)
            yield chunk


def _metadata(path: Path, value: object) -> Mapping[str, str] | None:
    if value is None:
        return None
    place = f"{path}: header: __metadata__"
    if not isinstance(value, dict):
        raise ArtifactError(place, found=shown(value), expected="an object", remedy=TRUNCATED)
    for key, text in value.items():
        if len(key) > MAX_NAME or not _is_text(key) or not _is_text(text):
            raise ArtifactError(
                place,
                found=f"{shown(key)}: {shown(text)}",
                expected=f"Unicode strings of at most {MAX_METADATA_VALUE} characters",
                remedy=TRUNCATED,
            )
    return value


def _tensors(path: Path, table: dict[str, Any], data_bytes: int) -> dict[str, TensorEntry]:
    place = f"{path}: header"
    if not 0 < len(table) <= MAX_TENSORS:
        raise ArtifactError(
            place,
            found=f"{len(table)} tensors",
            expected=f"between 1 and {MAX_TENSORS}",
            remedy=TRUNCATED,
        )
    entries = [_entry(place, name, row) for name, row in table.items()]
    entries.sort(key=lambda entry: (entry.begin, entry.end))
    position = 0
    for entry in entries:
        if entry.begin != position:
            raise ArtifactError(
                f"{place}: {shown(entry.name)}",
                found=f"data at byte {entry.begin}",
                expected=f"byte {position}, where the tensor before it ends",
                remedy=TRUNCATED,
            )
        position = entry.end
    if position != data_bytes:
        raise ArtifactError(
            place,
            found=f"{data_bytes} bytes of tensors in the file",
            expected=f"{position}, which the header declares",
            remedy=TRUNCATED,
        )
    return {entry.name: entry for entry in entries}


def _entry(place: str, name: str, row: object) -> TensorEntry:
    place = f"{place}: {shown(name)}"
    if not name or len(name) > MAX_NAME or not (name.isascii() and name.isprintable()):
        raise ArtifactError(
            place,
            found="that name",
            expected=f"1 to {MAX_NAME} printable ASCII characters",
            remedy=TRUNCATED,
        )
    if not isinstance(row, dict) or set(row) != {"dtype", "shape", "data_offsets"}:
        raise ArtifactError(
            place, found=shown(row), expected="dtype, shape and data_offsets", remedy=TRUNCATED
        )
    dtype, shape, offsets = row["dtype"], row["shape"], row["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise ArtifactError(
            place, found=f"dtype {shown(dtype)}", expected=f"one of {', '.join(ITEM_BYTES)}"
        )
    if not _naturals(shape) or len(shape) > MAX_DIMENSIONS:
        raise ArtifactError(
            place,
            found=f"shape {shown(shape)}",
            expected=f"at most {MAX_DIMENSIONS} non-negative integers",
            remedy=TRUNCATED,
        )
    if not _naturals(offsets) or len(offsets) != 2:
        raise ArtifactError(
            place, found=f"data_offsets {shown(offsets)}", expected="two byte offsets"
        )
    begin, end = offsets
    declared = math.prod(shape) * ITEM_BYTES[dtype]
    if end - begin != declared:
        raise ArtifactError(
            place,
            found=f"{end - begin} bytes of data",
            expected=f"{declared} bytes for {dtype} of shape {shown(shape)}",
            remedy=TRUNCATED,
        )
    return TensorEntry(name, dtype, tuple(shape), begin, end)


def _is_text(value: object) -> bool:
    """Whether `value` is a string that UTF-8 can hold (JSON can spell half a surrogate pair)."""
    if not isinstance(value, str) or len(value) > MAX_METADATA_VALUE:
        return False
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _naturals(value: object) -> bool:
    return isinstance(value, list) and all(
        type(item) is int and 0 <= item <= MAX_NUMBER for item in value
    )

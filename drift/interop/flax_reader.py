"""Flax's msgpack serialisation, read from untrusted bytes without flax and without msgpack.

The format (flax.serialization, public): one msgpack map, nested by module names; an array is the
extension type 1 and a numpy scalar the extension type 3, both with a payload of (shape, dtype
name, row-major little-endian bytes); an array above 1 GiB is a map with the key
`__msgpack_chunked_array__` whose `shape` and `chunks` are maps from "0", "1", ... .

Why not the msgpack library: it keeps the last of two equal keys without a word, builds every
container a file declares (30 MB of empty maps take more than 2 GB), and copies each array twice
on the way. This reader knows only the constructs above. It reads from the stream straight into
the array that it returns, and only after the declared size was held against the bytes left.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.artifacts.errors import ArtifactError, shown

CHUNK_MARKER = "__msgpack_chunked_array__"
EXT_ARRAY, EXT_COMPLEX, EXT_SCALAR = 1, 2, 3
DTYPES = {
    "float64": "<f8",
    "float32": "<f4",
    "float16": "<f2",
    "bfloat16": "<u2",  # numpy has no bfloat16: widened to float32, which holds it exactly
    "int64": "<i8",
    "int32": "<i4",
    "int16": "<i2",
    "int8": "|i1",
    "uint8": "|u1",
}
DAMAGED = "The file is damaged or was not written by Flax; fetch it again."

# msgpack's one-byte headers: kind and the bytes of the length that follows
_LENGTH_OF_MAP = {0xDE: 2, 0xDF: 4}
_LENGTH_OF_STR = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_LENGTH_OF_BIN = {0xC4: 1, 0xC5: 2, 0xC6: 4}
_LENGTH_OF_EXT = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_FIXED_EXT = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_LENGTH_OF_UINT = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_TRUE = 0xC3


@dataclass(frozen=True)
class Limits:
    """What a file may ask for; the largest published artefact stays far below each."""

    file_bytes: int = 64 << 30  # 2.7e9 float32 parameters take 10.8 GB
    depth: int = 16
    leaves: int = 20_000
    name: int = 256
    path: int = 1024
    dimensions: int = 8


@dataclass(frozen=True)
class Leaf:
    """One parameter and the dtype it had in the file."""

    array: NDArray[Any]
    dtype: str


class FlaxReader:
    """Reads one tree from `stream`, which holds `size` bytes; `place` is named in errors."""

    def __init__(self, stream: BufferedReader, size: int, *, place: str, limits: Limits) -> None:
        self._stream = stream
        self._size = size
        self._position = 0
        self._place = place
        self._limits = limits
        self._entries = 0

    def read(self) -> dict[str, Leaf]:
        """Slash-separated path -> leaf, in the order of the file; nothing may follow the tree."""
        if self._size > self._limits.file_bytes:
            raise self._error("", f"{self._size} bytes", f"at most {self._limits.file_bytes}")
        leaves: dict[str, Leaf] = {}
        root = self._map_length(self._byte(""), "")
        if root is None:
            raise self._error("", "no map at the start", "a map of modules")
        self._tree(root, "", 1, leaves)
        if self._position != self._size:
            left = self._size - self._position
            raise self._error("", f"{left} bytes after the tree", "the end of the file")
        if not leaves:
            raise self._error("", "no parameter", "at least one")
        return leaves

    def _tree(self, count: int, path: str, depth: int, leaves: dict[str, Leaf]) -> None:
        if depth > self._limits.depth:
            raise self._error(path, f"modules nested {depth} deep", f"at most {self._limits.depth}")
        names: set[str] = set()
        for _ in range(count):
            name = self._name(path, names)
            if name == CHUNK_MARKER and not names - {name}:
                leaves[path] = self._chunked(count, path)
                return
            inner = f"{path}/{name}" if path else name
            if len(inner) > self._limits.path:
                raise self._error(path, "a longer path", f"at most {self._limits.path} characters")
            kind = self._byte(inner)
            length = self._map_length(kind, inner)
            if length is None:
                leaves[inner] = self._array(kind, inner)
            else:
                self._tree(length, inner, depth + 1, leaves)

    def _name(self, path: str, names: set[str]) -> str:
        self._entries += 1
        if self._entries > self._limits.leaves:
            raise self._error(path, "more entries", f"at most {self._limits.leaves}")
        name = self._text(path)
        if not name or "/" in name or not (name.isascii() and name.isprintable()):
            raise self._error(path, f"the name {shown(name)}", "printable ASCII without a slash")
        if name in names:
            raise self._error(path, f"the name {shown(name)} twice", "each name once")
        names.add(name)
        return name

    # arrays

    def _array(self, kind: int, path: str) -> Leaf:
        """An extension of type 1 or 3, whose header byte `kind` was read."""
        end, shape, dtype, nbytes = self._array_header(kind, path)
        raw = np.empty(shape, DTYPES[dtype])
        self._fill(raw, nbytes, path)
        if self._position != end:
            raise self._error(path, f"{end - self._position} bytes after the array", "its end")
        return Leaf(_widened(raw, dtype), dtype)

    def _array_header(self, kind: int, path: str) -> tuple[int, tuple[int, ...], str, int]:
        """(position where the extension ends, shape, dtype, bytes), the bytes being there."""
        length = self._ext_length(kind, path)
        code = self._byte(path)
        if code not in (EXT_ARRAY, EXT_SCALAR):
            what = "a complex scalar" if code == EXT_COMPLEX else f"the extension type {code}"
            raise self._error(path, what, "an array (type 1) or a scalar (type 3)")
        self._require(length, path)
        end = self._position + length
        if self._byte(path) != 0x93:  # msgpack: an array of three
            raise self._error(path, "another payload", "(shape, dtype, bytes)")
        shape = self._shape(path)
        dtype = self._text(path)
        if dtype not in DTYPES:
            raise self._error(path, f"dtype {shown(dtype)}", f"one of {', '.join(DTYPES)}")
        if code == EXT_SCALAR and shape:
            raise self._error(path, f"a scalar of shape {shape}", "shape ()")
        nbytes = self._length(_LENGTH_OF_BIN, self._byte(path), path, "bytes of an array")
        expected = math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize
        if nbytes != expected:
            raise self._error(
                path, f"{nbytes} bytes", f"{expected} for {dtype} of shape {shown(shape)}"
            )
        if self._position + nbytes > end:
            raise self._error(path, "an array longer than its extension", "one that fits")
        return end, shape, dtype, nbytes

    def _shape(self, path: str) -> tuple[int, ...]:
        kind = self._byte(path)
        if not 0x90 <= kind <= 0x90 + self._limits.dimensions:
            raise self._error(path, "no shape", f"at most {self._limits.dimensions} dimensions")
        shape = tuple(self._natural(path) for _ in range(kind - 0x90))
        if 0 in shape:
            raise self._error(path, f"an empty array of shape {shown(shape)}", "elements")
        return shape

    def _chunked(self, count: int, path: str) -> Leaf:
        """A map of marker, shape and chunks; the marker's key was read."""
        if not path or count != 3 or self._byte(path) != _TRUE:
            raise self._error(path, "a damaged chunked array", "marker, shape and chunks")
        names = {CHUNK_MARKER}
        shape: tuple[int, ...] | None = None
        chunks: list[Leaf] | Leaf | None = None
        for _ in range(2):
            name = self._name(path, names)
            if name == "shape":
                shape = tuple(self._natural(path) for _ in self._numbered(path))
            elif name == "chunks":
                chunks = self._chunks(path, shape)
            else:
                raise self._error(path, f"the key {shown(name)}", "shape and chunks")
        if isinstance(chunks, list):  # the file put them before the shape
            dtypes = {leaf.dtype for leaf in chunks}
            if len(dtypes) != 1:
                raise self._error(path, f"chunks of {sorted(dtypes)}", "one dtype")
            chunks = Leaf(np.concatenate([leaf.array.reshape(-1) for leaf in chunks]), dtypes.pop())
        if shape is None or chunks is None or chunks.array.size != math.prod(shape):
            raise self._error(path, f"chunks that do not fill {shown(shape)}", "all elements")
        if len(shape) > self._limits.dimensions:
            raise self._error(path, f"{len(shape)} dimensions", f"<= {self._limits.dimensions}")
        return Leaf(chunks.array.reshape(shape), chunks.dtype)

    def _chunks(self, path: str, shape: tuple[int, ...] | None) -> list[Leaf] | Leaf:
        """The chunks; read straight into one array where the shape is known already."""
        indices = self._numbered(path)
        if shape is None:
            return [self._array(self._byte(path), path) for _ in indices]
        whole: NDArray[Any] | None = None
        dtype, filled, total = "", 0, math.prod(shape)
        for _ in indices:
            end, part, part_dtype, nbytes = self._array_header(self._byte(path), path)
            if whole is None:
                dtype = part_dtype
                self._require(total * np.dtype(DTYPES[dtype]).itemsize, path)
                whole = np.empty(total, DTYPES[dtype])
            size = math.prod(part)
            if part_dtype != dtype or filled + size > total:
                raise self._error(path, "a chunk of another dtype or size", "chunks that fit")
            self._fill(whole[filled : filled + size], nbytes, path)
            filled += size
            if self._position != end:
                raise self._error(path, "bytes after a chunk", "its end")
        if whole is None or filled != total:
            raise self._error(path, f"{filled} elements in chunks", f"{total}")
        return Leaf(_widened(whole, dtype), dtype)

    def _numbered(self, path: str) -> Iterator[int]:
        """Yields while the keys "0", "1", ... of a map come; the caller reads each value."""
        count = self._map_length(self._byte(path), path)
        if count is None or count > self._limits.leaves:
            raise self._error(path, "no numbered map", 'keys "0", "1", ...')
        for index in range(count):
            key = self._text(path)
            if key != str(index):
                raise self._error(path, f"the key {shown(key)}", f'"{index}"')
            yield index

    # the elements of msgpack

    def _byte(self, path: str) -> int:
        return self._take(1, path)[0]

    def _natural(self, path: str) -> int:
        kind = self._byte(path)
        if kind < 0x80:
            return kind
        value = self._length(_LENGTH_OF_UINT, kind, path, "a non-negative integer")
        if value > self._size:  # a dimension cannot exceed the bytes there are
            raise self._error(path, f"the dimension {value}", f"at most {self._size}")
        return value

    def _map_length(self, kind: int, path: str) -> int | None:
        """Number of entries if `kind` starts a map, else None."""
        if 0x80 <= kind <= 0x8F:
            return kind - 0x80
        if kind not in _LENGTH_OF_MAP:
            return None
        count = self._length(_LENGTH_OF_MAP, kind, path, "a map")
        self._require(2 * count, path)  # a key and a value take a byte each at the least
        return count

    def _text(self, path: str) -> str:
        kind = self._byte(path)
        if 0xA0 <= kind <= 0xBF:
            length = kind - 0xA0
        else:
            length = self._length(_LENGTH_OF_STR, kind, path, "a string")
        if length > self._limits.name:
            raise self._error(path, f"a name of {length} bytes", f"at most {self._limits.name}")
        try:
            return self._take(length, path).decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._error(path, "a name that is not UTF-8", "UTF-8") from error

    def _ext_length(self, kind: int, path: str) -> int:
        if kind in _FIXED_EXT:
            return _FIXED_EXT[kind]
        return self._length(_LENGTH_OF_EXT, kind, path, "an array")

    def _length(self, widths: dict[int, int], kind: int, path: str, expected: str) -> int:
        if kind not in widths:
            raise self._error(path, f"the msgpack header 0x{kind:02x}", expected)
        return int.from_bytes(self._take(widths[kind], path), "big")

    # the stream

    def _require(self, count: int, path: str) -> None:
        left = self._size - self._position
        if count > left:
            raise self._error(path, f"{count} bytes declared, {left} left", "the bytes declared")

    def _take(self, count: int, path: str) -> bytes:
        self._require(count, path)
        data = self._stream.read(count)
        if len(data) != count:
            raise self._error(path, "a file that shrank while it was read", "the bytes declared")
        self._position += count
        return data

    def _fill(self, array: NDArray[Any], nbytes: int, path: str) -> None:
        self._require(nbytes, path)
        view = array.reshape(-1).view(np.uint8).data  # contiguous: a view, not a copy
        done = 0
        while done < nbytes:
            got = self._stream.readinto(view[done:])
            if not got:
                raise self._error(path, "a file that shrank while it was read", "its bytes")
            done += got
        self._position += nbytes

    def _error(self, path: str, found: str, expected: str) -> ArtifactError:
        where = f" at {shown(path)}" if path else ""
        place = f"{self._place}: byte {self._position}{where}"
        return ArtifactError(place, found=found, expected=expected, remedy=DAMAGED)


def _widened(raw: NDArray[Any], dtype: str) -> NDArray[Any]:
    if dtype != "bfloat16":
        return raw
    wide: NDArray[Any] = raw.astype("<u4")
    np.left_shift(wide, 16, out=wide)
    return wide.view("<f4")

"""Checks of the release's parameter files, byte by byte: what is read, refused and written."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from drift.interop import export, flax_reader
from drift.interop.flax_reader import FlaxReader, Limits
from verify.api import CheckContext, Measurement, check, mutant

from ..common.places import folder
from ..common.rows import Refused, Row, judge_rows

SMALL = Limits(file_bytes=400, depth=3, leaves=8, name=40, path=50, dimensions=3)
MARKER = "__msgpack_chunked_array__"
VALUES = struct.pack("<2f", 1.5, -2.0)


def _text(text: str) -> bytes:
    data = text.encode()
    return (
        bytes([0xA0 + len(data)]) + data if len(data) < 32 else b"\xd9" + bytes([len(data)]) + data
    )


def _map(items: Sequence[tuple[str, bytes]]) -> bytes:
    return bytes([0x80 + len(items)]) + b"".join(_text(name) + value for name, value in items)


def _array(
    shape: Sequence[int] = (2,), dtype: str = "float32", data: bytes = VALUES, *, code: int = 1,
    more: bytes = b"", length: int | None = None,
) -> bytes:  # fmt: skip
    """An extension: (shape, dtype, bytes)."""
    held = len(data) if length is None else length
    head = b"\x93" + bytes([0x90 + len(shape), *shape]) + _text(dtype) + b"\xc4" + bytes([held])
    return b"\xc7" + bytes([len(head + data + more), code]) + head + data + more


def _chunked(shape: Sequence[int], *chunks: bytes, first: str = "shape") -> bytes:
    sides = _map([(str(i), bytes([n])) for i, n in enumerate(shape)])
    held = _map([(str(i), one) for i, one in enumerate(chunks)])
    parts = [("shape", sides), ("chunks", held)]
    return _map([(MARKER, b"\xc3"), *(parts if first == "shape" else parts[::-1])])


def _read(data: bytes, limits: Limits = SMALL) -> object:
    stream: Any = io.BytesIO(data)
    found = FlaxReader(stream, len(data), place="p", limits=limits).read()
    return {k: (v.dtype, v.array.dtype.name, v.array.tolist()) for k, v in found.items()}


@check("artifact.packed")
def packed(ctx: CheckContext) -> Measurement:
    """Files made of bytes by hand: every header that is known, every damage by name."""
    with folder() as root:
        rows = chain(_taken(), _headers(), _chunks(), _refused(), _written(root))
        return judge_rows(ctx, rows, "files of packed parameters")


TWO = ("float32", "float32", [1.5, -2.0])


def _taken() -> Iterator[Row]:
    tree = _map([("a", _map([("k", _array())])), ("b", _array((), "int8", b"\xff", code=3))])
    yield "a tree", partial(_read, tree), {"a/k": TWO, "b": ("int8", "int8", -1)}
    for dtype, pattern, value in (
        ("float64", "<d", 1.5), ("float16", "<e", 1.5), ("int64", "<q", -3), ("int32", "<i", -3),
        ("int16", "<h", -3), ("int8", "<b", -3), ("uint8", "<B", 200), ("float32", "<f", 0.1),
    ):  # fmt: skip
        data = struct.pack(pattern, value)
        kept = struct.unpack(pattern, data)[0]
        yield dtype, partial(_read, _map([("a", _array((1,), dtype, data))])), {
            "a": (dtype, dtype, [kept])
        }  # fmt: skip
    narrow = _array((2,), "bfloat16", b"\x80\x3f\x40\xc0")
    yield (
        "bfloat16",
        partial(_read, _map([("a", narrow)])),
        {"a": ("bfloat16", "float32", [1.0, -3.0])},
    )
    rows = _array((2, 3), "int8", bytes(range(6)))
    yield (
        "rows",
        partial(_read, _map([("a", rows)])),
        {"a": ("int8", "int8", [[0, 1, 2], [3, 4, 5]])},
    )
    deep = _map([("a", _map([("b", _map([("c", _array())]))]))])
    yield "as deep as may be", partial(_read, deep), {"a/b/c": TWO}
    name = "n" * 40
    yield "as long a name", partial(_read, _map([(name, _array())])), {name: TWO}
    many = _map([(f"{i}", _array((1,), "int8", b"\0")) for i in range(8)])
    yield "as many", lambda: len(_read(many)), 8  # type: ignore[arg-type]
    yield "the limits", lambda: (Limits().depth, Limits().leaves, Limits().file_bytes), (
        16, 20_000, 64 << 30
    )  # fmt: skip
    three = _array((1, 1, 2))
    yield (
        "as many axes",
        partial(_read, _map([("a", three)])),
        {"a": ("float32", "float32", [[[1.5, -2.0]]])},
    )
    long = _map([("a", _map([("n" * 40, _array())]))])
    at = Limits(path=42)
    yield "as long a path", partial(_read, long, at), {"a/" + "n" * 40: TWO}


def _headers() -> Iterator[Row]:
    """Every msgpack header of a map, a text, bytes, an extension and a number."""
    body = b"\x93\x91\x02" + _text("float32") + b"\xc4\x08" + VALUES
    n = len(body)
    one = _map([("a", _array())])
    for name, data in {
        "map 16": b"\xde\0\1" + one[1:], "map 32": b"\xdf\0\0\0\1" + one[1:],
        "text 8": b"\x81\xd9\1a" + _array(), "text 16": b"\x81\xda\0\1a" + _array(),
        "text 32": b"\x81\xdb\0\0\0\1a" + _array(),
        "extension 16": b"\x81\xa1a\xc8" + struct.pack(">H", n) + b"\1" + body,
        "extension 32": b"\x81\xa1a\xc9" + struct.pack(">I", n) + b"\1" + body,
        "bytes 16": _map([("a", _ext(body.replace(b"\xc4\x08", b"\xc5\0\x08")))]),
        "bytes 32": _map([("a", _ext(body.replace(b"\xc4\x08", b"\xc6\0\0\0\x08")))]),
        "number 8": _map([("a", _ext(body.replace(b"\x91\x02", b"\x91\xcc\x02")))]),
        "number 16": _map([("a", _ext(body.replace(b"\x91\x02", b"\x91\xcd\0\x02")))]),
        "number 32": _map([("a", _ext(body.replace(b"\x91\x02", b"\x91\xce\0\0\0\x02")))]),
        "number 64": _map([("a", _ext(body.replace(b"\x91\x02",
            b"\x91\xcf" + bytes(7) + b"\x02")))]),
    }.items():  # fmt: skip
        yield name, partial(_read, data), {"a": TWO}
    for length, byte in ((8, 0xD7), (16, 0xD8)):  # extensions of a fixed length
        held = b"\x93\x90" + _text("int8") + b"\xc4\1\x05"
        pad = b"\x93\x90" + _text("int8") + b"\xc5\0\1\x05" if length > len(held) else held
        data = b"\x81\xa1a" + bytes([byte, 1]) + pad
        exact = len(pad) == length
        yield (
            f"fixed {length}",
            partial(_read, data),
            {"a": ("int8", "int8", 5)} if exact else Refused("p:"),
        )


def _ext(body: bytes) -> bytes:
    return b"\xc7" + bytes([len(body), 1]) + body


def _chunks() -> Iterator[Row]:
    left, right = _array((2,), "int8", b"\1\2"), _array((1,), "int8", b"\3")
    whole = {"a": ("int8", "int8", [[1], [2], [3]])}
    for first in ("shape", "chunks"):
        data = _map([("a", _chunked((3, 1), left, right, first=first))])
        yield f"chunks, {first} first", partial(_read, data), whole
    wide = _array((1,), "int16", b"\3\0")
    for name, chunked, words in (
        ("too few", _chunked((3, 1), left), ("2 elements in chunks",)),
        ("too many", _chunked((2, 1), left, right), ("of another dtype or size",)),
        ("two kinds", _chunked((3, 1), left, wide), ("of another dtype or size",)),
        ("too few first", _chunked((3, 1), left, first="chunks"), ("that do not fill (3, 1)",)),
        ("two kinds first", _chunked((3, 1), left, wide, first="chunks"), ("int16", "one dtype")),
        ("no marker", _map([(MARKER, b"\xc2"), ("shape", b"\x80"), ("chunks", b"\x80")]),
         ("damaged",)),
        ("another key", _map([(MARKER, b"\xc3"), ("size", b"\x80"), ("chunks", b"\x80")]),
         ("'size'",)),
        ("two keys", _map([(MARKER, b"\xc3"), ("shape", b"\x80")]), ("damaged chunked array",)),
        ("four axes", _chunked((1, 1, 1, 1), right), ("4 dimensions", "<= 3")),
        ("more bytes than there are", _chunked((99, 9), left), ("bytes declared",)),
        ("numbers out of order", _chunked((3,), left, right).replace(b"\xa11", b"\xa12"), ("'2'",
         '"1"')),
        ("no map of chunks", _map([(MARKER, b"\xc3"), ("shape", b"\x80"), ("chunks", b"\1")]),
         ("numbered",)),
    ):  # fmt: skip
        tree = _map([("a", chunked), ("b", _array())])
        yield f"chunks: {name}", partial(_read, tree), Refused("p: byte", *words, "fetch it again")
    said = Refused("damaged chunked")
    yield "chunks at the root", partial(_read, _chunked((3,), left, right)), said


def _refused() -> Iterator[Row]:
    good = _array()
    nested = _map([("a", _map([("b", _map([("c", _map([("d", good)]))]))]))])
    many = _map([(f"{i}", _array((1,), "int8", b"\0")) for i in range(9)])
    cases: Mapping[str, tuple[bytes, tuple[str, ...]]] = {
        "empty": (b"", ("1 bytes declared, 0 left",)), "no map": (b"\x01", ("a map of modules",)),
        "no parameter": (b"\x80", ("no parameter", "at least one")),
        "no leaf": (_map([("a", b"\x80")]), ("no parameter",)),
        "bytes behind": (_map([("a", good)]) + b"\0", ("1 bytes after the tree",)),
        "too deep": (nested, ("'a/b/c'", "nested 4 deep", "at most 3")),
        "too many": (many, ("more entries", "at most 8")),
        "a name twice": (_map([("a", good), ("a", good)]), ("'a' twice",)),
        "no name": (_map([("", good)]), ("the name ''",)), "a slash": (_map([("a/b", good)]),
            ("'a/b'",)),
        "a tab": (_map([("a\t", good)]), ("printable ASCII",)),
        "a long name": (_map([("n" * 41, good)]), ("a name of 41 bytes", "at most 40")),
        "no text": (b"\x81\xa1\xff" + good, ("not UTF-8",)), "a number": (_map([("a", b"\1")]),
            ("0x01",)),
        "a complex scalar": (_map([("a", _array(code=2))]), ("a complex scalar",)),
        "another extension": (_map([("a", _array(code=4))]), ("the extension type 4",)),
        "a scalar of two": (_map([("a", _array(code=3))]), ("a scalar of shape (2,)",)),
        "a dtype": (_map([("a", _array(dtype="complex64"))]), ("dtype 'complex64'", "float64")),
        "another size": (_map([("a", _array((3,)))]), ("8 bytes", "12 for float32")),
        "an empty array": (_map([("a", _array((0,), data=b""))]), ("an empty array of shape (0,)",
            )),
        "four axes": (_map([("a", _array((1, 1, 1, 2)))]), ("at most 3 dimensions",)),
        "bytes in it": (_map([("a", _array(more=b"\0"))]), ("1 bytes after the array",)),
        "cut": (_map([("a", good)])[:-1], ("bytes declared",)),
        "another payload": (_map([("a", _ext(b"\x92\x90\xa0"))]), ("(shape, dtype, bytes)",)),
        "no bytes": (_map([("a", _ext(b"\x93\x91\2" + _text("float32") + b"\1"))]), ("0x01",
            "bytes of an")),
        "longer than its extension": (
            b"\x81\xa1a\xc7" + bytes([len(_ext_body()) - 1, 1]) + _ext_body(),
                ("longer than its ext",)),
        "a map longer than the file": (b"\x81\xa1a\xde\0\x99", ("306 bytes declared",)),
        "a side beyond the file": (
            _map([("a", _ext(b"\x93\x91\xcd\xff\xff" + _text("int8") + b"\xc4\1\0"))]),
                ("dimension 65535",)),
    }  # fmt: skip
    for name, (data, words) in cases.items():
        yield name, partial(_read, data), Refused("p: byte ", *words, "was not written by Flax")
    large = _map([("a", good)]) + bytes(400)
    yield "a large file", partial(_read, large), Refused(f"{len(large)} bytes", "at most 400")
    path = _map([("a", _map([("n" * 40, good)]))])
    said = Refused("a longer path", "at most 41")
    yield "a long path", partial(_read, path, Limits(path=41)), said


def _ext_body() -> bytes:
    return b"\x93\x91\x02" + _text("float32") + b"\xc4\x08" + VALUES


# writing


def _written(root: Path) -> Iterator[Row]:
    names = [f"m{i:02d}" for i in range(17)]
    flat = {
        "b": np.array(-3, np.int64),
        "a/x": np.array([[1.5], [-2.0]], ">f4"),
        "a/w": np.zeros((130,), np.int8),
    }
    place = root / "out"

    def written(arrays: Mapping[str, Any], at: Path = place, **meta: Any) -> object:
        export.write_artifact(at, arrays, meta)
        data = (at / "ema_params.msgpack").read_bytes()
        (at / "ema_params.msgpack").unlink()
        return _read(data, Limits(leaves=100)), (at / "metadata.json").read_text()

    kept = {"a/w": ("int8", "int8", [0] * 130), "a/x": ("float32", "float32", [[1.5], [-2.0]]),
            "b": ("int64", "int64", -3)}  # fmt: skip
    yield "a directory", partial(written, flat, z=1, k="v"), (kept, '{\n  "k": "v",\n  "z": 1\n}\n')
    many = {name: np.ones(1, np.int8) for name in names}
    yield "seventeen", lambda: written(many)[0], {n: ("int8", "int8", [1]) for n in names}  # type: ignore[index]
    deep = root / "not" / "there"
    yield "folders that are not there", partial(written, flat, deep), (kept, "{}\n")
    long = {"n" * 32: np.ones(1, np.int8), "m" * 31: np.ones(1, np.int8)}
    yield "long names", lambda: list(written(long)[0]), ["m" * 31, "n" * 32]  # type: ignore[index]

    def chunked(most: int) -> object:
        with patch.object(export, "CHUNK_BYTES", most):
            export.write_artifact(place, {"a": np.arange(6, dtype=np.int16).reshape(2, 3)}, {})
        data = (place / "ema_params.msgpack").read_bytes()
        (place / "ema_params.msgpack").unlink()
        return _read(data), data.count(b"int16")

    rows = {"a": ("int16", "int16", [[0, 1, 2], [3, 4, 5]])}
    for most, parts in ((12, 1), (11, 2), (8, 2), (5, 3), (1, 6)):
        yield f"chunks of {most} bytes", partial(chunked, most), (rows, parts)
    for name, arrays, words in (
        ("a path that is a module", {"a": flat["b"], "a/x": flat["b"]}, ("'a/x'",
         "a module of another")),
        ("an empty name", {"a//x": flat["b"]}, ("'a//x'", "an empty name")),
        ("a dtype", {"a": np.zeros(1, complex)}, ("dtype complex128", "float32")),
    ):  # fmt: skip
        yield name, partial(written, arrays, root / name), Refused(*words)
    place.joinpath("ema_params.msgpack").write_bytes(b"kept")
    said = Refused("never overwrites", "another directory")
    yield "never over another", partial(written, flat), said
    yield "as it was", lambda: place.joinpath("ema_params.msgpack").read_bytes(), b"kept"


@mutant("artifact.names_again", FlaxReader, "_name")
def names_again(real: Any, self: Any, path: str, names: set[str]) -> Any:
    """Of two equal names the last counts."""
    return real(self, path, set())


OTHER_VALUES = (
    # What has no float32 of its own is read as whole numbers.
    mutant("artifact.narrow_kept", flax_reader, _widened=lambda raw, dtype: raw),
    # Every array is cut where it fits no longer, into pieces of one.
    mutant(
        "artifact.one_chunk", export, _packed_chunks=lambda array: export._packed_array(array[:1])
    ),
)

"""Checks of untrusted bytes: headers held to the format, strict JSON, numbers that are finite."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from drift.artifacts import contents, header, probe, strict_json
from drift.artifacts.errors import shown
from verify.api import CheckContext, Measurement, check, mutant

from ..common import small_run
from ..common.places import folder
from ..common.rows import Refused, Row, judge_rows

ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def _file(path: Path, table: object, data: bytes = bytes(8), *, length: int | None = None) -> Path:
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


@check("artifact.headers")
def headers(ctx: CheckContext) -> Measurement:
    """Tables of tensors taken and refused, read back in pieces, and written again."""
    with folder() as root:
        rows = chain(_tables(root), _refused(root), _again(root), _texts(), _probed())
        return judge_rows(ctx, rows, "facts of headers")


def _tables(root: Path) -> Iterator[Row]:
    place = root / "x"

    def entries(table: object, data: bytes) -> tuple[object, ...]:
        found = header.read_header(_file(place, table, data))
        rows = [(e.name, e.dtype, e.shape, e.begin, e.end, e.size) for e in found.tensors.values()]
        return rows, found.metadata, found.data_bytes

    two = {
        "__metadata__": {"k": "v"}, "b": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [8,
            12]},
        "a": ONE, "c": {"dtype": "U8", "shape": [0], "data_offsets": [12, 12]},
    }  # fmt: skip
    yield "three tensors", partial(entries, two, bytes(12)), (
        [("a", "F32", (2,), 0, 8, 2), ("b", "BF16", (1, 2), 8, 12, 2), ("c", "U8", (0,), 12, 12,
         0)],
        {"k": "v"}, 12,
    )  # fmt: skip
    for dtype, size in {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2,
                        "I8": 1, "U8": 1}.items():  # fmt: skip
        table = {"a": {"dtype": dtype, "shape": [3], "data_offsets": [0, 3 * size]}}
        yield dtype, partial(entries, table, bytes(3 * size)), (
            [("a", dtype, (3,), 0, 3 * size, 3)], None, 3 * size
        )  # fmt: skip
    scalar = {"n" * 256: {"dtype": "U8", "shape": [], "data_offsets": [0, 1]}}
    deep = {"a": {"dtype": "U8", "shape": [1] * 8, "data_offsets": [0, 1]}}
    yield (
        "a long name",
        partial(entries, scalar, bytes(1)),
        ([("n" * 256, "U8", (), 0, 1, 1)], None, 1),
    )
    yield (
        "eight axes",
        partial(entries, deep, bytes(1)),
        ([("a", "U8", (1,) * 8, 0, 1, 1)], None, 1),
    )
    words = {"__metadata__": {"k": "\u00e4", "\u00e9": "e"}, "a": ONE}
    read = partial(entries, words, bytes(8))
    yield "letters of any tongue", lambda: read()[1], words["__metadata__"]
    held = header.read_header(_file(place, two, bytes(range(12))))
    yield "shapes", lambda: held.shapes, {"a": (2,), "b": (1, 2), "c": (0,)}
    yield "a piece", lambda: b"".join(header.data_chunks(held, 3, 9)), bytes(range(3, 9))
    yield "all of it", lambda: b"".join(header.data_chunks(held)), bytes(range(12))

    def pieces(most: int) -> list[int]:
        with patch.object(header, "READ_BYTES", most):
            return [len(one) for one in header.data_chunks(held)]

    yield "pieces", partial(pieces, 5), [5, 5, 2]
    for item, fits in ((0, True), (1 << 48, True), ((1 << 48) + 1, False), (-1, False)):
        yield f"the number {item}", partial(header._naturals, [1, item]), fits
    for text, fits in (
        ("\u00e9", True), ("\ud800", False), ("\udfff", False), ("\ue000", True),
        ("x" * (1 << 20), True), ("x" * ((1 << 20) + 1), False),
    ):  # fmt: skip
        yield f"the text {text[:2]!a}", partial(header._is_text, text), fits
    yield "limits", lambda: (header.MAX_HEADER_BYTES, header.READ_BYTES, header.MAX_TENSORS), (
        4 << 20, 4 << 20, 20_000
    )  # fmt: skip


def _row(**changes: Any) -> dict[str, Any]:
    return {"a": {**ONE, **changes}}


def _refused(root: Path) -> Iterator[Row]:
    place = root / "y"
    cases: tuple[tuple[str, object, bytes, tuple[str, ...]], ...] = (
        ("no object", [], bytes(8), ("header", "[]", "a JSON object")),
        ("no tensor", {}, b"", ("0 tensors", "between 1 and 20000")),
        ("a hole", _row(data_offsets=[1, 9]), bytes(9), ("byte 1", "byte 0")),
        ("too much data", _row(), bytes(9), ("9 bytes of tensors", "8, which")),
        ("too little", _row(), bytes(7), ("7 bytes of tensors", "cut short")),
        ("another size", _row(shape=[3]), bytes(8), ("8 bytes of data", "12 bytes for F32")),
        ("a dtype", _row(dtype="F8"), bytes(8), ("dtype 'F8'", "one of F64")),
        ("a dtype that is none", _row(dtype=[]), bytes(8), ("dtype",)),
        ("a negative side", _row(shape=[-2]), bytes(8), ("shape", "non-negative")),
        ("a side that is true", _row(shape=[True, 2]), bytes(8), ("shape",)),
        ("half a side", _row(shape=[2.0]), bytes(8), ("shape",)),
        ("nine axes", _row(shape=[1] * 8 + [2]), bytes(8), ("shape", "at most 8")),
        ("an endless side", _row(shape=[1 << 49]), bytes(8), ("shape",)),
        ("three offsets", _row(data_offsets=[0, 8, 8]), bytes(8), ("two byte offsets",)),
        ("an offset in words", _row(data_offsets=["0", "8"]), bytes(8), ("two byte offsets",)),
        ("a key more", _row(more=1), bytes(8), ("dtype, shape and data_offsets",)),
        ("no row", {"a": 1}, bytes(8), ("dtype, shape and data_offsets",)),
        ("no name", {"": ONE}, bytes(8), ("that name", "1 to 256")),
        ("a longer name", {"n" * 257: ONE}, bytes(8), ("that name",)),
        ("a name of tabs", {"a\tb": ONE}, bytes(8), ("that name",)),
        ("a name of letters", {"\u00e4": ONE}, bytes(8), ("that name", "printable ASCII")),
        ("metadata in a list", {"__metadata__": [], "a": ONE}, bytes(8), ("__metadata__",
         "object")),
        ("a number in it", {"__metadata__": {"k": 1}, "a": ONE}, bytes(8), ("'k': 1", "Unicode")),
        ("half a letter", {"__metadata__": {"k": "a\ud800"}, "a": ONE}, bytes(8), ("'k'",)),
        ("a long key", {"__metadata__": {"k" * 257: "v"}, "a": ONE}, bytes(8), ("__metadata__",)),
        ("no JSON", b"{", bytes(8), ("header", "strict JSON")),
    )  # fmt: skip
    for name, table, data, words in cases:
        said = Refused(str(place), *words)
        yield name, partial(lambda t, d: header.read_header(_file(place, t, d)), table, data), said
    for changes in ({"dtype": "F8"}, {"shape": [-2]}, {"data_offsets": [0]}, {"more": 1},
                    {"shape": [3]}, {"data_offsets": [1, 9]}):  # fmt: skip
        odd = {"which": {**ONE, **changes}}
        yield (
            f"names the tensor of {changes}",
            partial(lambda t: header.read_header(_file(place, t, bytes(9))), odd),
            Refused(": 'which': found"),
        )

    def raw(data: bytes) -> object:
        place.write_bytes(data)
        return header.read_header(place)

    said = Refused("9 bytes", "a safetensors file", "cut short")
    yield "nine bytes", partial(raw, bytes(9)), said
    long = (100).to_bytes(8, "little") + b"{}" + bytes(8)
    yield "a header longer than the file", partial(raw, long), Refused("100 bytes", "at most 10")
    said = Refused("not a regular file", "drift import")
    yield "a folder", partial(header.read_header, root), said
    yield "nothing", partial(header.read_header, root / "no"), Refused("no readable file")


def _again(root: Path) -> Iterator[Row]:
    """Metadata before the same tensors: sorted, aligned to eight bytes, not longer than may be."""
    held = header.read_header(_file(root / "z", {"b": ONE}, bytes(8)))
    text = '{"__metadata__":{"a":"1","c":"2"},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    padded = text.encode() + b" " * (-len(text) % 8)
    yield (
        "written again",
        lambda: header.encode_header(held, {"c": "2", "a": "1"}),
        (len(padded).to_bytes(8, "little") + padded),
    )

    def limited(most: int) -> int:
        with patch.object(header, "MAX_HEADER_BYTES", most):
            return len(header.encode_header(held, {"c": "2", "a": "1"}))

    yield "as long as may be", partial(limited, len(padded)), len(padded) + 8
    yield "longer", partial(limited, len(padded) - 1), Refused("with the new metadata", "Shorten")
    short = header.Header(held.path, held.data_start, 16, held.tensors)
    said = Refused("8 bytes early", "changed")
    yield "a file that shrank", lambda: list(header.data_chunks(short)), said


def _texts() -> Iterator[Row]:
    """Strict JSON, and how untrusted text is shown."""
    read = partial(strict_json.parse, place="p", limit=30)
    for text, value in (("[1, 2.5, null]", [1, 2.5, None]), ('{"a": true}', {"a": True})):
        yield text, partial(read, text.encode()), value
    for data, words in (
        (b'{"a":1,"a":2}', ("'a' twice",)), (b"[NaN]", ("NaN",)), (b"[1e999]", ("1e999", "range")),
        (b"\xff", ("not UTF-8 at offset 0",)), (b"[1,]", ("at character 3",)), (b" " * 31,
         ("at most 30",)),
        (b"-Infinity", ("-Infinity",)),
    ):  # fmt: skip
        yield f"{data!r}", partial(read, data), Refused("p", *words, "fetch it again")
    yield "as long as may be", partial(read, b"1" + b" " * 29), 1
    yield (
        "one spelling",
        lambda: strict_json.canonical({"b": [1], "a": "\u00e4"}),
        '{"a":"\\u00e4","b":[1]}',
    )
    yield "short", lambda: shown("x" * 78), f"'{'x' * 78}'"
    yield "cut", lambda: shown("x" * 79), f"'{'x' * 76}..."
    for dtype, bad in (("F32", [1.0, np.inf]), ("F64", [np.nan, 0]), ("F16", [-np.inf])):
        kind = {"F32": "<f4", "F64": "<f8", "F16": "<f2"}[dtype]
        held = np.array(bad, kind).tobytes()
        good = np.array([np.finfo(kind).max, -0.0], kind).tobytes()
        yield f"finite {dtype}", partial(contents.has_non_finite, good, dtype), False
        yield f"not finite {dtype}", partial(contents.has_non_finite, held, dtype), True
    yield "bfloat16", lambda: [contents.has_non_finite(b, "BF16") for b in (b"\x80\x7f",
        b"\x7f\x7f")], [
        True, False
    ]  # fmt: skip
    yield "whole numbers", lambda: contents.has_non_finite(b"\xff" * 8, "I64"), False
    text_of = '{"kind":"drift-probe/1","rms":1.5,"seed":3,"values":[0.5]}'
    yield "a probe", lambda: dict(probe.understood(text_of) or {}), json.loads(text_of)
    many = text_of.replace("[0.5]", str([0.5] * 16)), text_of.replace("[0.5]", str([0.5] * 17))
    yield (
        "values of a probe",
        lambda: [probe.understood(one) is not None for one in many],
        [True, False],
    )
    for part, other in (("/1", "/2"), ("1.5", "1"), ("3", "3.0"), ("[0.5]", "[]"), ("[0.5]", "[1]"),
                        ("[0.5]", '"x"')):  # fmt: skip
        yield (
            f"a probe with {other}",
            partial(probe.understood, text_of.replace(part, other, 1)),
            None,
        )


class _Sum(torch.nn.Module):
    """A generator whose output is all that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.config: Any = SimpleNamespace(
            in_channels=1, input_size=2, style_tokens=3, style_codes=64, num_classes=10
        )

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        kinds = (torch.float32, torch.int64, torch.float32, torch.int64)
        told = not self.training and tuple(one.dtype for one in given) == kinds
        return torch.cat([one.flatten().double() for one in given]) * told


def _drawn(label: str, count: int, seed: int = 3) -> list[float]:
    data = hashlib.shake_256(f"{label} {seed}".encode()).digest(4 * count)
    words = [int.from_bytes(data[4 * i : 4 * i + 4], "little") for i in range(count)]
    return [word / 2**32 for word in words]


def _probed() -> Iterator[Row]:
    """The input of a seed: noise of variance 1, a label, alpha from 1 to 4, styles; modes stay."""
    model = _Sum()
    single = [float(np.float32(one)) for one in (
        *((2 * u - 1) * math.sqrt(3) for u in _drawn("noise", 4)), 1 + 3 * _drawn("alpha", 1)[0],
    )]  # fmt: skip
    label = float(int(_drawn("label", 1)[0] * 10))
    styles = [float(int(u * 64)) for u in _drawn("style", 3)]
    wanted = [*single[:4], label, single[4], *styles]
    held: Any = model
    for training in (True, False):
        model.train(training)
        found = probe.run(held, 3)
        told = partial(lambda found, mode: (found.tolist(), mode), found, model.training)
        yield f"a probe's input {training}", told, (wanted, training)
    line = torch.linspace(-15, 15, 31, dtype=torch.float64)  # its ends, and every second between
    measured = {"rms": math.sqrt(80.0), "values": [float(n) for n in range(-15, 16, 2)]}
    yield "what is recorded of an output", lambda: probe._measured(line), measured
    endless = partial(probe._measured, torch.full((16,), math.inf))
    yield "an output without end", endless, Refused("probe", "not finite", "numbers")
    yield from _allowed()
    seen: list[torch.Tensor] = []
    whole = small_run.encoder()
    real, side = whole.activations, probe.GRID * whole.config.input_patch

    def heard(x: torch.Tensor) -> dict[str, torch.Tensor]:
        seen.append(x)
        return real(x)

    with patch.object(whole, "activations", heard):
        probe.run(whole, 3)
    image = [float(np.float32((2 * u - 1) * math.sqrt(3))) for u in _drawn("image", side * side)]
    yield "an image for an autoencoder", lambda: seen[0].flatten().tolist(), image
    values = probe.run(small_run.encoder(), 3)
    yield "values of an autoencoder", lambda: len(values), probe.VALUES


def _allowed() -> Iterator[Row]:
    """How far an output may lie from the recorded one, by what the model computes in."""
    recorded = {"seed": 3, "rms": 2.0, "values": [1.0, 2.0]}
    for half, relative in ((False, probe.TOLERANCE), (True, probe.TOLERANCE_BFLOAT16)):
        model: Any = SimpleNamespace(config=SimpleNamespace(bfloat16=half))
        allowed = 2.0 * relative + probe.TINY

        def apart(by: float, model: Any = model, allowed: float = allowed) -> float:
            found = {"rms": 2.0, "values": [1.0, 2.0 + by * allowed]}
            with (
                patch.object(probe, "run", lambda model, seed: seed),
                patch.object(probe, "_measured", {3: found}.__getitem__),
            ):
                return round(probe.require_reproduced(model, recorded, place="m"), 3)

        for by in (0.0, 0.5, 0.99):
            yield f"{by} of what bfloat16={half} allows", partial(apart, by), by
        beyond = Refused("m: probe", "as recorded when the file was saved", "Import the source")
        yield f"beyond what bfloat16={half} allows", partial(apart, 1.01), beyond
    yield "the tolerances", lambda: probe.TOLERANCE < probe.TOLERANCE_BFLOAT16, True


OTHER_VALUES = (
    # Holes between tensors are nobody's business.
    mutant("artifact.any_number", header, _naturals=lambda value: True),
    # A NaN is a number.
    mutant("artifact.everything_finite", contents, _EXPONENT={}),
)

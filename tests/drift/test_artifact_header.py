"""drift.artifacts.header: safetensors headers from untrusted bytes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from drift.artifacts.errors import ArtifactError
from drift.artifacts.header import data_chunks, encode_header, read_header

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"


def file_of(tmp_path: Path, table: object, data: bytes = b"\x00" * 16) -> Path:
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def row(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_the_golden_files_have_the_tensors_that_the_library_reads() -> None:
    for path in sorted(GOLDEN.glob("drift_*.safetensors")):
        expected = load_file(path)
        header = read_header(path)
        assert header.shapes == {name: tuple(t.shape) for name, t in expected.items()}
        for name, tensor in expected.items():
            entry = header.tensors[name]
            data = b"".join(data_chunks(header, entry.begin, entry.end))
            assert data == tensor.numpy().tobytes()


def test_a_header_written_by_us_is_read_by_the_library(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b/c": torch.ones(5, dtype=torch.bfloat16)}
    save_file(tensors, tmp_path / "in.safetensors", metadata={"old": "1"})
    header = read_header(tmp_path / "in.safetensors")
    out = tmp_path / "out.safetensors"
    written = encode_header(header, {"width": "64", "name": "Grüße \U0001f600"})
    out.write_bytes(written + b"".join(data_chunks(header)))
    assert len(written) % 8 == 0
    again = load_file(out)
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())
    assert read_header(out).metadata == {"width": "64", "name": "Grüße \U0001f600"}


GOOD = {"a": row([2], 0, 8), "b": row([2], 8, 16)}
HOSTILE: dict[str, tuple[Any, str]] = {
    "not JSON": (b"{" + b" " * 20, "header"),
    "a list": ([1], "a JSON object"),
    "no tensor": ({"__metadata__": {"a": "b"}}, "0 tensors"),
    "a name twice": (b'{"a": 1, "a": 2}', "twice"),
    "nesting of 100,000": (b"[" * 100_000, "nesting"),
    "metadata that is a list": ({**GOOD, "__metadata__": []}, "an object"),
    "metadata with a number": ({**GOOD, "__metadata__": {"a": 1}}, "strings"),
    "metadata with half a surrogate pair": (
        b'{"__metadata__": {"a": "\\ud800"}}' + b" " * 8,
        "Unicode",
    ),
    "a row that is a number": ({"a": 5}, "dtype, shape and data_offsets"),
    "a row with more": ({"a": row([4], 0, 16) | {"x": 1}}, "dtype, shape and data_offsets"),
    "unknown dtype": ({"a": row([4], 0, 16, "F8_E4M3")}, "F8_E4M3"),
    "a dtype that is a list": ({"a": row([4], 0, 16) | {"dtype": ["F32"]}}, "dtype"),
    "a negative dimension": ({"a": row([-4], 0, 16)}, "shape"),
    "a dimension that is a float": ({"a": row([4.0], 0, 16)}, "shape"),  # type: ignore[list-item]
    "a dimension that is true": ({"a": row([True], 0, 4)}, "shape"),
    "a dimension of 10**4000": (
        b'{"a":{"dtype":"F32","shape":[' + b"9" * 4000 + b'],"data_offsets":[0,16]}}',
        "shape",
    ),
    "nine dimensions": ({"a": row([1] * 9, 0, 4)}, "shape"),
    "more than is there": ({"a": row([1 << 40], 0, 1 << 42)}, "bytes of tensors"),
    "dimensions that overflow 64 bits": ({"a": row([1 << 32, 1 << 32, 4], 0, 16)}, "bytes"),
    "overlapping tensors": ({"a": row([2], 0, 8), "b": row([2], 4, 12)}, "tensor before it"),
    "a hole": ({"a": row([1], 0, 4), "b": row([2], 8, 16)}, "tensor before it"),
    "bytes left over": ({"a": row([2], 0, 8)}, "16 bytes of tensors"),
    "offsets backwards": ({"a": row([4], 16, 0)}, "bytes of data"),
    "one offset": ({"a": row([4], 0, 16) | {"data_offsets": [0]}}, "two byte offsets"),
    "a control character": ({"a\x1b[2J": row([4], 0, 16)}, "printable"),
    "an empty name": ({"": row([4], 0, 16)}, "printable"),
    "a name of 300": ({"a" * 300: row([4], 0, 16)}, "printable"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_header_gives_one_clear_error(tmp_path: Path, case: str) -> None:
    table, message = HOSTILE[case]
    with pytest.raises(ArtifactError) as caught:
        read_header(file_of(tmp_path, table))
    text = str(caught.value)
    assert message in text
    assert "model.safetensors" in text
    assert text.isprintable()


def test_twenty_thousand_and_one_tensors_are_refused(tmp_path: Path) -> None:
    table = {f"t{i}": row([], 4 * i, 4 * i + 4) for i in range(20_001)}
    with pytest.raises(ArtifactError, match="20001 tensors"):
        read_header(file_of(tmp_path, table, b"\x00" * 4 * 20_001))


@pytest.mark.parametrize("length", [1 << 20, 1 << 40, (1 << 64) - 1])
def test_a_declared_header_longer_than_the_file_is_not_allocated(
    tmp_path: Path, length: int
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + b"{}" * 100)
    with pytest.raises(ArtifactError, match=f"a header of {length} bytes"):
        read_header(path)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no readable file"):
        read_header(tmp_path / "none")
    with pytest.raises(ArtifactError, match="not a regular file"):
        read_header(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="not a regular file"):
        read_header(tmp_path / "pipe")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(ArtifactError, match="0 bytes"):
        read_header(tmp_path / "empty")


def test_a_file_that_shrinks_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = file_of(tmp_path, GOOD)
    header = read_header(path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ArtifactError, match="3 bytes early"):
        list(data_chunks(header))

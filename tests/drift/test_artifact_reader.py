"""drift.interop.artifact: Flax msgpack from untrusted bytes, without flax."""

from __future__ import annotations

import json
import logging
import os
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from drift.artifacts.errors import ArtifactError
from drift.interop import export
from drift.interop.artifact import read_artifact
from drift.interop.flax_reader import Limits

# an independent writer: the msgpack library, as flax uses it


def ext(array: np.ndarray, code: int = 1, dtype: str = "") -> msgpack.ExtType:
    payload = (array.shape, dtype or array.dtype.name, array.tobytes("C"))
    return msgpack.ExtType(code, msgpack.packb(payload, use_bin_type=True))


def tree_of(flat: dict[str, np.ndarray]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, array in flat.items():
        node = tree
        *modules, name = path.split("/")
        for module in modules:
            node = node.setdefault(module, {})
        node[name] = ext(array)
    return tree


def chunked(array: np.ndarray, size: int, *, shape_first: bool = True) -> dict[str, Any]:
    line = array.reshape(-1)
    pieces = [line[start : start + size] for start in range(0, line.size, size)]
    shape = {"shape": {str(i): n for i, n in enumerate(array.shape)}}
    chunks = {"chunks": {str(i): ext(piece) for i, piece in enumerate(pieces)}}
    rest = shape | chunks if shape_first else chunks | shape
    return {"__msgpack_chunked_array__": True} | rest


def directory(tmp_path: Path, tree: object, metadata: object = None) -> Path:
    return raw_directory(tmp_path, msgpack.packb(tree, strict_types=False), metadata)


def raw_directory(tmp_path: Path, data: bytes, metadata: object = None) -> Path:
    folder = tmp_path / "artefact"
    folder.mkdir(exist_ok=True)
    (folder / "ema_params.msgpack").write_bytes(data)
    (folder / "metadata.json").write_text(json.dumps(metadata or {"model_config": {}}))
    return folder


def parameters() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {
        "Embed_0/embedding": rng.normal(size=(10, 6)).astype(np.float32),
        "Body_0/blocks_0/Dense_0/kernel": rng.normal(size=(6, 300)).astype(np.float32),
        "Body_0/blocks_0/Dense_0/bias": rng.normal(size=300).astype(np.float64),
        "Body_0/scale": rng.normal(size=(2, 1, 3)).astype(np.float16),
        "step": np.array(17, dtype=np.int32),
    }


# what is read


def test_a_tree_written_with_the_msgpack_library_is_read_bit_for_bit(tmp_path: Path) -> None:
    flat, metadata = read_artifact(directory(tmp_path, tree_of(parameters()), {"model_config": 1}))
    assert set(flat) == set(parameters())
    for name, expected in parameters().items():
        assert flat[name].dtype == expected.dtype
        assert flat[name].shape == expected.shape
        assert flat[name].tobytes() == expected.tobytes()
    assert metadata["model_config"] == 1
    assert metadata["drift_read"]["dtypes"] == {
        "float16": 1,
        "float32": 2,
        "float64": 1,
        "int32": 1,
    }


def test_bfloat16_comes_as_the_float32_that_equals_it(tmp_path: Path) -> None:
    values = np.array([[1.0, -2.5], [3.0e38, 1.0e-40]], dtype=np.float32)
    upper = (values.view(np.uint32) >> 16).astype(np.uint16)
    flat, metadata = read_artifact(directory(tmp_path, {"a": ext(upper, dtype="bfloat16")}))
    expected = (upper.astype(np.uint32) << 16).view(np.float32)
    assert flat["a"].dtype == np.float32
    assert flat["a"].tobytes() == expected.tobytes()
    assert metadata["drift_read"]["dtypes"] == {"bfloat16": 1}


@pytest.mark.parametrize("shape_first", [True, False])
def test_a_chunked_array_is_put_together_in_order(tmp_path: Path, shape_first: bool) -> None:
    array = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    tree = {"module": {"kernel": chunked(array, 7, shape_first=shape_first)}}
    flat, _ = read_artifact(directory(tmp_path, tree))
    assert np.array_equal(flat["module/kernel"], array)


def test_our_own_writer_chunks_as_flax_does_and_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "CHUNK_BYTES", 64)
    export.write_artifact(tmp_path / "out", parameters(), {"model_config": {"depth": 2}})
    packed = (tmp_path / "out" / "ema_params.msgpack").read_bytes()
    kernel = msgpack.unpackb(packed)["Body_0"]["blocks_0"]["Dense_0"]["kernel"]
    assert kernel["__msgpack_chunked_array__"] is True
    assert kernel["shape"] == {"0": 6, "1": 300}
    flat, metadata = read_artifact(tmp_path / "out")
    assert all(flat[name].tobytes() == array.tobytes() for name, array in parameters().items())
    assert metadata["model_config"] == {"depth": 2}


def test_what_we_write_the_msgpack_library_reads(tmp_path: Path) -> None:
    export.write_artifact(tmp_path / "out", parameters(), {})
    tree = msgpack.unpackb((tmp_path / "out" / "ema_params.msgpack").read_bytes())
    leaf = tree["Body_0"]["blocks_0"]["Dense_0"]["kernel"]
    shape, dtype, data = msgpack.unpackb(leaf.data)
    assert (leaf.code, shape, dtype) == (1, [6, 300], "float32")
    assert data == parameters()["Body_0/blocks_0/Dense_0/kernel"].tobytes()


def test_an_export_never_overwrites_parameters(tmp_path: Path) -> None:
    export.write_artifact(tmp_path / "out", parameters(), {})
    with pytest.raises(ArtifactError, match="never overwrites"):
        export.write_artifact(tmp_path / "out", parameters(), {})


def test_the_collection_name_around_a_tree_is_taken_off(tmp_path: Path) -> None:
    flat, _ = read_artifact(directory(tmp_path, {"params": tree_of(parameters())}))
    assert set(flat) == set(parameters())


def test_a_numpy_scalar_is_an_array_without_dimensions(tmp_path: Path) -> None:
    flat, _ = read_artifact(directory(tmp_path, {"a": ext(np.array(2.5, np.float32), code=3)}))
    assert flat["a"].shape == ()
    assert float(flat["a"]) == 2.5


def test_reading_takes_no_second_copy_of_the_parameters(tmp_path: Path) -> None:
    array = np.ones((64, 65536), dtype=np.float32)  # 16 MiB
    folder = directory(tmp_path, {"a": {"kernel": ext(array)}, "b": {"kernel": ext(array)}})
    tracemalloc.start()
    flat, _ = read_artifact(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    held = sum(value.nbytes for value in flat.values())
    assert held == 2 * array.nbytes
    assert peak < 1.05 * held


def test_absent_metadata_is_logged_and_stops_only_who_requires_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = directory(tmp_path, tree_of(parameters()))
    (folder / "metadata.json").unlink()
    with caplog.at_level(logging.WARNING):
        _, metadata = read_artifact(folder)
    assert set(metadata) == {"drift_read"}
    assert "no metadata.json" in caplog.text
    with pytest.raises(ArtifactError, match="metadata"):
        read_artifact(folder, require_metadata=True)


# what is refused

A = np.ones(4, dtype=np.float32)
MAP_OF_ONE = b"\x81\xa1a"


def payload(shape: bytes, dtype: str, data: bytes) -> bytes:
    inner = b"\x93" + shape + msgpack.packb(dtype) + b"\xc6" + struct.pack(">I", len(data)) + data
    return MAP_OF_ONE + b"\xc9" + struct.pack(">I", len(inner)) + b"\x01" + inner


def nested(depth: int) -> bytes:
    return b"\x81\xa1a" * depth + msgpack.packb(ext(A))


HOSTILE = {
    "empty file": (b"", "declared"),
    "one byte": (b"\xde", "declared"),
    "a list": (msgpack.packb([1, 2]), "no map"),
    "no parameter": (b"\x80", "no parameter"),
    "a number as leaf": (msgpack.packb({"a": 1}), "0x01"),
    "a string as leaf": (msgpack.packb({"a": "b"}), "0xa1"),
    "nil as leaf": (msgpack.packb({"a": None}), "0xc0"),
    "bytes as leaf": (msgpack.packb({"a": b"123"}), "0xc4"),
    "integer as name": (msgpack.packb({1: ext(A)}), "expected a string"),
    "the same name twice": (b"\x82" + 2 * (b"\xa1a" + msgpack.packb(ext(A))), "twice"),
    "a slash in a name": (msgpack.packb({"a/b": ext(A)}), "without a slash"),
    "an empty name": (msgpack.packb({"": ext(A)}), "name"),
    "a name of 300": (msgpack.packb({"a" * 300: ext(A)}), "at most 256"),
    "a name that is not UTF-8": (b"\x81\xa1\xff" + msgpack.packb(ext(A)), "UTF-8"),
    "a control character": (msgpack.packb({"a\x1b[2J": ext(A)}), "printable"),
    "nesting of 17": (nested(17), "nested 17"),
    "nesting of 100,000": (nested(100_000), "nested 17"),
    "a map of four billion": (b"\xdf\xff\xff\xff\xff\xa1a", "declared"),
    "an extension of four gigabytes": (MAP_OF_ONE + b"\xc9\xff\xff\xff\xff\x01", "declared"),
    "complex scalar": (msgpack.packb({"a": msgpack.ExtType(2, b"12")}), "complex"),
    "unknown extension": (msgpack.packb({"a": msgpack.ExtType(42, b"12")}), "type 42"),
    "object dtype": (payload(b"\x91\x01", "object", b"12345678"), "dtype 'object'"),
    "void dtype": (payload(b"\x91\x01", "void64", b"12345678"), "dtype 'void64'"),
    "complex dtype": (payload(b"\x91\x01", "complex64", b"12345678"), "dtype 'complex64'"),
    "string dtype": (payload(b"\x91\x01", "str32", b"12345678"), "dtype 'str32'"),
    "shape beyond the bytes": (payload(b"\x91\x04", "float32", b"1234"), "16 for float32"),
    "shape below the bytes": (payload(b"\x91\x01", "float32", b"12345678"), "4 for float32"),
    "a dimension of 2**60": (
        payload(b"\x91\xcf\x10\x00\x00\x00\x00\x00\x00\x00", "float32", b"1234"),
        "dimension",
    ),
    "dimensions that overflow": (
        payload(b"\x98" + b"\x7f" * 8, "float32", b"1234"),
        "4 bytes; expected",
    ),
    "nine dimensions": (payload(b"\x99" + b"\x01" * 9, "float32", b"1234"), "dimensions"),
    "a negative dimension": (payload(b"\x91\xff", "float32", b"1234"), "0xff"),
    "an empty array": (payload(b"\x91\x00", "float32", b""), "empty"),
    "bytes after the tree": (msgpack.packb({"a": ext(A)}) + b"x", "1 bytes after"),
    "a scalar with a shape": (msgpack.packb({"a": ext(A, code=3)}), "scalar"),
    "not a number": (msgpack.packb({"a": ext(A * np.nan)}), "not finite"),
    "infinity": (msgpack.packb({"a": ext(A * np.inf)}), "not finite"),
    "marker alone": (
        msgpack.packb({"m": {"__msgpack_chunked_array__": True}}),
        "damaged chunked array",
    ),
    "a chunked root": (msgpack.packb(chunked(A, 2)), "damaged chunked array"),
    "chunks that are short": (
        msgpack.packb({"m": chunked(A, 2) | {"shape": {"0": 5}}}),
        "in chunks",
    ),
    "chunks that are long": (
        msgpack.packb({"m": chunked(A, 2) | {"shape": {"0": 3}}}),
        "chunks that fit",
    ),
    "chunks of a huge shape": (
        msgpack.packb({"m": chunked(A, 2) | {"shape": {"0": 100, "1": 100, "2": 100}}}),
        "declared",
    ),
    "chunks out of order": (
        msgpack.packb(
            {"m": chunked(A, 2) | {"chunks": {"1": ext(A[:2]), "0": ext(A[2:])}}},
        ),
        "the key",
    ),
    "chunks of two dtypes": (
        msgpack.packb(
            {"m": chunked(A, 2) | {"chunks": {"0": ext(A[:2]), "1": ext(A[2:].astype("f2"))}}},
        ),
        "another dtype",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_parameter_file_gives_one_clear_error(tmp_path: Path, case: str) -> None:
    data, message = HOSTILE[case]
    with pytest.raises(ArtifactError) as caught:
        read_artifact(raw_directory(tmp_path, data))
    text = str(caught.value)
    assert message in text
    assert "ema_params.msgpack" in text
    assert "found" in text
    assert "expected" in text
    assert text.isprintable()


def test_a_file_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    whole = msgpack.packb(tree_of({"a/b": A, "c": A}))
    for length in range(len(whole)):
        with pytest.raises(ArtifactError):
            read_artifact(raw_directory(tmp_path, whole[:length]))


def test_many_leaves_stop_at_the_limit(tmp_path: Path) -> None:
    folder = directory(tmp_path, {f"p{i}": ext(A) for i in range(50)})
    with pytest.raises(ArtifactError, match="at most 49"):
        read_artifact(folder, limits=Limits(leaves=49))
    with pytest.raises(ArtifactError, match="at most 1000"):
        read_artifact(folder, limits=Limits(file_bytes=1000))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("[1]", "a JSON object"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": NaN}', "NaN"),
        ('{"a": 1e999}', "range"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
        ("[" * 100_000, "nesting"),
        ('{"drift_read": {}}', "drift_read"),
        ('{"a": "' + "x" * (1 << 20) + '"}', "at most"),
        ("\udcff", "UTF-8"),
    ],
)
def test_hostile_metadata_gives_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    folder = directory(tmp_path, tree_of(parameters()))
    (folder / "metadata.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ArtifactError, match=message) as caught:
        read_artifact(folder)
    assert "metadata.json" in str(caught.value)


def test_a_directory_that_is_none_and_a_pipe_are_refused_without_waiting(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no readable file"):
        read_artifact(tmp_path / "nothing")
    folder = directory(tmp_path, tree_of(parameters()))
    (folder / "ema_params.msgpack").unlink()
    os.mkfifo(folder / "ema_params.msgpack")
    with pytest.raises(ArtifactError, match="not a regular file"):
        read_artifact(folder)

"""Hostile and broken inputs of the engine's commands: one message each, naming what is wrong."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from contracts.artifact import cases
from drift.artifacts import header
from drift.artifacts.stamping import stamp
from drift.errors import InputError
from drift.evaluate import fid, sources
from drift.evaluate.given import SourceError
from drift.sample import parse_classes


@pytest.mark.parametrize(
    "text", ["0-9999999999", "5-3", "0,3-10", "10", "1" * 5000, "0-" + "9" * 5000, "", "-1", "1e3"]
)
def test_classes_that_are_none_are_refused_before_a_list_of_them_is_made(text: str) -> None:
    with pytest.raises(InputError, match="--classes") as caught:
        parse_classes(text, 10)
    assert len(str(caught.value)) < 250
    assert parse_classes("0,3,5-9", 10) == [0, 3, 5, 6, 7, 8, 9]


def test_equal_gaussians_have_no_negative_distance() -> None:
    """Rounding made -4e-17 of it."""
    generator = np.random.default_rng(0)
    for width in (2, 5, 16):
        for _ in range(20):
            found = fid.moments(generator.normal(size=(40, width)))
            for value in (fid.frechet(found, found), fid.Fast(found)(found)):
                assert 0.0 <= value < 1e-6


def test_a_distance_below_0_that_rounding_does_not_explain_is_refused() -> None:
    sound = fid.Moments(np.zeros(2), np.eye(2), 10)
    none = fid.Moments(np.zeros(2), np.array([[1.0, 5.0], [5.0, 1.0]]), 10)
    assert fid.Fast(sound)(fid.Moments(np.ones(2), np.eye(2), 10)) == pytest.approx(2.0)
    with pytest.raises(InputError, match="expected at least 0"):
        fid.Fast(sound)(none)


def test_of_a_link_the_file_it_points_to_is_stamped(tmp_path: Path) -> None:
    real = cases.saved(tmp_path, cases.autoencoder(), "real.safetensors")
    link = tmp_path / "link.safetensors"
    link.symlink_to(real.name)
    stamp(link, {"licence": "Apache-2.0"})
    assert link.is_symlink()
    assert (header.read_header(real).metadata or {})["licence"] == "Apache-2.0"


def npy(described: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = described.encode()
    size = len(text).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    return b"\x93NUMPY" + version + size + text + data


def archive(path: Path, member: bytes, *, comment: bytes = b"") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("arr_0.npy", member)
        opened.comment = comment
    return path


USUAL = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 4, 4, 3), }"
MEMBERS = {
    "deep brackets": npy("(" * 9000),
    "deep tuples": npy("{'descr': '|u1', 'fortran_order': False, 'shape': " + "(" * 3000),
    "a long header": npy(" " * 70_000 + USUAL, version=b"\x02\x00"),
    "short data": npy(USUAL, bytes(10)),
    "long data": npy(USUAL, bytes(200)),
    "no data": npy(USUAL),
    "no magic": b"PK",
    "empty": b"",
    "a huge shape": npy(USUAL.replace("(2, 4, 4, 3)", "(9999999999, 4, 4, 3)"), bytes(96)),
    "negative sides": npy(USUAL.replace("(2, 4, 4, 3)", "(-2, -4, 4, 3)"), bytes(96)),
    "a shape of words": npy(USUAL.replace("(2, 4, 4, 3)", "('a',)"), bytes(96)),
    "pickled objects": npy(USUAL.replace("|u1", "|O"), bytes(96)),
    "a call": npy("__import__('os').system('true')"),
    "no UTF-8": b"\x93NUMPY\x03\x00\x02\x00\x00\x00\xff\xff",
}


@pytest.mark.parametrize("member", MEMBERS.values(), ids=MEMBERS)
def test_a_broken_npz_is_one_message_that_names_the_file(tmp_path: Path, member: bytes) -> None:
    path = archive(tmp_path / "samples.npz", member)
    with pytest.raises(SourceError, match=r"samples\.npz"):
        list(sources.from_path(path).batches())


def test_deep_facts_and_a_cut_archive_are_one_message(tmp_path: Path) -> None:
    sound = npy(USUAL, bytes(96))
    deep = archive(tmp_path / "deep.npz", sound, comment=b'{"a":' * 10_000)
    whole = archive(tmp_path / "whole.npz", sound).read_bytes()
    cut = tmp_path / "cut.npz"
    cut.write_bytes(whole[: len(whole) // 2])
    for path in (deep, cut):
        with pytest.raises(SourceError, match=path.name):
            sources.from_path(path)
    assert sources.from_path(tmp_path / "whole.npz").count == 2


def test_a_small_file_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    path, block = tmp_path / "bomb.npz", bytes(1 << 22)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened,
        opened.open("arr_0.npy", "w") as stream,
    ):
        stream.write(npy(USUAL.replace("(2, 4, 4, 3)", "(100, 1024, 1024, 3)")))
        for _ in range(75):
            stream.write(block)
    with pytest.raises(SourceError, match=r"bomb\.npz: arr_0\.npy: found 314,57\d,\d+ bytes"):
        sources.from_path(path)


def call(folder: Path, redirect: str, *words: str, **environment: str) -> tuple[int, str]:
    """`drift WORDS` under a shell's redirection -> (exit code, what reached standard error)."""
    command = f'"{sys.executable}" -m drift.cli {" ".join(words)} {redirect}'
    done = subprocess.run(
        command, shell=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, env={**os.environ, **environment},
    )  # fmt: skip
    return done.returncode, done.stderr


def test_closed_full_and_foreign_streams_are_no_traceback(tmp_path: Path) -> None:
    for redirect in (">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"):
        assert call(tmp_path, redirect, "--help") == (0, "")
    code, err = call(tmp_path, ">/dev/full", "--help")
    assert code == 2
    assert err == "error: standard output cannot be written (No space left on device)\n"
    (tmp_path / os.fsdecode(b"caf\xe9-\xff.npz")).write_bytes(b"no archive")
    for encoding in ("ascii", "latin-1", "utf-8"):
        code, err = call(
            tmp_path, "", "eval", "*.npz", "--statistics", "x", "--out", "y",
            PYTHONIOENCODING=encoding,
        )  # fmt: skip
        assert code == 2, err
        assert "Traceback" not in err
        assert ".npz" in err


def test_the_bytes_of_an_image_that_never_end_are_an_error(tmp_path: Path) -> None:
    from PIL import Image

    from drift.data import crop
    from drift.data.source import DataError

    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "PNG")
    whole = stream.getvalue()
    huge = whole[:16] + (60_000).to_bytes(4, "big") * 2 + whole[24:]
    for data in (whole[:40], whole[:-30], huge, b"", b"\x89PNG\r\n\x1a\n" + bytes(64)):
        with pytest.raises(DataError, match=r"a/0\.png"):
            crop.decode(data, place="a/0.png", channels=3)

"""Arrays of a .npz, read without pickle and held to what their headers say."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from drift.artifacts import header
from drift.artifacts.errors import shown
from drift.data.entries import UNLABELLED
from drift.evaluate import given
from drift.evaluate.given import SourceError, reading

SAMPLES, LABELS = "arr_0.npy", "arr_1.npy"
BOMB_BYTES, BOMB_RATIO = 1 << 28, 200  # a member that is larger, and packed more, is no images


def require_whole(path: Path) -> None:
    """Read both members once: their checksums are compared before anything is measured."""
    with reading(path), zipfile.ZipFile(path) as archive:
        for name in {SAMPLES, LABELS} & set(archive.namelist()):
            _require_no_bomb(f"{path}: {name}", archive.getinfo(name))
            with archive.open(name) as stream:
                while stream.read(header.READ_BYTES):
                    pass


def _require_no_bomb(place: str, member: zipfile.ZipInfo) -> None:
    """Raise SourceError for a small file that unpacks to days of work; no images pack so well."""
    if member.file_size > BOMB_BYTES and member.file_size > BOMB_RATIO * member.compress_size:
        raise SourceError(
            place, found=f"{member.file_size:,} bytes packed into {member.compress_size:,}",
            expected=f"at most {BOMB_RATIO} times as many, as samples have",
            remedy="Write the samples anew; numpy.savez does not pack.",
        )  # fmt: skip


def member_shape(path: Path, archive: zipfile.ZipFile) -> tuple[tuple[int, ...], int]:
    """(shape, offset of the data) of `arr_0`, held against the bytes that the archive has."""
    place = f"{path}: arr_0"
    _require_one(place, archive, SAMPLES)
    with archive.open(SAMPLES) as stream:
        shape, fortran, dtype = _header(stream)
        offset = stream.tell()
    if dtype != np.uint8 or fortran:
        raise SourceError(place, found=f"{dtype} {shape}", expected="uint8 [N, H, W, C]")
    given.require_images(place, "U8", shape, channels=3)
    _require_bytes(place, archive.getinfo(SAMPLES).file_size - offset, shape, dtype)
    return shape, offset


def _require_one(place: str, archive: zipfile.ZipFile, member: str) -> None:
    """Of two members of one name readers take the one or the other."""
    if archive.namelist().count(member) != 1:
        raise SourceError(
            place, found=f"{shown(archive.namelist())}", expected="one array of this name",
            remedy="numpy.savez(FILE, samples, labels) names them arr_0 and arr_1.",
        )  # fmt: skip


def _require_bytes(place: str, held: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    wanted = math.prod(shape) * dtype.itemsize
    if held != wanted:
        raise SourceError(place, found=f"{held:,} bytes", expected=f"{wanted:,} for {shape}")


def _header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    reads = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in reads:
        raise ValueError(f"a .npy header of version {version}")
    found: tuple[tuple[int, ...], bool, np.dtype[Any]] = reads[version](stream)
    return found


def labels(path: Path, archive: zipfile.ZipFile, count: int, classes: object) -> Tensor:
    if LABELS not in archive.namelist():
        return torch.full((count,), UNLABELLED)
    place = f"{path}: arr_1"
    _require_one(place, archive, LABELS)
    with archive.open(LABELS) as stream:
        shape, _, dtype = _header(stream)
        given.require_labels(place, str(dtype.newbyteorder("=")), shape, count)
        data = stream.read()
    _require_bytes(place, len(data), shape, dtype)
    array = np.frombuffer(data, dtype=dtype)
    return given.labels(place, array, classes)

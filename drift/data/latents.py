"""A latent cache as a source: shards verified by digest before the first of their rows is used."""

from __future__ import annotations

import hashlib
import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from drift.artifacts import header
from drift.artifacts.errors import ArtifactError
from drift.artifacts.header import Header, TensorEntry
from drift.data.dataset import Dataset
from drift.data.manifest import (
    ITEM_BYTES,
    Manifest,
    Settings,
    Shard,
    labels_of,
    read_manifest,
)
from drift.data.source import DataError, require_indices
from drift.digest import file_digest

LATENTS, MIRRORED, LABELS, FILES = "latents", "mirrored", "labels", "files"
SETTINGS = "settings"  # key of a shard's metadata: under which settings it was encoded
DTYPES = {"float16": "F16", "float32": "F32"}
DAMAGED = "Run `drift encode` with the same settings again: it replaces what does not verify."

# What tells that a file is still the one that was verified: inode, bytes, time of the last change.
# Of its two times the one that no program can set back.
Stamp = tuple[int, int, int]


class LatentSource:
    """Latents [C, H, W] in float32 as they were stored: with the factor, in no need of another.

    mirror  count every image twice, as it is and mirrored (see Source); default: where the cache
            holds the mirrored ones

    Opening looks at names, sizes and the settings of the first shard only. The first row of a shard
    that is asked for makes its sha256 and its labels be checked, as does a shard that was changed
    since.
    """

    def __init__(self, folder: Path | str, *, mirror: bool | None = None) -> None:
        self.folder = Path(folder)
        self.manifest: Manifest = read_manifest(self.folder)
        self.dataset: Dataset = self.manifest.dataset
        settings = self.manifest.settings
        self.mirror = settings.mirrored if mirror is None else mirror
        _require_usable(self.folder, self.manifest, mirror=self.mirror)
        _require_edited_by_nobody(self.folder, self.manifest)
        labels = [label for shard in self.manifest.shards for label in labels_of(shard.labels)]
        one = torch.tensor(labels, dtype=torch.int64)
        self._labels = torch.cat([one, one]) if self.mirror else one
        self._verified: dict[int, tuple[Stamp, Header]] = {}

    @property
    def labels(self) -> Tensor:
        """int64 [N], N counting mirrored images."""
        return self._labels

    @property
    def classes(self) -> int:
        """Number of classes of the class map."""
        return len(self.manifest.classes)

    @property
    def class_map(self) -> tuple[str, ...]:
        """Name of each class by its index."""
        return self.manifest.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.manifest.settings.shape

    @property
    def autoencoder(self) -> dict[str, Any]:
        """What made the latents, as a run records it: name, revision, sha256, scaling factor."""
        settings = self.manifest.settings
        return {
            "name": settings.vae,
            "revision": settings.pinned,
            "sha256": settings.vae_sha256,
            "scaling_factor": settings.scaling_factor,
        }

    @property
    def digest(self) -> str:
        """sha256 over the manifest, which holds the sha256 of every shard, and the view of it."""
        view = f"drift-latents/1 {self.manifest.digest} mirror={self.mirror}"
        return hashlib.sha256(view.encode()).hexdigest()

    def get(self, indices: Tensor) -> Tensor:
        """Latents [n, C, H, W]; raises DataError naming a shard that does not verify."""
        places = require_indices(indices, len(self._labels))
        images, per_shard = self.manifest.origin.images, self.manifest.per_shard
        rows: dict[int, list[int]] = defaultdict(list)
        for i, place in enumerate(places):
            rows[place % images // per_shard].append(i)
        result = torch.empty(len(places), *self.shape)
        for index, wanted in rows.items():
            with self._open(index) as (descriptor, checked):
                for i in wanted:
                    name = MIRRORED if places[i] >= images else LATENTS
                    row = places[i] % images % per_shard
                    result[i] = self._row(descriptor, checked, checked.tensors[name], row)
        return result

    def verify(self, on_shard: Callable[[int], None] = lambda done: None) -> None:
        """Check every shard now; `on_shard` is called with the number checked."""
        for index in range(len(self.manifest.shards)):
            with self._open(index):
                on_shard(index + 1)

    @contextmanager
    def _open(self, index: int) -> Iterator[tuple[int, Header]]:
        """(descriptor, header) of a shard whose digest was checked in the state it is in now."""
        shard = self.manifest.shards[index]
        path = self.folder / shard.file
        try:
            with path.open("rb") as stream:
                stamp = _stamp(os.fstat(stream.fileno()))
                known = self._verified.get(index)
                if known is None or known[0] != stamp:
                    known = (stamp, verify_shard(self.folder, shard, self.manifest))
                    if _stamp(path.stat()) != stamp:
                        raise DataError(
                            str(path), found="a change while it was read",
                            expected="a cache that nobody writes", remedy="Start again.",
                        )  # fmt: skip
                    self._verified[index] = known
                yield stream.fileno(), known[1]
        except OSError as error:
            raise _unreadable(path, error) from error

    def _row(self, descriptor: int, checked: Header, entry: TensorEntry, row: int) -> Tensor:
        """One latent; reads only its bytes."""
        size = (entry.end - entry.begin) // entry.shape[0]
        data = os.pread(descriptor, size, checked.data_start + entry.begin + row * size)
        if len(data) != size:
            raise DataError(
                str(checked.path), found="its end too early", expected="the file that was verified"
            )
        values = np.frombuffer(data, np.dtype(self.manifest.settings.dtype).newbyteorder("<"))
        return torch.from_numpy(values.astype(np.float32).reshape(self.shape))


def verify_shard(folder: Path, shard: Shard, manifest: Manifest) -> Header:
    """The header of a shard that is, to the last bit, the one the manifest speaks of.

    Raises DataError with both digests, or with what in it does not fit the manifest.
    """
    path = folder / shard.file
    found = file_sha256(path)
    if found != shard.sha256:
        raise DataError(
            str(path),
            found=f"sha256 {found}",
            expected=f"sha256 {shard.sha256}, as the manifest says",
            remedy=DAMAGED,
        )
    try:
        checked = header.read_header(path)
    except ArtifactError as error:
        raise DataError(str(path), found=str(error), expected="a shard", remedy=DAMAGED) from error
    tensors = held_tensors(checked)
    if tensors != expected_tensors(manifest, shard.count):
        raise DataError(
            str(path), found=f"tensors {tensors}", expected="those of the manifest", remedy=DAMAGED
        )
    _require_settings(checked, manifest.settings)
    if read_tensor(checked, LABELS).tolist() != labels_of(shard.labels):
        raise DataError(
            str(path), found="other labels than the manifest's", expected="the same",
            remedy=DAMAGED,
        )  # fmt: skip
    return checked


def _require_edited_by_nobody(folder: Path, manifest: Manifest) -> None:
    """The settings of the first shard against the manifest's; one that is no shard, or holds other
    tensors, is found when it is verified."""
    first = manifest.shards[0]
    with suppress(ArtifactError):
        checked = header.read_header(folder / first.file)
        if held_tensors(checked) == expected_tensors(manifest, first.count):
            _require_settings(checked, manifest.settings)


def _require_settings(checked: Header, settings: Settings) -> None:
    """Raise DataError where the manifest states other settings than those of the encoding."""
    encoded = (checked.metadata or {}).get(SETTINGS)
    if encoded != settings.digest:
        raise DataError(
            str(checked.path),
            found=f"latents encoded under settings of digest {encoded or 'unknown'}",
            expected=f"{settings.digest}, of the settings that the manifest states",
            remedy="The manifest was edited, or the cache is of an earlier version: encode again.",
        )


def held_tensors(checked: Header) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name -> (dtype, shape) of the tensors that a shard holds."""
    return {name: (entry.dtype, entry.shape) for name, entry in checked.tensors.items()}


def expected_tensors(manifest: Manifest, count: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name -> (dtype, shape) of the tensors of a shard with `count` images."""
    settings = manifest.settings
    latents = (DTYPES[settings.dtype], (count, *settings.shape))
    mirrored = {MIRRORED: latents} if settings.mirrored else {}
    return {LATENTS: latents, **mirrored, LABELS: ("I64", (count,)), FILES: ("U8", (count, 32))}


def image_bytes(settings: Settings) -> int:
    """Bytes of one image in a shard: its latents, label and the digest of its file."""
    latent = math.prod(settings.shape) * ITEM_BYTES[settings.dtype]
    return latent * (2 if settings.mirrored else 1) + 8 + 32


def read_tensor(checked: Header, name: str) -> np.ndarray:
    """The labels (int64 [n]) or file digests (uint8 [n, 32]) of a shard."""
    entry = checked.tensors[name]
    data = b"".join(header.data_chunks(checked, entry.begin, entry.end))
    return np.frombuffer(data, {"I64": "<i8", "U8": "u1"}[entry.dtype]).reshape(entry.shape)


def file_sha256(path: Path) -> str:
    """sha256 of a file; raises DataError where it cannot be read."""
    try:
        return file_digest(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(
        str(path), found=error.strerror or str(error), expected="a shard", remedy=DAMAGED
    )


def _require_usable(folder: Path, manifest: Manifest, *, mirror: bool) -> None:
    if not manifest.complete:
        total = -(-manifest.origin.images // manifest.per_shard)
        raise DataError(
            str(folder),
            found=f"{len(manifest.shards)} of {total} shards",
            expected="a complete latent cache",
            remedy="Run the `drift encode` that made it again; it goes on where it stopped.",
        )
    if mirror and not manifest.settings.mirrored:
        raise DataError(
            str(folder), found="no mirrored latents", expected="the pair of every image",
            remedy="Encode with --mirror; a mirrored latent is not the latent of the mirror image.",
        )  # fmt: skip
    for shard in manifest.shards:
        path = folder / shard.file
        found = path.stat().st_size if path.is_file() else None
        if found != shard.bytes:
            raise DataError(
                str(path),
                found="no file" if found is None else f"{found} bytes",
                expected=f"{shard.bytes} bytes",
                remedy=DAMAGED,
            )


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_ino, status.st_size, status.st_ctime_ns

"""Where images to evaluate come from: a sampler, a folder, a file. One batch at a time."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from drift.artifacts import header
from drift.errors import DriftError
from drift.progress import progress
from drift.sample import images, writing
from drift.sample.loading import file_digest
from drift.sample.sampler import Sampler

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
LOSSY = (".jpg", ".jpeg", ".webp")
BATCH = 64
UNLABELLED = -1

Batches = Iterable[tuple[Tensor, Tensor]]


class SourceError(DriftError):
    """Images that cannot be evaluated."""


@dataclass(frozen=True)
class Images:
    """`count` images; `open()` yields (uint8 [B, C, H, W], labels [B], -1 where there are none).

    sha256      which images these are: of the file, of the folder's manifest, of the weights
    facts       what is known of their making: alpha, seed, weights, checkpoint and so on
    """

    count: int
    open: Callable[[], Batches]
    sha256: str
    facts: Mapping[str, Any]

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """All batches, with progress; raises SourceError for another number of images."""
        done = 0
        with progress("features", self.count, unit="images") as advance:
            for pixels, labels in self.open():
                done += len(pixels)
                advance(done)
                yield pixels, labels
        if done != self.count:
            raise SourceError("images", found=done, expected=f"{self.count}")


def from_sampler(
    sampler: Sampler,
    labels: Tensor,
    *,
    alpha: float,
    seed: int,
    decode: Callable[[Tensor], Tensor],
    sha256: str,
    facts: Mapping[str, Any],
) -> Images:
    """Samples of labels [N], drawn when they are needed and kept by nobody."""

    def batches() -> Batches:
        for batch in sampler.batches(labels, alpha=alpha, seed=seed):
            yield images.pixels(decode(batch.samples)), batch.labels

    return Images(len(labels), batches, sha256, {**facts, "alpha": alpha, "seeds": [seed]})


def from_tensor(samples: Tensor, labels: Tensor, facts: Mapping[str, Any]) -> Images:
    """Samples [N, C, H, W] in [-1, 1] that are in memory."""
    digest = hashlib.sha256(samples.contiguous().numpy().tobytes()).hexdigest()

    def batches() -> Batches:
        parts = zip(torch.split(samples, BATCH), torch.split(labels, BATCH), strict=True)
        for part, named in parts:
            yield images.pixels(part), named

    return Images(len(samples), batches, digest, facts)


def from_path(path: Path) -> Images:
    """A folder of images, a .safetensors file of `drift sample`, or a .npz with `arr_0`.

    A folder of `drift sample` is read from its tensors, which know what made them: its grid is no
    sample. Raises SourceError where there is nothing, or nothing that is understood.
    """
    if path.is_dir():
        tensors = path / writing.TENSORS
        return _safetensors(tensors) if tensors.is_file() else _folder(path)
    readers = {".safetensors": _safetensors, ".npz": _npz}
    if not path.is_file() or path.suffix not in readers:
        raise SourceError(
            str(path), found="no such file" if not path.is_file() else f"a {path.suffix} file",
            expected="a run, an artefact, a folder of images, .safetensors or .npz",
        )  # fmt: skip
    return readers[path.suffix](path)


def holds_samples(path: Path) -> bool:
    """Whether a .safetensors file holds samples, and not parameters."""
    return path.suffix == ".safetensors" and "samples" in header.read_header(path).tensors


def _folder(folder: Path) -> Images:
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not files:
        raise SourceError(
            str(folder), found="neither checkpoints nor images",
            expected=f"a run folder, or files {', '.join(SUFFIXES)}",
        )  # fmt: skip
    labels = _folder_labels(folder, files)
    manifest = hashlib.sha256()
    for file in files:
        manifest.update(f"{file.relative_to(folder).as_posix()}\0{file_digest(file)}\n".encode())
    lossy = sum(file.suffix.lower() in LOSSY for file in files)

    def batches() -> Batches:
        shape: tuple[int, ...] | None = None
        for start in range(0, len(files), BATCH):
            read = [_read(file) for file in files[start : start + BATCH]]
            shape = shape or tuple(read[0].shape)
            for file, image in zip(files[start:], read, strict=False):
                if tuple(image.shape) != shape:
                    raise SourceError(
                        str(file), found=f"shape {tuple(image.shape)}", expected=f"{shape}",
                        remedy="A folder is evaluated at one size; crop the images first.",
                    )  # fmt: skip
            yield torch.stack(read), labels[start : start + BATCH]

    return Images(len(files), batches, manifest.hexdigest(), {"lossy_files": lossy})


def _folder_labels(folder: Path, files: list[Path]) -> Tensor:
    """The place of each file's class folder in their order, -1 for loose files."""
    names = sorted({file.relative_to(folder).parts[0] for file in files if file.parent != folder})
    places = {name: place for place, name in enumerate(names)}
    found = [places.get(file.relative_to(folder).parts[0], UNLABELLED) for file in files]
    return torch.tensor(found, dtype=torch.int64)


def _read(file: Path) -> Tensor:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as opened:
            picture = opened.convert("L" if opened.mode == "L" else "RGB")
            array = np.array(picture, dtype=np.uint8)
    except (OSError, UnidentifiedImageError) as error:
        raise SourceError(str(file), found=f"no image ({error})", expected="an image") from error
    return torch.from_numpy(array.reshape(*array.shape[:2], -1)).permute(2, 0, 1)


def _safetensors(path: Path) -> Images:
    table = header.read_header(path)
    if not holds_samples(path) or len(table.tensors["samples"].shape) != 4:
        raise SourceError(str(path), found="no tensor samples [N, C, H, W]", expected="one")
    count = table.tensors["samples"].shape[0]
    facts = _facts(path, (table.metadata or {}).get("facts"))
    if facts.get("tokenizer", "none") != "none":
        raise SourceError(
            str(path), found=f"latents of {facts['tokenizer']}", expected="images",
            remedy="Write images with `drift sample --vae ID --vae-revision REV --out FILE.npz`.",
        )  # fmt: skip

    def batches() -> Batches:
        with safe_open(path, framework="pt") as opened:
            samples = opened.get_slice("samples")
            held = "labels" in opened.keys()  # noqa: SIM118 - the object is no mapping
            labels = opened.get_tensor("labels") if held else torch.full((count,), UNLABELLED)
            for start in range(0, count, BATCH):
                part = samples[start : start + BATCH]
                pixels = part if part.dtype == torch.uint8 else images.pixels(part)
                yield pixels, labels[start : start + BATCH]

    return Images(count, batches, file_digest(path), facts)


def _facts(path: Path, text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise SourceError(
            str(path), found=f"facts that are no JSON ({error})", expected="JSON"
        ) from error
    return found if isinstance(found, dict) else {}


def _npz(path: Path) -> Images:
    shape, facts = _member_shape(path)

    def batches() -> Batches:
        with zipfile.ZipFile(path) as archive:
            labels = _npz_labels(archive, shape[0])
            with archive.open("arr_0.npy") as stream:
                _header(stream)
                for start in range(0, shape[0], BATCH):
                    rows = min(BATCH, shape[0] - start)
                    data = stream.read(rows * int(np.prod(shape[1:])))
                    array = np.frombuffer(data, dtype=np.uint8).reshape(rows, *shape[1:])
                    pixels = torch.from_numpy(array.copy()).permute(0, 3, 1, 2)
                    yield pixels, labels[start : start + rows]

    return Images(shape[0], batches, file_digest(path), facts)


def _member_shape(path: Path) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Shape of `arr_0`, and the facts that `drift sample` leaves in the archive's comment."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("arr_0.npy") as stream:
            shape, fortran, dtype = _header(stream)
            comment = archive.comment.decode(errors="replace")
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise SourceError(
            str(path), found=str(error), expected="arr_0 uint8 [N, H, W, C]"
        ) from error
    if dtype != np.uint8 or len(shape) != 4 or fortran:
        raise SourceError(str(path), found=f"{dtype} {shape}", expected="arr_0 uint8 [N, H, W, C]")
    return shape, _facts(path, comment if comment.startswith("{") else None)


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


def _npz_labels(archive: zipfile.ZipFile, count: int) -> Tensor:
    if "arr_1.npy" not in archive.namelist():
        return torch.full((count,), UNLABELLED)
    with archive.open("arr_1.npy") as stream:
        labels: NDArray[np.int64] = np.lib.format.read_array(stream, allow_pickle=False)
    return torch.from_numpy(labels.astype(np.int64))

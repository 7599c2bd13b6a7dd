"""Where images to evaluate come from: a sampler, a folder, a file. One batch at a time."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from drift.artifacts import header, strict_json
from drift.artifacts.errors import ArtifactError, shown
from drift.artifacts.header import Header
from drift.data.classes import listed, places_of
from drift.data.entries import SUFFIXES, UNLABELLED
from drift.data.listing import ARCHIVE
from drift.digest import file_digest
from drift.evaluate import folders, given, npz
from drift.evaluate.given import SourceError, reading
from drift.progress import progress
from drift.ranks import ALONE, Ranks
from drift.ranks.turns import in_turn
from drift.sample import images, output, writing
from drift.sample.sampler import Sampler, check

BATCH = 64

Batches = Iterable[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Images:
    """`count` images; `open()` yields (uint8 [B, C, H, W], labels [B], -1 where there are none).

    sha256      which images these are: of the file, of the folder's manifest, of the weights
    facts       what is known of their making: alpha, seed, weights, checkpoint and so on
    classes     names of the classes by label; None where a label is a number and nothing else
    notes       what was left out or dropped on reading
    """

    count: int
    open: Callable[[], Batches]
    sha256: str
    facts: Mapping[str, Any]
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """All batches, with progress; raises SourceError for another number or scale of images."""
        done = highest = 0
        with progress("features", self.count, unit="images") as advance:
            for pixels, labels in self.open():
                done += len(pixels)
                highest = max(highest, int(pixels.max()))
                advance(done)
                yield pixels, labels
        given.require_levels("images", highest)
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
    ranks: Ranks = ALONE,
) -> Images:
    """Samples of labels [N], drawn when they are needed and kept by nobody.

    Several processes draw and decode them in turn; all of them open the images, as often as the
    writer, which alone is given them.
    """

    def made(start: int) -> Tensor:
        batch = sampler.batch(labels, start, alpha=alpha, seed=seed)
        return images.pixels(decode(batch.samples))

    def batches() -> Batches:
        check(sampler.generator.config, labels, alpha)
        starts = sampler.starts(labels)
        for start, pixels in zip(starts, in_turn(ranks, starts, made), strict=True):
            if pixels is not None:
                yield pixels, labels[start : start + sampler.batch_size]

    return Images(len(labels), batches, sha256, {**facts, "alpha": alpha, "seeds": [seed]})


def from_path(path: Path) -> Images:
    """A folder of images, a .safetensors file of `drift sample`, or a .npz with `arr_0`.

    A folder of `drift sample` is read from its tensors, which know what made them: its grid is no
    sample. Raises SourceError where there is nothing, or nothing that is understood.
    """
    if path.is_dir():
        tensors = path / writing.TENSORS
        if not tensors.is_file():
            return _folder(path)
        _require_own_folder(path)
        return _safetensors(tensors)
    readers = {".safetensors": _safetensors, ".npz": _npz}
    if not path.is_file() or path.suffix.lower() not in readers:
        raise SourceError(
            str(path), found="no such file" if not path.is_file() else f"a {path.suffix} file",
            expected="a run, an artefact, a folder of images, .safetensors or .npz",
        )  # fmt: skip
    return readers[path.suffix.lower()](path)


def _require_own_folder(path: Path) -> None:
    """Tensors must not hide other images: those of `drift sample` are the same ones."""
    own = {writing.GRID, writing.SINGLE}
    visible = [one for one in sorted(path.iterdir()) if not one.name.startswith(".")]
    others = [one.name for one in visible if one.name not in own and (
        one.is_dir() or one.suffix.lower() in (*SUFFIXES, ARCHIVE))]  # fmt: skip
    if others:
        raise SourceError(
            str(path), found=f"{writing.TENSORS} beside {listed(others)}",
            expected="the files of one `drift sample`, or a folder of images",
            remedy="Name the .safetensors file itself, or move it elsewhere.",
        )  # fmt: skip


def named(source: Images, reference: Sequence[str] | None, place: str) -> Images:
    """The same images under the labels of the reference's classes, by the names of their own.

    Where labels are numbers they have to be of the reference's; where no name is a class of the
    reference, or it has none, there are no labels, and a note says so.
    Raises DataError for images of which only some classes are known.
    """
    names = source.classes or source.facts.get("class_names")
    if not names:
        return source if reference is None or names == () else _within(source, reference, place)
    source = _within(source, names, place, "its own")
    found = places_of(names, reference, place=place) if reference else None
    if found is None:
        why = "are no classes of the reference" if reference else "meet a reference without classes"
        said = f"labels left out: {listed(names)} {why}; nothing is measured by class"
        found = [UNLABELLED] * len(names)
        source = replace(source, notes=(*source.notes, said))
    table = torch.tensor(found, dtype=torch.int64)
    opened = source.open
    return replace(
        source, open=lambda: ((pixels, table[labels]) for pixels, labels in opened()), classes=None
    )


def _within(
    source: Images, names: Sequence[str], place: str, whose: str = "the reference's"
) -> Images:
    opened = source.open

    def batches() -> Batches:
        for pixels, labels in opened():
            if int(labels.max()) >= len(names):
                raise SourceError(
                    f"{place}: labels", found=f"class {int(labels.max())}",
                    expected=f"one of {whose} {len(names)} classes, from 0",
                    remedy="Use statistics of the data set that the samples are of.",
                )  # fmt: skip
            yield pixels, labels

    return replace(source, open=batches)


def holds_samples(path: Path) -> bool:
    """Whether a .safetensors file holds samples, and not parameters."""
    return path.suffix.lower() == ".safetensors" and "samples" in header.read_header(path).tensors


def _folder(path: Path) -> Images:
    if not any(path.iterdir()):
        raise SourceError(
            str(path), found="neither checkpoints nor images",
            expected=f"a run folder, or files {', '.join(SUFFIXES)}",
        )  # fmt: skip
    found = folders.read(path)
    return Images(
        len(found.listing), lambda: found.batches(BATCH), found.sha256,
        {"lossy_files": found.lossy}, found.classes, found.notes,
    )  # fmt: skip


def _safetensors(path: Path) -> Images:
    table = header.read_header(path)
    if not holds_samples(path):
        raise SourceError(str(path), found="no tensor samples [N, C, H, W]", expected="one")
    entry = table.tensors["samples"]
    place = f"{path}: samples"
    given.require_images(place, entry.dtype, entry.shape, channels=1)
    count = entry.shape[0]
    facts = _facts(path, (table.metadata or {}).get("facts"))
    if facts.get("tokenizer", "none") != "none":
        raise SourceError(
            str(path), found=f"latents of {facts['tokenizer']}", expected="images",
            remedy="Write images with `drift sample --vae ID --vae-revision REV --out FILE.npz`.",
        )  # fmt: skip
    own = (table.metadata or {}).get("schema") == output.SCHEMA and bool(facts)

    def parts() -> Iterator[Tensor]:
        with reading(path), safe_open(path, framework="pt") as opened:
            samples = opened.get_slice("samples")
            for start in range(0, count, BATCH):
                yield samples[start : start + BATCH]

    if entry.dtype in given.FLOATS:
        given.require_signed(place, parts(), own=own)
    labels = torch.full((count,), UNLABELLED)
    if "labels" in table.tensors:
        labels = _held_labels(table, count, facts.get("classes"))

    def batches() -> Batches:
        for part, named in zip(parts(), torch.split(labels, BATCH), strict=True):
            yield part if part.dtype == torch.uint8 else images.pixels(part), named

    more = sorted(table.tensors.keys() - {"samples", "labels"})
    return Images(count, batches, file_digest(path), facts, notes=_left_out("tensors", more))


def _held_labels(table: Header, count: int, classes: object) -> Tensor:
    entry, place = table.tensors["labels"], f"{table.path}: labels"
    given.require_labels(place, entry.dtype, entry.shape, count)
    with reading(table.path), safe_open(table.path, framework="np") as opened:
        array = opened.get_tensor("labels")
    return given.labels(place, array, classes)


def _left_out(kind: str, names: Sequence[str]) -> tuple[str, ...]:
    return (f"{len(names)} {kind} left out: {listed(names)}",) if names else ()


def _facts(path: Path, text: str | None) -> dict[str, Any]:
    """What a file says of its samples; raises a DriftError for what is no object of known types."""
    data, place = (text or "{}").encode(), f"{path}: facts"
    try:
        found = strict_json.parse(data, place=place, limit=header.MAX_HEADER_BYTES)
    except ArtifactError as error:
        raise SourceError(place, found=error.found, expected=error.expected) from error
    if not isinstance(found, dict):
        raise SourceError(place, found=shown(found), expected="a JSON object")
    given.require_facts(path, found)
    return found


def _npz(path: Path) -> Images:
    npz.require_whole(path)
    with reading(path), zipfile.ZipFile(path) as archive:
        shape, offset = npz.member_shape(path, archive)
        comment = archive.comment.decode(errors="replace")
        facts = _facts(path, comment if comment.startswith("{") else None)
        names = archive.namelist()
        labels = npz.labels(path, archive, shape[0], facts.get("classes"))

    def batches() -> Batches:
        with reading(path), zipfile.ZipFile(path) as archive, archive.open(npz.SAMPLES) as stream:
            stream.read(offset)
            for named in torch.split(labels, BATCH):
                data = stream.read(len(named) * math.prod(shape[1:]))
                array = np.frombuffer(data, dtype=np.uint8).reshape(len(named), *shape[1:])
                yield torch.from_numpy(array.copy()).permute(0, 3, 1, 2), named

    more = sorted(set(names) - {npz.SAMPLES, npz.LABELS})
    return Images(shape[0], batches, file_digest(path), facts, notes=_left_out("arrays", more))

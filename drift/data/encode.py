"""From images to a latent cache: shard by shard, each one whole or not there, resumable.

A shard is written, then the manifest that knows of it, both atomically; a run that was killed loses
the shard it was at. What the latents are is in drift.data.posterior.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save
from torch import Tensor

from drift import atomic
from drift.artifacts.errors import shown
from drift.data import latents as stored
from drift.data import manifest as manifests
from drift.data.dataset import Dataset, joined, require_size
from drift.data.entries import Listing, sha256_of
from drift.data.manifest import MANIFEST, Manifest, Origin, Settings, Shard
from drift.data.shards import Pace as Pace
from drift.data.shards import file_hashes
from drift.data.shards import shard_tensors as shard_tensors
from drift.data.source import DataError
from drift.data.tokenizer import Tokenizer
from drift.ranks.turns import in_turn


def settings_for(
    tokenizer: Tokenizer,
    *,
    resolution: int = 256,
    posterior: Literal["sample", "mean"] = "sample",
    mirrored: bool = True,
    dtype: Literal["float16", "float32"] = "float32",
    seed: int = 0,
    per_shard: int = 1024,
) -> Settings:
    """The settings of a cache; the defaults are the release's."""
    return Settings(
        vae=tokenizer.name,
        vae_revision=tokenizer.revision,
        vae_sha256=tokenizer.sha256,
        scaling_factor=tokenizer.scaling_factor,
        posterior=posterior,
        mirrored=mirrored,
        crop="adm-centre",
        resolution=resolution,
        shape=tokenizer.latent_shape(resolution),
        dtype=dtype,
        seed=seed,
        per_shard=per_shard,
    )


def encode(
    listing: Listing, out: Path, tokenizer: Tokenizer, settings: Settings, pace: Pace,
    dataset: Dataset | None = None,
) -> Manifest:  # fmt: skip
    """Encode what `out` lacks and return its complete manifest.

    Several processes of `pace.ranks` make the shards in turn, in a folder that all of them see.

    dataset  what the images are called; None: unknown, or what the cache says already
    Finished shards are kept where they verify and made again where they do not. Raises DataError:
    another cache or anything else in `out`, a damaged image, a full disk; finished shards stay.
    """
    ranks = pace.ranks
    with ExitStack() as stack:
        books: list[_Books] = []
        ranks.by_writer(
            lambda: books.append(
                _Books.opened(listing, out, settings, dataset or Dataset(), pace, stack)
            )
        )
        lacking = ranks.told(books[0].lacking if books else [])

        def make(index: int) -> Tensor:
            done = books[0].done if ranks.world == 1 else None
            return _made(index, listing, out, tokenizer, settings, pace, done)

        for found in in_turn(ranks, lacking, make):
            if found is not None:
                books[0].add(json.loads(bytes(found.tolist())))
        ranks.by_writer(lambda: books[0].completed())
        return books[0].manifest if books else manifests.read_manifest(out)


def _made(
    index: int, listing: Listing, out: Path, tokenizer: Tokenizer, settings: Settings, pace: Pace,
    done: int | None,
) -> Tensor:  # fmt: skip
    """Encode and write one shard -> what the manifest says of it, as bytes of JSON, uint8.

    done  images before it; None: others are at work on others, and shards are shown, not images
    """
    begin = index * settings.per_shard
    count = manifests.sizes(len(listing), settings.per_shard)[index]
    before = Counter(pace.dropped)
    if done is None:
        pace = replace(pace, on_images=lambda done: None)
    places = range(begin, begin + count)
    tensors = shard_tensors(listing, places, tokenizer, settings, pace, done or 0)
    said = {
        "shard": _write_shard(index, tensors, settings, out).model_dump(mode="json"),
        "hashes": file_hashes(tensors[stored.FILES]),
        "dropped": pace.dropped - before,
    }
    return torch.tensor(list(json.dumps(said).encode()), dtype=torch.uint8)


@dataclass
class _Books:
    """What the writer keeps of a cache: manifest, digests of the images, what was left out."""

    listing: Listing
    out: Path
    pace: Pace
    manifest: Manifest
    hashes: dict[int, list[str]]
    dropped: Counter[str] = field(default_factory=Counter)

    @classmethod
    def opened(
        cls, listing: Listing, out: Path, settings: Settings, dataset: Dataset, pace: Pace,
        stack: ExitStack,
    ) -> _Books:  # fmt: skip
        """The folder for this run alone, and what of it is finished."""
        stack.enter_context(_locked_folder(out, pace.say))
        manifest = _begin(listing, out, settings, dataset)
        if manifest.versions != _versions():
            pace.say(f"begun with other versions, which the manifest keeps: {manifest.versions}")
        if pace.ranks.world > 1:  # so that shards of a killed run are known to be of a cache
            write(out / MANIFEST, _checked_copy(manifest, complete=False).text.encode())
        books = cls(listing, out, pace, *_kept(manifest, out, pace))
        require_space(out, settings, len(listing) - books.done)
        pace.on_images(books.done)
        return books

    @property
    def done(self) -> int:
        """Images of finished shards."""
        return sum(shard.count for shard in self.manifest.shards)

    @property
    def lacking(self) -> list[int]:
        """Shards that are still to be made."""
        shards = manifests.sizes(len(self.listing), self.manifest.settings.per_shard)
        return [index for index in range(len(shards)) if index not in self.hashes]

    def add(self, made: Mapping[str, Any]) -> None:
        """A shard that a process has written: the manifest knows of it from now on."""
        shard = Shard.model_validate_json(json.dumps(made["shard"]))
        self.hashes[shard.index] = made["hashes"]
        self.dropped.update(made["dropped"])
        shards = tuple(sorted([*self.manifest.shards, shard], key=lambda shard: shard.index))
        self.manifest = _checked_copy(self.manifest, shards=shards)
        write(self.out / MANIFEST, self.manifest.text.encode())
        self.pace.on_images(self.done)

    def completed(self) -> None:
        """Say what was dropped, and write that nothing is missing."""
        for what, count in sorted(self.dropped.items()):
            self.pace.say(f"{count:,} images whose {what} is dropped")
        every = [sha256 for index in sorted(self.hashes) for sha256 in self.hashes[index]]
        digest = self.listing.manifest_digest(every)
        origin = self.manifest.origin.model_copy(update={"digest": digest})
        self.manifest = _checked_copy(self.manifest, complete=True, origin=origin)
        write(self.out / MANIFEST, self.manifest.text.encode())


def require_space(out: Path, settings: Settings, images: int) -> None:
    """Raise DataError before any work where the disk cannot hold what is left to write."""
    needed, free = images * stored.image_bytes(settings), free_bytes(out)
    if needed > free:
        raise DataError(
            str(out),
            found=f"{free:,} bytes free",
            expected=f"{needed:,} bytes for {images:,} images",
            remedy="Free space, choose --dtype float16, or encode to another disk.",
        )


def free_bytes(out: Path) -> int:
    """Free bytes of the disk on which `out` is or would be."""
    while not out.exists():
        out = out.absolute().parent
    return shutil.disk_usage(out).free


def write(path: Path, data: bytes) -> None:
    """Put a file there as a whole, or raise DataError and leave what was there."""
    try:
        atomic.write_bytes(path, data)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise DataError(
            str(path),
            found="a full disk" if full else f"a file that cannot be written ({error.strerror})",
            expected=f"room and permission for {len(data):,} bytes",
            remedy="Finished shards are kept: mend it and run the same command again.",
        ) from error


def _begin(listing: Listing, out: Path, settings: Settings, dataset: Dataset) -> Manifest:
    """The manifest to go on from; raises DataError where `out` holds something else."""
    count = len(listing)
    require_size(dataset, classes=len(listing.classes), images=count, place=str(listing.root))
    fresh = Manifest(
        complete=False,
        settings=settings,
        origin=Origin(images=count, outline=listing.outline, digest=None),
        dataset=dataset,
        classes=listing.classes,
        shards=(),
        versions=_versions(),
    )
    if (out / MANIFEST).exists():
        found = manifests.read_manifest(out)
        _require_same(out, found, fresh)
        found = _checked_copy(found, dataset=joined(found.dataset, dataset, place=str(out)))
    else:
        found = fresh
        orphan = manifests.shard_name(0)  # of a run that was killed before its first manifest
        names = sorted(path.name for path in out.iterdir())
        foreign = [name for name in names if name != orphan and not name.startswith(".")]
        if foreign:
            raise DataError(
                str(out),
                found=f"{shown(foreign[0])} and no manifest",
                expected="a new or empty folder, or a latent cache",
            )
    atomic.sweep(out)
    return found


def _require_same(out: Path, found: Manifest, fresh: Manifest) -> None:
    """Raise DataError naming every key in which the cache in `out` differs from what is asked."""
    before, now = (
        {
            **{f"settings.{key}": value for key, value in dict(manifest.settings).items()},
            "origin.images": manifest.origin.images,
            "origin.outline": manifest.origin.outline,
            "classes": manifest.classes,
        }
        for manifest in (found, fresh)
    )
    differing = [
        f"{key} is {shown(before[key])} in the cache, {shown(now[key])} here"
        for key in now
        if before[key] != now[key]
    ]
    if differing:
        raise DataError(
            str(out),
            found="; ".join(differing),
            expected="a cache of the same images with the same settings",
            remedy="Choose another --out, or the settings of this cache.",
        )


def _kept(manifest: Manifest, out: Path, pace: Pace) -> tuple[Manifest, dict[int, list[str]]]:
    """The manifest with the shards that verify, and per shard the digests of its files."""
    kept, hashes = [], {}
    for shard in manifest.shards:
        try:
            checked = stored.verify_shard(out, shard, manifest)
        except DataError as error:
            pace.say(f"encoded again: {error}")
            continue
        kept.append(shard)
        rows = stored.read_tensor(checked, stored.FILES)
        hashes[shard.index] = [bytes(row).hex() for row in rows]
    if manifest.shards:
        pace.say(f"{len(kept)} of {len(manifest.shards)} finished shards verified and kept")
    return _checked_copy(manifest, complete=False, shards=tuple(kept)), hashes


def _write_shard(index: int, tensors: dict[str, Tensor], settings: Settings, out: Path) -> Shard:
    """Write a shard -> what the manifest says of it."""
    data = save(
        {name: tensor.contiguous() for name, tensor in tensors.items()},
        metadata={stored.SETTINGS: settings.digest},
    )
    labels = tensors[stored.LABELS].tolist()
    shard = Shard(
        file=manifests.shard_name(index),
        sha256=sha256_of(data),
        bytes=len(data),
        count=len(labels),
        labels=manifests.runs_of(labels),
    )
    write(out / shard.file, data)
    return shard


def _checked_copy(manifest: Manifest, **changes: Any) -> Manifest:
    """A copy that went through the manifest's own checks."""
    parts = {name: value for name, value in manifest if name != "schema_"}
    return Manifest.model_validate(parts | changes)


@contextmanager
def _locked_folder(out: Path, say: Callable[[str], None]) -> Iterator[None]:
    """`out`, made where it is missing, for this process alone; removed again if it stays empty."""
    made = not out.exists()
    with ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(atomic.locked(out, say))
        except atomic.LockedError as error:
            raise DataError(
                str(out), found="another `drift encode` at work", expected="one at a time"
            ) from error
        except OSError as error:
            raise DataError(
                str(out), found=error.strerror or str(error),
                expected="a folder that can be written",
            ) from error  # fmt: skip
        try:
            yield
        finally:
            if made and not any(out.iterdir()):
                out.rmdir()


def _versions() -> dict[str, str]:
    import diffusers
    import PIL

    import drift

    modules: tuple[Any, ...] = (drift, torch, diffusers, PIL)
    return {module.__name__: str(module.__version__) for module in modules}

"""From images to a latent cache: shard by shard, each one whole or not there, resumable.

A shard is written, then the manifest that knows of it, both atomically; a run that was killed loses
the shard it was at. What the latents are is in drift.data.posterior.
"""

from __future__ import annotations

import errno
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save
from torch import Tensor

from drift import atomic
from drift.artifacts.errors import shown
from drift.data import crop as cropping
from drift.data import latents as stored
from drift.data import manifest as manifests
from drift.data import posterior
from drift.data.dataset import Dataset, joined, require_size
from drift.data.entries import Entry, Listing, sha256_of
from drift.data.manifest import MANIFEST, Manifest, Origin, Settings, Shard
from drift.data.source import DataError
from drift.data.tokenizer import Tokenizer


@dataclass(frozen=True)
class Pace:
    """How the work is done; moves nothing but the last bits of a sum."""

    batch: int = 16
    workers: int = 4
    device: str = "cpu"
    on_images: Callable[[int], None] = field(default=lambda done: None)
    say: Callable[[str], None] = field(default=lambda text: None)
    dropped: Counter[str] = field(default_factory=Counter)  # what decoding left out, by kind


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

    dataset  what the images are called; None: unknown, or what the cache says already
    Finished shards are kept where they verify and made again where they do not. Raises DataError:
    another cache or anything else in `out`, a damaged image, a full disk; finished shards stay.
    """
    with _locked_folder(out, pace.say):
        manifest = _begin(listing, out, settings, dataset or Dataset())
        if manifest.versions != _versions():
            pace.say(f"begun with other versions, which the manifest keeps: {manifest.versions}")
        manifest, hashes = _kept(manifest, out, pace)
        done = sum(shard.count for shard in manifest.shards)
        require_space(out, settings, len(listing) - done)
        pace.on_images(done)
        for index, count in enumerate(manifests.sizes(len(listing), settings.per_shard)):
            if index in hashes:
                continue
            begin = index * settings.per_shard
            tensors = shard_tensors(
                listing, range(begin, begin + count), tokenizer, settings, pace, done
            )
            done += count
            hashes[index] = file_hashes(tensors[stored.FILES])
            manifest = _with_shard(manifest, index, tensors, out)
        for what, count in sorted(pace.dropped.items()):
            pace.say(f"{count:,} images whose {what} is dropped")
        every = [sha256 for index in sorted(hashes) for sha256 in hashes[index]]
        origin = manifest.origin.model_copy(update={"digest": listing.manifest_digest(every)})
        manifest = _checked_copy(manifest, complete=True, origin=origin)
        write(out / MANIFEST, manifest.text.encode())
        return manifest


def shard_tensors(
    listing: Listing,
    places: range,
    tokenizer: Tokenizer,
    settings: Settings,
    pace: Pace,
    done: int = 0,
) -> dict[str, Tensor]:
    """What the shard of the images at `places` holds; see drift.data.latents."""
    parts: dict[str, list[Tensor]] = {}
    with ThreadPoolExecutor(pace.workers) as pool:
        for batch, images, files in _batches(listing, places, settings, pace, pool):
            coded = posterior.encode_images(images, batch, tokenizer, settings, pace.device)
            for name, latents in coded.items():
                _require_finite(listing, batch, latents)
                parts.setdefault(name, []).append(latents)
            parts.setdefault(stored.FILES, []).append(files)
            done += len(batch)
            pace.on_images(done)
    entries = listing.entries[places.start : places.stop]
    labels = torch.tensor([entry.label for entry in entries], dtype=torch.int64)
    return {name: torch.cat(rows) for name, rows in parts.items()} | {stored.LABELS: labels}


def file_hashes(files: Tensor) -> list[str]:
    """uint8 [n, 32] -> hexadecimal digests."""
    return [bytes(row.tolist()).hex() for row in files]


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


def _batches(
    listing: Listing, places: range, settings: Settings, pace: Pace, pool: ThreadPoolExecutor
) -> Iterator[tuple[range, Tensor, Tensor]]:
    """(places, images, file digests uint8 [n, 32]); the next batch is read meanwhile."""

    def load(entry: Entry) -> tuple[Tensor, Tensor, tuple[str, ...]]:
        data, place = listing.read(entry), listing.place(entry)
        image = cropping.square(data, settings.resolution, crop=settings.crop, place=place)
        sha256 = torch.tensor(list(bytes.fromhex(sha256_of(data))), dtype=torch.uint8)
        return image, sha256, cropping.look(data, place=place).dropped

    batches = [places[i : i + pace.batch] for i in range(0, len(places), pace.batch)]
    ahead = pool.map(load, listing.entries[batches[0].start : batches[0].stop])
    for batch, following in zip(batches, [*batches[1:], range(0)], strict=True):
        loaded = list(ahead)
        ahead = pool.map(load, listing.entries[following.start : following.stop])
        images, files, dropped = zip(*loaded, strict=True)
        pace.dropped.update(chain(*dropped))
        yield batch, torch.stack(images), torch.stack(files)


def _require_finite(listing: Listing, places: range, latents: Tensor) -> None:
    bad = (~latents.isfinite()).flatten(1).any(1).nonzero().flatten().tolist()
    if bad:
        entry = listing.entries[places[bad[0]]]
        raise DataError(
            listing.place(entry),
            found=f"a latent that is not finite in {latents.dtype}",
            expected="finite numbers",
            remedy="Check the autoencoder; --dtype float32 has the wider range.",
        )


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


def _with_shard(manifest: Manifest, index: int, tensors: dict[str, Tensor], out: Path) -> Manifest:
    """Write a shard, then the manifest that knows of it."""
    data = save(
        {name: tensor.contiguous() for name, tensor in tensors.items()},
        metadata={stored.SETTINGS: manifest.settings.digest},
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
    shards = tuple(sorted([*manifest.shards, shard], key=lambda shard: shard.index))
    manifest = _checked_copy(manifest, shards=shards)
    write(out / MANIFEST, manifest.text.encode())
    return manifest


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

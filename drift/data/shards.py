"""What one shard of a latent cache holds: images read, cropped and encoded, batch by batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain

import torch
from torch import Tensor

from drift.data import crop as cropping
from drift.data import latents as stored
from drift.data import posterior
from drift.data.entries import Entry, Listing, sha256_of
from drift.data.manifest import Settings
from drift.data.source import DataError
from drift.data.tokenizer import Tokenizer
from drift.ranks import ALONE, Ranks


@dataclass(frozen=True)
class Pace:
    """How the work is done; moves nothing but the last bits of a sum."""

    batch: int = 16
    workers: int = 4
    device: str = "cpu"
    on_images: Callable[[int], None] = field(default=lambda done: None)
    say: Callable[[str], None] = field(default=lambda text: None)
    dropped: Counter[str] = field(default_factory=Counter)  # what decoding left out, by kind
    ranks: Ranks = ALONE


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

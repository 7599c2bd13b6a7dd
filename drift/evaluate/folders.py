"""A folder of images to evaluate, read by the same code as a training set."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from drift.data import crop
from drift.data.classes import listed
from drift.data.crop import Look
from drift.data.entries import Entry, Listing, require_unchanged, sha256_of
from drift.data.listing import list_images
from drift.evaluate.given import SourceError

WORKERS = 4


@dataclass(frozen=True)
class Folder:
    """Images of one size, all with three channels where any has colours.

    hashes  sha256 of each file when it was first read; it is held to it later
    classes names of the class folders by label; None for archives, whose labels are numbers
    lossy   how many files are of a format that rounds levels
    """

    listing: Listing
    hashes: tuple[str, ...]
    channels: int
    lossy: int
    notes: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...] | None:
        numbered = self.listing.entries[0].archive is not None
        return None if numbered else self.listing.classes

    @property
    def sha256(self) -> str:
        """sha256 over the lines NAME NUL SHA256 LF in the order of the names."""
        names = (entry.name for entry in self.listing.entries)
        lines = sorted(zip(names, self.hashes, strict=True))
        digest = hashlib.sha256()
        for name, sha256 in lines:
            digest.update(f"{name}\0{sha256}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(uint8 [B, C, H, W], labels [B]); raises DataError for a damaged or changed file."""
        labels = torch.tensor(self.listing.labels, dtype=torch.int64)
        with ThreadPoolExecutor(WORKERS) as pool:
            for begin in range(0, len(labels), size):
                part = slice(begin, begin + size)
                read = pool.map(self._pixels, self.listing.entries[part], self.hashes[part])
                yield torch.stack(list(read)), labels[part]

    def _pixels(self, entry: Entry, sha256: str) -> Tensor:
        place, data = self.listing.place(entry), self.listing.read(entry)
        require_unchanged(place, data, sha256)
        image = crop.decode(data, place=place, channels=self.channels)
        array = np.array(image, dtype=np.uint8)
        return torch.from_numpy(array.reshape(*array.shape[:2], -1)).permute(2, 0, 1)


def read(folder: Path) -> Folder:
    """List a folder and look at every file's header; raises DriftError for what is not evaluated.

    Class folders, tar archives, or images in the folder itself, which then have no labels.
    """
    listing = list_images(folder, unlabelled=True)
    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(lambda entry: _seen(listing, entry), listing.entries))
    looks = {listing.place(e): look for e, (look, _) in zip(listing.entries, found, strict=True)}
    _require_one_size(looks)
    colour = not all(look.grey for look in looks.values())
    return Folder(
        listing,
        tuple(sha256 for _, sha256 in found),
        3 if colour else 1,
        sum(look.lossy for look in looks.values()),
        tuple(_notes(listing, looks, colour=colour)),
    )


def _seen(listing: Listing, entry: Entry) -> tuple[Look, str]:
    data = listing.read(entry)
    return crop.look(data, place=listing.place(entry)), sha256_of(data)


def _require_one_size(looks: Mapping[str, Look]) -> None:
    (first, usual), *rest = looks.items()
    for place, look in rest:
        if look.sides != usual.sides:
            raise SourceError(
                place,
                found=f"{look.sides[0]} x {look.sides[1]} pixels",
                expected=f"{usual.sides[0]} x {usual.sides[1]}, as {first}",
                remedy="A folder is evaluated at one size; crop the images first.",
            )


def _notes(listing: Listing, looks: Mapping[str, Look], *, colour: bool) -> Iterator[str]:
    """What was left out or dropped, counted, with the first names."""
    yield from listing.notes
    found: dict[str, list[str]] = defaultdict(list)
    for place, look in looks.items():
        if colour and look.grey:
            found["grey images among colours, read as three equal channels"].append(place)
        for what in look.dropped:
            found[f"images whose {what} is dropped"].append(place)
    for what, places in found.items():
        yield f"{len(places):,} {what}: {listed(places)}"

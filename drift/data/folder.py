"""Images on the disk as a source: one folder per class, or tar archives."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from drift.data import augment
from drift.data import crop as cropping
from drift.data.dataset import Dataset
from drift.data.entries import Listing, require_unchanged
from drift.data.listing import list_images
from drift.data.source import require_indices

KEPT_BYTES = 64 * 2**20  # decoded images that are kept: reading one costs a tenth of decoding it


class FolderSource:
    """Samples [channels, size, size] in [-1, 1], cropped when they are read.

    root      folder with one folder per class; class indices follow their names, numbers by value
    crop      adm-centre, or none where every image has the size already
    channels  3 (RGB) or 1 (grey): colours are then refused, not greyed
    mirror    count every image twice, as it is and mirrored (see Source)
    workers   threads that read and decode
    every     leave out every so many-th image of each class, or, where `held_out`, all others
    dataset   what the images are called; None: unknown

    Once `digest` was asked for, every image that is read is held to the sha256 it had then. Files
    are read anew each time; samples of the same bytes are decoded once, as far as KEPT_BYTES go.
    """

    def __init__(
        self,
        root: Path | str,
        size: int,
        *,
        crop: Literal["adm-centre", "none"] = "adm-centre",
        channels: Literal[1, 3] = 3,
        mirror: bool = False,
        workers: int = 4,
        every: int | None = None,
        held_out: bool = False,
        dataset: Dataset | None = None,
    ) -> None:
        found = list_images(Path(root))
        self.listing: Listing = found if every is None else found.part(every, held_out=held_out)
        self.dataset = dataset or Dataset()
        self.size, self.crop, self.channels, self.mirror = size, crop, channels, mirror
        self.workers = workers
        labels = torch.tensor(self.listing.labels, dtype=torch.int64)
        self._labels = torch.cat([labels, labels]) if mirror else labels
        self._hashes: list[str] = []
        self._decoded: dict[int, tuple[str, Tensor]] = {}  # sha256 of the file, sample

    @property
    def labels(self) -> Tensor:
        """int64 [N], N counting mirrored images."""
        return self._labels

    @property
    def classes(self) -> int:
        """Number of class folders."""
        return len(self.listing.classes)

    @property
    def class_map(self) -> tuple[str, ...]:
        """Name of each class by its index."""
        return self.listing.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.channels, self.size, self.size

    @property
    def digest(self) -> str:
        """sha256 over the manifest of files and what is made of them; reads every file once."""
        if not self._hashes:
            self._hashes = list(self.listing.hashes(self.workers))
        manifest = self.listing.manifest_digest(self._hashes)
        view = f"{self.crop} {self.channels}x{self.size}x{self.size} mirror={self.mirror}"
        return hashlib.sha256(f"drift-images/1 {manifest} {view}".encode()).hexdigest()

    def get(self, indices: Tensor) -> Tensor:
        """Samples [n, C, H, W]; raises DataError naming the file that is damaged or has changed."""
        places = require_indices(indices, len(self._labels))
        if not places:
            return torch.empty(0, *self.shape)
        with ThreadPoolExecutor(self.workers) as pool:
            return torch.stack(list(pool.map(self._sample, places)))

    def augmented(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """Random resized crops [n, C, H, W] of the images as they are on the disk.

        All numbers are drawn at once, in the order of the indices: how many threads read, or in
        which order, changes nothing. A mirrored place is the mirror image of its crop.
        """
        places = require_indices(indices, len(self._labels))
        drawn = augment.numbers(len(places), generator).tolist()
        if not places:
            return torch.empty(0, *self.shape)
        with ThreadPoolExecutor(self.workers) as pool:
            return torch.stack(list(pool.map(self._crop, places, drawn)))

    def require_grey(self) -> None:
        """Look at every image once; raises DataError naming the first that has colours."""

        def seen(place: int) -> None:
            name, data = self._read(place)
            if not cropping.look(data, place=name).grey:
                cropping.decode(data, place=name, channels=1)

        with ThreadPoolExecutor(self.workers) as pool:
            for _ in pool.map(seen, range(len(self.listing))):
                pass

    def _crop(self, place: int, uniform: list[float]) -> Tensor:
        name, data = self._read(place)
        image = cropping.decode(data, place=name, channels=self.channels)
        pixels = cropping.pixels(augment.random_resized_crop(image, self.size, uniform))
        return cropping.flipped(pixels) if place >= len(self.listing) else pixels

    def _read(self, place: int) -> tuple[str, bytes]:
        """Name and bytes of an image; DataError where they are not what they were."""
        count = len(self.listing)
        entry = self.listing.entries[place % count]
        name, data = self.listing.place(entry), self.listing.read(entry)
        if self._hashes:
            require_unchanged(name, data, self._hashes[place % count])
        return name, data

    def _sample(self, place: int) -> Tensor:
        name, data = self._read(place)
        image = self._square(place % len(self.listing), name, data)
        return cropping.flipped(image) if place >= len(self.listing) else image

    def _square(self, place: int, name: str, data: bytes) -> Tensor:
        # A file that was held to its digest when it was read need not be digested again.
        seen = self._hashes[place] if self._hashes else hashlib.sha256(data).hexdigest()
        kept = self._decoded.get(place)
        if kept is not None and kept[0] == seen:
            return kept[1]
        image = cropping.square(
            data, self.size, crop=self.crop, place=name, channels=self.channels
        )  # fmt: skip
        if len(self._decoded) < KEPT_BYTES // (image.nbytes or 1):
            self._decoded[place] = seen, image
        return image

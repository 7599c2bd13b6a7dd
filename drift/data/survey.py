"""What lies in a folder of images, before anything is decided: counts, sizes, colour."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from drift.data import crop
from drift.data.crop import Look
from drift.data.listing import list_images

WORKERS = 4


@dataclass(frozen=True)
class Survey:
    """classes   names by label; counts  images of each
    square    the one side of all images where all are squares of it, else None
    shortest  the smallest side of any image, in pixels
    grey      whether every image has one channel only
    notes     what was skipped or would be dropped, a sentence each
    """

    classes: tuple[str, ...]
    counts: tuple[int, ...]
    square: int | None
    shortest: int
    grey: bool
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """Of all classes."""
        return sum(self.counts)


def survey(root: Path) -> Survey:
    """Look at the header of every image of a folder, as `list_images` lists them.

    Raises DataError for a folder that no run could use, naming the file.
    """
    listing = list_images(root)

    def seen(place: int) -> Look:
        entry = listing.entries[place]
        return crop.look(listing.read(entry), place=listing.place(entry))

    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(seen, range(len(listing))))
    held, sides = Counter(listing.labels), {one.sides for one in found}
    side, other = next(iter(sides))
    dropped = Counter(name for one in found for name in one.dropped)
    said = [f"{count:,} images have a {name}, which is not used" for name, count in dropped.items()]
    return Survey(
        classes=listing.classes,
        counts=tuple(held[label] for label in range(len(listing.classes))),
        square=side if len(sides) == 1 and side == other else None,
        shortest=min(min(pair) for pair in sides),
        grey=all(one.grey for one in found),
        notes=(*listing.notes, *said),
    )

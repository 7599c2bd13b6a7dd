"""Mistakes people make with images, labels and their order, planted in the engine itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from PIL import Image, ImageFile
from torch import Tensor

from drift import digits, rng
from drift.data import classes, crop, entries, listing, loader, tokenizer
from verify.api import mutant

Planted = AbstractContextManager[Any]


@mutant("data.crop_filter")
def crop_filter(subject: object, *, step: str, kernel: str) -> Planted:
    """Another filter in one of the steps."""
    return patch.object(crop, step, Image.Resampling[kernel])


@mutant("data.crop_one_call", crop, "filtered")
def crop_one_call(
    real: Any, image: Image.Image, sides: tuple[int, int], kernel: Any
) -> Image.Image:
    """Columns before rows, as a newer Pillow chooses for tall images."""
    return image.resize((image.width, sides[1]), kernel).resize(sides, kernel)


@mutant("data.channels_reversed", crop, "pixels")
def channels_reversed(real: Any, *given: Any, **options: Any) -> Any:
    """Blue, green, red."""
    return real(*given, **options).flip(0)


@mutant("data.classes_unsorted")
def classes_unsorted(subject: object) -> Planted:
    """Class indices follow the order in which some disk lists the folders."""
    return patch.object(classes, "sorted", lambda found: sorted(found)[::-1], create=True)


@mutant("data.shuffled_apart", loader.Loader, "take")
def shuffled_apart(real: Any, self: Any, n: int) -> tuple[Tensor, Tensor]:
    """Samples are shuffled, their labels are not."""
    start = self.position % len(self.source.labels)
    samples = self.source.get(self.indices(n))
    places = torch.arange(start, start + n) % len(self.source.labels)
    return samples, self.source.labels[places]


@mutant("data.order_with_replacement")
def order_with_replacement(subject: object) -> Planted:
    """Every draw is independent: an epoch misses a third of the samples."""
    return _epochs(lambda size, generator: torch.randint(size, (size,), generator=generator))


@mutant("data.order_unshuffled")
def order_unshuffled(subject: object) -> Planted:
    """Every epoch goes through the list."""
    return _epochs(lambda size, generator: torch.arange(size))


@mutant("data.order_same_every_epoch", rng, "stream")
def order_same_every_epoch(original: Any, seed: Any, purpose: Any, step: Any = 0) -> Any:
    """The epoch is left out of the name of its random stream."""
    return original(seed, purpose, 0)


@mutant("data.order_drops_the_rest", loader.Loader, "indices")
def order_drops_the_rest(original: Any, self: Any, n: int) -> Any:
    """What does not fill a batch at the end of an epoch is dropped."""
    size = len(self.source.labels)
    if n <= size and self.position % size + n > size:
        self.position += size - self.position % size
    return original(self, n)


@mutant("data.position_of_the_epoch", loader.Loader, "__init__")
def position_of_the_epoch(
    original: Any, self: Any, source: Any, *, seed: int, position: int = 0
) -> None:
    """What is saved counts within the epoch: a resumed run begins the first epoch again."""
    original(self, source, seed=seed, position=position % len(source.labels))


@mutant("data.strangers_skipped", listing, "_files")
def strangers_skipped(
    real: Any, root: Path, folder: str, skipped: list[str]
) -> Iterator[tuple[str, int]]:
    """What is no image is left out without a word."""
    for path in sorted((root / folder).rglob("*")):
        if path.suffix in entries.SUFFIXES:
            yield path.relative_to(root).as_posix(), path.stat().st_size


@mutant("data.digits_other")
def digits_other(subject: object) -> Planted:
    """Another data set under the same name, with its digest put in the code."""
    images, labels = digits.raw()
    images = images.copy()
    images[5, 3, 3] = 16 - images[5, 3, 3]
    sha256 = digits.fingerprint(images, labels)
    return patch.multiple(digits, raw=lambda: (images, labels), SHA256=sha256)


def _epochs(permuted: Callable[[int, torch.Generator], Tensor]) -> Planted:
    """Another order within an epoch."""

    def load(self: Any, epoch: int) -> None:
        generator = rng.stream(self.seed, "epoch", epoch)
        self._order = permuted(len(self.source.labels), generator)

    return patch.object(loader.Loader, "_load_epoch", load)


OTHER_VALUES = (
    # Both sides are brought to the size, whatever the proportions.
    mutant("data.crop_squashed", crop, target_size=lambda sides, size: (size, size)),
    # One bicubic step from any size.
    mutant("data.crop_without_halving", crop, halved=lambda image, size: image),
    # The longer side loses its fraction.
    mutant(
        "data.crop_rounded_down",
        crop,
        target_size=lambda sides, size: (
            sides[0] * size // min(sides),
            sides[1] * size // min(sides),
        ),
    ),
    # The upper left square is kept.
    mutant("data.crop_corner", crop, centred=lambda image, size: image.crop((0, 0, size, size))),
    # Levels end in another range than [-1, 1].
    mutant("data.pixels_from_zero", crop, HALF_RANGE=255.0),
    # Top and bottom are exchanged instead of left and right.
    mutant("data.flipped_upside_down", crop, flipped=lambda images: images.flip(-2)),
    # Pillow fills what is missing of an image with grey.
    mutant("data.truncated_accepted", ImageFile, LOAD_TRUNCATED_IMAGES=True),
    # No bound on pixels but Pillow's own.
    mutant("data.bombs_accepted", crop, MAX_PIXELS=1 << 60),
    # A class without images keeps its index and is never drawn.
    mutant("data.empty_class_accepted", entries.Listing, __post_init__=lambda self: None),
    # A repository is taken at whatever its main branch is today.
    mutant("data.any_revision", tokenizer, _pinned=lambda vae, revision: revision or "main"),
    # Other images are held out.
    mutant("data.digits_split_moved", digits, HELD_OUT_EVERY=4),
    # Grey values are taken for 0 .. 15.
    mutant("data.digits_scaled_otherwise", digits, LEVELS=15),
)

"""Mistakes people make with images, labels and their order, planted in the engine itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
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


@mutant("data.crop_squashed")
def crop_squashed(subject: object) -> Planted:
    """Both sides are brought to the size, whatever the proportions."""
    return patch.object(crop, "target_size", lambda sides, size: (size, size))


@mutant("data.crop_without_halving")
def crop_without_halving(subject: object) -> Planted:
    """One bicubic step from any size."""
    return patch.object(crop, "halved", lambda image, size: image)


@mutant("data.crop_filter")
def crop_filter(subject: object, *, step: str, kernel: str) -> Planted:
    """Another filter in one of the steps."""
    return patch.object(crop, step, Image.Resampling[kernel])


@mutant("data.crop_rounded_down")
def crop_rounded_down(subject: object) -> Planted:
    """The longer side loses its fraction."""
    return patch.object(crop, "target_size", lambda sides, size: (
        sides[0] * size // min(sides), sides[1] * size // min(sides)))  # fmt: skip


@mutant("data.crop_corner")
def crop_corner(subject: object) -> Planted:
    """The upper left square is kept."""
    return patch.object(crop, "centred", lambda image, size: image.crop((0, 0, size, size)))


@mutant("data.crop_one_call")
def crop_one_call(subject: object) -> Planted:
    """Columns before rows, as a newer Pillow chooses for tall images."""

    def columns_first(image: Image.Image, sides: tuple[int, int], kernel: Any) -> Image.Image:
        return image.resize((image.width, sides[1]), kernel).resize(sides, kernel)

    return patch.object(crop, "filtered", columns_first)


@mutant("data.pixels_from_zero")
def pixels_from_zero(subject: object) -> Planted:
    """Levels end in another range than [-1, 1]."""
    return patch.object(crop, "HALF_RANGE", 255.0)


@mutant("data.channels_reversed")
def channels_reversed(subject: object) -> Planted:
    """Blue, green, red."""
    return _wrapped(crop, "pixels", lambda made: made.flip(0))


@mutant("data.flipped_upside_down")
def flipped_upside_down(subject: object) -> Planted:
    """Top and bottom are exchanged instead of left and right."""
    return patch.object(crop, "flipped", lambda images: images.flip(-2))


@mutant("data.classes_unsorted")
def classes_unsorted(subject: object) -> Planted:
    """Class indices follow the order in which some disk lists the folders."""
    return patch.object(classes, "sorted", lambda found: sorted(found)[::-1], create=True)


@mutant("data.shuffled_apart")
def shuffled_apart(subject: object) -> Planted:
    """Samples are shuffled, their labels are not."""

    def take(self: Any, n: int) -> tuple[Tensor, Tensor]:
        start = self.position % len(self.source.labels)
        samples = self.source.get(self.indices(n))
        places = torch.arange(start, start + n) % len(self.source.labels)
        return samples, self.source.labels[places]

    return patch.object(loader.Loader, "take", take)


@mutant("data.order_with_replacement")
def order_with_replacement(subject: object) -> Planted:
    """Every draw is independent: an epoch misses a third of the samples."""
    return _epochs(lambda size, generator: torch.randint(size, (size,), generator=generator))


@mutant("data.order_unshuffled")
def order_unshuffled(subject: object) -> Planted:
    """Every epoch goes through the list."""
    return _epochs(lambda size, generator: torch.arange(size))


@mutant("data.order_same_every_epoch")
def order_same_every_epoch(subject: object) -> Planted:
    """The epoch is left out of the name of its random stream."""
    original = rng.stream
    return patch.object(rng, "stream", lambda seed, purpose, step=0: original(seed, purpose, 0))


@mutant("data.order_drops_the_rest")
def order_drops_the_rest(subject: object) -> Planted:
    """What does not fill a batch at the end of an epoch is dropped."""
    original = loader.Loader.indices

    def dropping(self: Any, n: int) -> Tensor:
        size = len(self.source.labels)
        if n <= size and self.position % size + n > size:
            self.position += size - self.position % size
        return original(self, n)

    return patch.object(loader.Loader, "indices", dropping)


@mutant("data.position_of_the_epoch")
def position_of_the_epoch(subject: object) -> Planted:
    """What is saved counts within the epoch: a resumed run begins the first epoch again."""
    original = loader.Loader.__init__

    def within(self: Any, source: Any, *, seed: int, position: int = 0) -> None:
        original(self, source, seed=seed, position=position % len(source.labels))

    return patch.object(loader.Loader, "__init__", within)


@mutant("data.truncated_accepted")
def truncated_accepted(subject: object) -> Planted:
    """Pillow fills what is missing of an image with grey."""
    return patch.object(ImageFile, "LOAD_TRUNCATED_IMAGES", True)


@mutant("data.bombs_accepted")
def bombs_accepted(subject: object) -> Planted:
    """No bound on pixels but Pillow's own."""
    return patch.object(crop, "MAX_PIXELS", 1 << 60)


@mutant("data.empty_class_accepted")
def empty_class_accepted(subject: object) -> Planted:
    """A class without images keeps its index and is never drawn."""
    return patch.object(entries.Listing, "__post_init__", lambda self: None)


@mutant("data.strangers_skipped")
def strangers_skipped(subject: object) -> Planted:
    """What is no image is left out without a word."""

    def known(root: Path, folder: str, skipped: list[str]) -> Iterator[tuple[str, int]]:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in entries.SUFFIXES:
                yield path.relative_to(root).as_posix(), path.stat().st_size

    return patch.object(listing, "_files", known)


@mutant("data.any_revision")
def any_revision(subject: object) -> Planted:
    """A repository is taken at whatever its main branch is today."""
    return patch.object(tokenizer, "_pinned", lambda vae, revision: revision or "main")


@mutant("data.digits_other")
def digits_other(subject: object) -> Planted:
    """Another data set under the same name, with its digest put in the code."""
    images, labels = digits.raw()
    images = images.copy()
    images[5, 3, 3] = 16 - images[5, 3, 3]
    return _both(
        patch.object(digits, "raw", lambda: (images, labels)),
        patch.object(digits, "SHA256", digits.fingerprint(images, labels)),
    )


@mutant("data.digits_split_moved")
def digits_split_moved(subject: object) -> Planted:
    """Other images are held out."""
    return patch.object(digits, "HELD_OUT_EVERY", 4)


@mutant("data.digits_scaled_otherwise")
def digits_scaled_otherwise(subject: object) -> Planted:
    """Grey values are taken for 0 .. 15."""
    return patch.object(digits, "LEVELS", 15)


def _wrapped(owner: Any, name: str, after: Callable[[Any], Any]) -> Planted:
    """`owner.name` with its result changed."""
    original = getattr(owner, name)
    return patch.object(owner, name, lambda *a, **k: after(original(*a, **k)))


def _epochs(permuted: Callable[[int, torch.Generator], Tensor]) -> Planted:
    """Another order within an epoch."""

    def load(self: Any, epoch: int) -> None:
        generator = rng.stream(self.seed, "epoch", epoch)
        self._order = permuted(len(self.source.labels), generator)

    return patch.object(loader.Loader, "_load_epoch", load)


@contextmanager
def _both(*planted: Planted) -> Iterator[None]:
    with planted[0], planted[1]:
        yield

"""Mistakes people make with data, planted in the engine itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from PIL import Image, ImageFile
from torch import Tensor

from drift import digits, rng
from drift.artifacts import header
from drift.commands import encode as encode_command
from drift.data import crop, encode, latents, listing, loader, opening, posterior, tokenizer
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


@mutant("data.factor_forgotten")
def factor_forgotten(subject: object) -> Planted:
    """Latents are stored as the autoencoder gives them."""
    return patch.object(posterior, "scaled", lambda found, factor: found)


@mutant("data.factor_divides")
def factor_divides(subject: object) -> Planted:
    """The factor for decoding is used for encoding."""
    return patch.object(posterior, "scaled", lambda found, factor: found / factor)


@mutant("data.factor_again_on_reading")
def factor_again_on_reading(subject: object) -> Planted:
    """Stored latents are scaled once more when they are loaded."""
    return _wrapped(latents.LatentSource, "get", lambda found: found * tokenizer.SCALING_FACTOR)


@mutant("data.latent_mirrored")
def latent_mirrored(subject: object) -> Planted:
    """The latent is flipped instead of the image."""
    return _wrapped(posterior, "encode_images", lambda coded: coded | {
        latents.MIRRORED: coded[latents.LATENTS].flip(-1)})  # fmt: skip


@mutant("data.mirror_never_read")
def mirror_never_read(subject: object) -> Planted:
    """Both halves of the pair are the original."""
    return patch.object(latents, "MIRRORED", latents.LATENTS)


@mutant("data.always_mean")
def always_mean(subject: object) -> Planted:
    """The mean is stored where a sample was asked for."""
    return patch.object(posterior, "point", lambda found, places, name, settings: found.mean)


@mutant("data.always_sample")
def always_sample(subject: object) -> Planted:
    """A sample is stored where the mean was asked for."""
    original = posterior.point

    def sampled(found: Any, places: range, name: str, settings: Any) -> Tensor:
        chosen = settings.model_copy(update={"posterior": "sample"})
        return original(found, places, name, chosen)

    return patch.object(posterior, "point", sampled)


@mutant("data.variance_for_deviation")
def variance_for_deviation(subject: object) -> Planted:
    """Noise is multiplied by the square of the deviation."""

    class Squared:
        def __init__(self, found: Any) -> None:
            self.mean, self.std = found.mean, found.var

    return _wrapped(posterior, "posterior", Squared)


@mutant("data.noise_shared_by_pair")
def noise_shared_by_pair(subject: object) -> Planted:
    """The posterior is sampled once for an image and its mirror image."""
    return patch.dict(posterior.PURPOSE, {latents.MIRRORED: posterior.PURPOSE[latents.LATENTS]})


@mutant("data.noise_of_a_batch")
def noise_of_a_batch(subject: object) -> Planted:
    """One generator for a batch: the noise of an image depends on where the batch begins."""

    def drawn(found: Any, places: range, name: str, settings: Any) -> Tensor:
        generator = rng.stream(settings.seed, posterior.PURPOSE[name], places.start)
        noise = torch.randn((len(places), *settings.shape), generator=generator)
        mean: Tensor = found.mean + found.std * noise
        return mean

    return patch.object(posterior, "point", drawn)


@mutant("data.noise_unseeded")
def noise_unseeded(subject: object) -> Planted:
    """Noise comes from the global generator."""
    return patch.object(posterior, "noise_of", lambda place, name, s: torch.randn(s.shape))


@mutant("data.digest_unchecked")
def digest_unchecked(subject: object) -> Planted:
    """A shard that has a readable header is taken for good."""
    return patch.object(latents, "verify_shard", lambda folder, shard, manifest: (
        header.read_header(folder / shard.file)))  # fmt: skip


@mutant("data.digest_of_the_head")
def digest_of_the_head(subject: object) -> Planted:
    """Only the first bytes are hashed, by writer and reader alike."""
    return _everywhere(lambda data: listing.hashlib.sha256(data[:512]).hexdigest())


@mutant("data.digest_of_the_name")
def digest_of_the_name(subject: object) -> Planted:
    """The hash is one of the file's name."""
    return patch.object(
        latents, "file_sha256", lambda path: listing.sha256_of(os.fsencode(path.name))
    )


@mutant("data.verified_once")
def verified_once(subject: object) -> Planted:
    """A shard that verified once is trusted for good."""
    return patch.object(latents, "_stamp", lambda status: (0, 0, 0))


@mutant("data.rows_shifted")
def rows_shifted(subject: object) -> Planted:
    """Latents are read one row off."""
    original = latents.LatentSource._row

    def shifted(self: Any, descriptor: int, checked: Any, entry: Any, row: int) -> Tensor:
        return original(self, descriptor, checked, entry, (row + 1) % entry.shape[0])

    return patch.object(latents.LatentSource, "_row", shifted)


@mutant("data.labels_sorted")
def labels_sorted(subject: object) -> Planted:
    """Labels of a shard come out in the order of the classes, its rows do not."""
    return _wrapped(latents, "labels_of", sorted)


@mutant("data.classes_unsorted")
def classes_unsorted(subject: object) -> Planted:
    """Class indices follow the order in which the disk lists the folders."""
    return patch.object(listing, "sorted", lambda found: list(found)[::-1], create=True)


@mutant("data.shuffled_apart")
def shuffled_apart(subject: object) -> Planted:
    """Samples are shuffled, their labels are not."""

    def take(self: Any, n: int) -> tuple[Tensor, Tensor]:
        start = self.position % len(self.source.labels)
        samples = self.source.get(self.indices(n))
        places = torch.arange(start, start + n) % len(self.source.labels)
        return samples, self.source.labels[places]

    return patch.object(loader.Loader, "take", take)


@mutant("data.written_in_place")
def written_in_place(subject: object) -> Planted:
    """Files are written under their final names."""

    def direct(path: Path, data: bytes, *, exclusive: bool = False) -> None:
        with path.open("wb") as stream:
            stream.write(data)

    return patch.object(encode.atomic, "write_bytes", direct)


@mutant("data.starts_over")
def starts_over(subject: object) -> Planted:
    """Finished shards are encoded again."""
    original = encode._kept

    def nothing(manifest: Any, out: Path, pace: Any) -> Any:
        return original(manifest.model_copy(update={"shards": ()}), out, pace)

    return patch.object(encode, "_kept", nothing)


@mutant("data.finished_is_trusted")
def finished_is_trusted(subject: object) -> Planted:
    """A finished shard is kept without a look at its digest."""
    return digest_unchecked(subject)


@mutant("data.full_disk_unsaid")
def full_disk_unsaid(subject: object) -> Planted:
    """The operating system's error is passed on as it is."""
    return patch.object(encode, "write", lambda path, data: encode.atomic.write_bytes(path, data))


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
    return patch.object(listing.Listing, "__post_init__", lambda self: None)


@mutant("data.strangers_skipped")
def strangers_skipped(subject: object) -> Planted:
    """What is no image is left out without a word."""
    return patch.object(listing, "_require_image", lambda path: None)


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


@mutant("data.default")
def default(subject: object, *, name: str, value: Any) -> Planted:
    """One default of `drift encode` is another: of the command, or of the settings."""
    if hasattr(tokenizer, name):
        return patch.object(tokenizer, name, value)
    if name.startswith("--"):
        options = {opt: option for option in encode_command.command.params for opt in option.opts}
        return patch.object(options[name], "default", value)
    return patch.dict(encode.settings_for.__kwdefaults__, {name: value})


@mutant("data.template_unread")
def template_unread(subject: object) -> Planted:
    """A cache is used for any template."""
    return patch.object(opening, "differences", lambda settings, data: [])


@mutant("data.template_by_shape")
def template_by_shape(subject: object) -> Planted:
    """Only what would fail anyway is compared."""
    return _wrapped(opening, "differences", lambda found: [d for d in found if "resolution" in d])


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
def _everywhere(sha256: Callable[[bytes], str]) -> Iterator[None]:
    """Another digest in the writer and in the reader of shards."""
    with (
        patch.object(encode, "sha256_of", sha256),
        patch.object(latents, "file_sha256", lambda path: sha256(path.read_bytes())),
    ):
        yield


@contextmanager
def _both(*planted: Planted) -> Iterator[None]:
    with planted[0], planted[1]:
        yield

"""Mistakes people make with latents and caches of them, planted in the engine itself."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from drift import rng
from drift.artifacts import header
from drift.commands import encode as encode_command
from drift.data import encode, entries, latents, opening, posterior, tokenizer
from drift.state import atomic
from verify.api import mutant

Planted = AbstractContextManager[Any]


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
    original = latents.LatentSource.get

    def unmirrored(self: Any, indices: Tensor) -> Tensor:
        return original(self, indices % self.manifest.origin.images)

    return patch.object(latents.LatentSource, "get", unmirrored)


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
    return _everywhere(lambda data: hashlib.sha256(data[:512]).hexdigest())


@mutant("data.digest_of_the_name")
def digest_of_the_name(subject: object) -> Planted:
    """The hash is one of the file's name."""
    return patch.object(
        latents, "file_sha256", lambda path: entries.sha256_of(os.fsencode(path.name))
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


@mutant("data.written_in_place")
def written_in_place(subject: object) -> Planted:
    """Files are written under their final names."""

    def direct(path: Path, data: bytes, *, exclusive: bool = False) -> None:
        with path.open("wb") as stream:
            stream.write(data)

    return patch.object(atomic, "write_bytes", direct)


@mutant("data.starts_over")
def starts_over(subject: object) -> Planted:
    """Finished shards are encoded again."""
    original = encode._kept

    def nothing(manifest: Any, out: Path, pace: Any) -> Any:
        return original(manifest.model_copy(update={"shards": ()}), out, pace)

    return patch.object(encode, "_kept", nothing)


@mutant("data.full_disk_unsaid")
def full_disk_unsaid(subject: object) -> Planted:
    """The operating system's error is passed on as it is."""
    return patch.object(encode, "write", lambda path, data: atomic.write_bytes(path, data))


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


@contextmanager
def _everywhere(sha256: Callable[[bytes], str]) -> Iterator[None]:
    """Another digest in the writer and in the reader of shards."""
    with (
        patch.object(encode, "sha256_of", sha256),
        patch.object(latents, "file_sha256", lambda path: sha256(path.read_bytes())),
    ):
        yield

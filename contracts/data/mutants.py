"""Mistakes people make with latents and caches of them, planted in the engine itself."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
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


@mutant("data.factor_again_on_reading", latents.LatentSource, "get")
def factor_again_on_reading(real: Any, self: Any, indices: Tensor) -> Any:
    """Stored latents are scaled once more when they are loaded."""
    return real(self, indices) * tokenizer.SCALING_FACTOR


@mutant("data.latent_mirrored", posterior, "encode_images")
def latent_mirrored(real: Any, *given: Any, **options: Any) -> Any:
    """The latent is flipped instead of the image."""
    coded = real(*given, **options)
    return coded | {latents.MIRRORED: coded[latents.LATENTS].flip(-1)}


@mutant("data.mirror_never_read", latents.LatentSource, "get")
def mirror_never_read(original: Any, self: Any, indices: Tensor) -> Any:
    """Both halves of the pair are the original."""
    return original(self, indices % self.manifest.origin.images)


@mutant("data.always_sample", posterior, "point")
def always_sample(original: Any, found: Any, places: range, name: str, settings: Any) -> Any:
    """A sample is stored where the mean was asked for."""
    chosen = settings.model_copy(update={"posterior": "sample"})
    return original(found, places, name, chosen)


@mutant("data.variance_for_deviation", posterior, "posterior")
def variance_for_deviation(real: Any, *given: Any, **options: Any) -> Any:
    """Noise is multiplied by the square of the deviation."""
    found = real(*given, **options)
    return SimpleNamespace(mean=found.mean, std=found.var)


@mutant("data.noise_shared_by_pair")
def noise_shared_by_pair(subject: object) -> Planted:
    """The posterior is sampled once for an image and its mirror image."""
    return patch.dict(posterior.PURPOSE, {latents.MIRRORED: posterior.PURPOSE[latents.LATENTS]})


@mutant("data.noise_of_a_batch", posterior, "point")
def noise_of_a_batch(real: Any, found: Any, places: range, name: str, settings: Any) -> Tensor:
    """One generator for a batch: the noise of an image depends on where the batch begins."""
    generator = rng.stream(settings.seed, posterior.PURPOSE[name], places.start)
    noise = torch.randn((len(places), *settings.shape), generator=generator)
    mean: Tensor = found.mean + found.std * noise
    return mean


@mutant("data.digest_of_the_head")
def digest_of_the_head(subject: object) -> Planted:
    """Only the first bytes are hashed, by writer and reader alike."""
    return _everywhere(lambda data: hashlib.sha256(data[:512]).hexdigest())


@mutant("data.rows_shifted", latents.LatentSource, "_row")
def rows_shifted(
    original: Any, self: Any, descriptor: int, checked: Any, entry: Any, row: int
) -> Any:
    """Latents are read one row off."""
    return original(self, descriptor, checked, entry, (row + 1) % entry.shape[0])


@mutant("data.labels_sorted", latents, "labels_of")
def labels_sorted(real: Any, *given: Any, **options: Any) -> Any:
    """Labels of a shard come out in the order of the classes, its rows do not."""
    return sorted(real(*given, **options))


@mutant("data.written_in_place", atomic, "write_bytes")
def written_in_place(real: Any, path: Path, data: bytes, *, exclusive: bool = False) -> None:
    """Files are written under their final names."""
    with path.open("wb") as stream:
        stream.write(data)


@mutant("data.starts_over", encode, "_kept")
def starts_over(original: Any, manifest: Any, out: Path, pace: Any) -> Any:
    """Finished shards are encoded again."""
    return original(manifest.model_copy(update={"shards": ()}), out, pace)


@mutant("data.default")
def default(subject: object, *, name: str, value: Any) -> Planted:
    """One default of `drift encode` is another: of the command, or of the settings."""
    if hasattr(tokenizer, name):
        return patch.object(tokenizer, name, value)
    if name.startswith("--"):
        options = {opt: option for option in encode_command.command.params for opt in option.opts}
        return patch.object(options[name], "default", value)
    return patch.dict(encode.settings_for.__kwdefaults__, {name: value})


@mutant("data.template_by_shape", opening, "differences")
def template_by_shape(real: Any, *given: Any, **options: Any) -> Any:
    """Only what would fail anyway is compared."""
    return [one for one in real(*given, **options) if "resolution" in one]


@contextmanager
def _everywhere(sha256: Callable[[bytes], str]) -> Iterator[None]:
    """Another digest in the writer and in the reader of shards."""
    with (
        patch.object(encode, "sha256_of", sha256),
        patch.object(latents, "file_sha256", lambda path: sha256(path.read_bytes())),
    ):
        yield


OTHER_VALUES = (
    # Latents are stored as the autoencoder gives them.
    mutant("data.factor_forgotten", posterior, scaled=lambda found, factor: found),
    # The factor for decoding is used for encoding.
    mutant("data.factor_divides", posterior, scaled=lambda found, factor: found / factor),
    # The mean is stored where a sample was asked for.
    mutant("data.always_mean", posterior, point=lambda found, places, name, settings: found.mean),
    # Noise comes from the global generator.
    mutant("data.noise_unseeded", posterior, noise_of=lambda place, name, s: torch.randn(s.shape)),
    # A shard that has a readable header is taken for good.
    mutant(
        "data.digest_unchecked",
        latents,
        verify_shard=lambda folder, shard, manifest: header.read_header(folder / shard.file),
    ),
    # The hash is one of the file's name.
    mutant(
        "data.digest_of_the_name",
        latents,
        file_sha256=lambda path: entries.sha256_of(os.fsencode(path.name)),
    ),
    # A shard that verified once is trusted for good.
    mutant("data.verified_once", latents, _stamp=lambda status: (0, 0, 0)),
    # The operating system's error is passed on as it is.
    mutant(
        "data.full_disk_unsaid", encode, write=lambda path, data: atomic.write_bytes(path, data)
    ),
    # A cache is used for any template.
    mutant("data.template_unread", opening, differences=lambda settings, data: []),
)

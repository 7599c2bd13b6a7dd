"""From images to latents: the autoencoder's posterior, a point of it, and the factor.

Every latent is a function of its image, the settings and its place in the data set: the noise does
not depend on batch, shard or where a run was interrupted. The batch size only moves the last bits
of the autoencoder's float32 sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from drift import rng
from drift.data import crop as cropping
from drift.data.latents import LATENTS, MIRRORED
from drift.data.manifest import Settings
from drift.data.tokenizer import Tokenizer
from drift.precision import full_precision

PURPOSE = {LATENTS: "posterior", MIRRORED: "posterior-mirrored"}
DTYPES = {"float16": torch.float16, "float32": torch.float32}


def encode_images(
    images: Tensor, places: range, tokenizer: Tokenizer, settings: Settings, device: str = "cpu"
) -> dict[str, Tensor]:
    """Images [n, 3, R, R] in [-1, 1] at these places -> name -> latents [n, C, H, W] as stored."""
    views = {LATENTS: images}
    if settings.mirrored:
        views[MIRRORED] = cropping.flipped(images)
    coded = {}
    for name, view in views.items():
        distribution = posterior(tokenizer.model, view.to(device))
        latents = scaled(point(distribution, places, name, settings), settings.scaling_factor)
        coded[name] = latents.to("cpu", DTYPES[settings.dtype])
    return coded


def posterior(model: Any, images: Tensor) -> Any:
    """The Gaussian that the autoencoder gives for each image."""
    with torch.inference_mode(), full_precision(images.device), exact_convolutions():
        return model.encode(images).latent_dist


def point(distribution: Any, places: range, name: str, settings: Settings) -> Tensor:
    """Mean, or mean + deviation x noise, of each image [n, C, H, W]."""
    mean: Tensor = distribution.mean
    if settings.posterior == "mean":
        return mean
    noise = torch.stack([noise_of(place, name, settings) for place in places])
    sampled: Tensor = mean + distribution.std * noise.to(mean.device)
    return sampled


def noise_of(place: int, name: str, settings: Settings) -> Tensor:
    """Standard normal [C, H, W], different for every image and for its mirror image."""
    generator = rng.stream(settings.seed, PURPOSE[name], place)
    return torch.randn(settings.shape, generator=generator)


def scaled(latents: Tensor, factor: float) -> Tensor:
    """The only place where the factor of the tokenizer is applied."""
    return latents * factor


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """A block in which convolutions keep float32: by default a GPU rounds their inputs to TF32."""
    switches: list[Any] = [torch.backends.cudnn, torch.backends.mkldnn]
    convolutions = [getattr(switch, "conv", None) for switch in switches]
    if all(hasattr(switch, "fp32_precision") for switch in convolutions):
        switches, name, exact = convolutions, "fp32_precision", "ieee"
    else:  # torch before the setting by operation
        switches, name, exact = switches[:1], "allow_tf32", False  # type: ignore[assignment]
    chosen = [getattr(switch, name) for switch in switches]
    for switch in switches:
        setattr(switch, name, exact)
    try:
        yield
    finally:
        for switch, value in zip(switches, chosen, strict=True):
            setattr(switch, name, value)

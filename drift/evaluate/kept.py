"""What a record on an embedded set keeps, so that samples and features can be had again.

The weights that drew the samples, the trunk of the encoder that gave the features, and the bytes of
the baseline that was trained. Gaussians are drawn again from their seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from drift.config import Template, encoder_kwargs, generator_kwargs
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.errors import InputError
from drift.evaluate import baselines, comparison, fid
from drift.evaluate.comparison import Rival
from drift.evaluate.proxy import Encoded, observe
from drift.evaluate.real import embedded
from drift.generator import Generator, GeneratorConfig
from drift.sample import images
from drift.sample.sampler import Sampler, cycled

Arrays = Mapping[str, NDArray[Any]]
GENERATOR, ENCODER = "generator", "encoder"
BATCH = 500
REPLICATES = 40  # tell the spread of a distance to a ninth


def trace(
    generator: Generator, encoder: MaskedAutoencoder, found: tuple[Rival, ...]
) -> dict[str, NDArray[Any]]:
    """The tensors of a record's trace; `found` are the baselines it was held against."""
    modules: dict[str, nn.Module] = {GENERATOR: generator, ENCODER: encoder.encoder}
    kept = {
        f"{part}/{name}": value.detach().cpu().numpy()
        for part, module in modules.items()
        for name, value in module.state_dict().items()
    }
    trained = {
        pixels_of(rival.name): rival.pixels.numpy()
        for rival in found
        if rival.name == comparison.RAW
    }
    return kept | trained


def pixels_of(rival: str) -> str:
    """Name of the bytes of a baseline that cannot be drawn again."""
    return f"baselines/{rival}/pixels"


def components(
    arrays: Arrays, template: Template, *, count: int, seed: int, alpha: float
) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
    """(prefix, components) of the run and of each baseline, from samples that are drawn again.

    Raises InputError for arrays that are not the weights of this template.
    """
    encoded = _encoded(arrays, template)
    for prefix, pixels in _samples(arrays, template, count, seed, alpha):
        labels = cycled(range(template.generator.num_classes), count)
        if pixels.shape != (count, *pixels.shape[1:]) or pixels.dtype != torch.uint8:
            raise InputError(
                f"{prefix}pixels", found=f"{pixels.dtype} {tuple(pixels.shape)}",
                expected=f"bytes of {count} samples",
            )  # fmt: skip
        found = observe(pixels, labels, encoded, np.random.default_rng(seed))
        held_out = fid.moments(encoded.held_out)
        spread = fid.resampled(
            found.features, held_out, np.random.default_rng(seed), labels=labels.numpy(),
            replicates=REPLICATES,
        )  # fmt: skip
        resampled = {"fid_proxy/resampled": np.asarray(spread)}
        yield prefix, found.components(held_out) | resampled


def samples(
    arrays: Arrays, template: Template, *, count: int, seed: int, alpha: float
) -> dict[str, Tensor]:
    """Bytes [count, C, H, W], classes in turn, of the run (the name "") and of each baseline."""
    drawn = _samples(arrays, template, count, seed, alpha)
    return {prefix.strip("/"): pixels[:count] for prefix, pixels in drawn}


def encoder_sha256(arrays: Arrays, template: Template) -> str:
    """Digest of the trunk that is kept, as a record names its extractor."""
    return _encoded(arrays, template).sha256


def _samples(
    arrays: Arrays, template: Template, count: int, seed: int, alpha: float
) -> Iterator[tuple[str, Tensor]]:
    config = GeneratorConfig.from_reference(generator_kwargs(template))
    generator = Generator(config, device="meta")
    _fill(generator, arrays, GENERATOR)
    sampler = Sampler(generator, batch_size=BATCH)
    labels = cycled(range(config.num_classes), count)
    yield "", images.pixels(sampler.all(labels, alpha=alpha, seed=seed))
    raw = arrays.get(pixels_of(comparison.RAW))
    yield f"baselines/{comparison.RAW}/", torch.from_numpy(raw if raw is not None else np.zeros(0))
    for name in (comparison.INDEPENDENT, comparison.GAUSSIANS):
        drawn, _ = baselines.class_gaussians(
            count, generator=torch.Generator().manual_seed(seed),
            independent=name == comparison.INDEPENDENT, real=embedded(template.data.dataset),
        )  # fmt: skip
        yield f"baselines/{name}/", images.pixels(drawn)


def _encoded(arrays: Arrays, template: Template) -> Encoded:
    config = EncoderConfig.from_reference(encoder_kwargs(template)).trunk()
    encoder = MaskedAutoencoder(config, generator=torch.Generator().manual_seed(0))
    _fill(encoder.encoder, arrays, ENCODER)
    return Encoded(encoder, embedded(template.data.dataset))


def _fill(module: nn.Module, arrays: Arrays, part: str) -> None:
    mine = {
        name.removeprefix(f"{part}/"): torch.from_numpy(np.array(array))
        for name, array in arrays.items()
        if name.startswith(f"{part}/")
    }
    try:
        module.load_state_dict(mine, strict=True, assign=True)
    except RuntimeError as error:
        raise InputError(
            f"trace: {part}", found=str(error).splitlines()[-1].strip(),
            expected="the tensors of the template",
        ) from error  # fmt: skip

"""What the checks of the two feature encoders share: recorded parameters, models, NCHW inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from verify.api import CheckContext

from .golden import Case, load_case

__all__ = ["autoencoder", "convnext", "golden_case", "nchw", "parameters", "small_trunk"]

Flat = dict[str, NDArray[Any]]

# A trunk small enough for property tests: four stages of one block, widths 8 to 64.
SMALL_TRUNK = {
    "in_channels": 2,
    "base_channels": 8,
    "layers": [1, 1, 1, 1],
    "num_classes": 2,
}


def golden_case(ctx: CheckContext, name: str) -> Case:
    """`golden/NAME`."""
    return load_case(ctx.spec_file(f"golden/{name}.safetensors"))


def parameters(ctx: CheckContext, file: str, override: str | None = None) -> Flat:
    """`params/*` of one file of the folder under `params_override/*` of another, by path."""
    flat = golden_case(ctx, _stem(file)).group("params")
    if override:
        flat |= golden_case(ctx, _stem(override)).group("params_override")
    return flat


def autoencoder(ctx: CheckContext, model_config: Mapping[str, Any], flat: Flat) -> Any:
    """The subject's masked autoencoder of this configuration with these parameters."""
    config = ctx.subject.EncoderConfig.from_reference(dict(model_config))
    model = ctx.subject.MaskedAutoencoder(config)
    model.load_state_dict(ctx.subject.encoder_state_dict(flat, config))
    return model


def convnext(ctx: CheckContext, model_config: Mapping[str, Any], flat: Flat) -> Any:
    """The subject's second encoder of this configuration with these parameters."""
    config = ctx.subject.ConvNextConfig.from_reference(dict(model_config))
    model = ctx.subject.ConvNextFeatures(config)
    model.load_state_dict(ctx.subject.convnext_state_dict(flat, config))
    return model


def small_trunk(ctx: CheckContext, **changes: Any) -> Any:
    """A small random autoencoder of the subject, the same for the same seed."""
    config = ctx.subject.EncoderConfig.from_reference(SMALL_TRUNK | changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(ctx.seed)
        return ctx.subject.MaskedAutoencoder(config)


def nchw(array: NDArray[Any]) -> Tensor:
    """[..., H, W, C] as recorded -> [..., C, H, W]."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, -3)))


def _stem(file: str) -> str:
    return file.removesuffix(".safetensors")

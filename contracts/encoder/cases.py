"""What the checks of the two feature encoders share: recorded parameters, models, NCHW inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from torch import Tensor

from verify.api import CheckContext

from ..common.golden import Case

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
    """`golden/NAME` with its own arrays only; `parameters` reads those of other files."""
    meta = json.loads(ctx.spec_file(f"golden/{name}.json").read_text(encoding="utf-8"))
    return Case(name, meta, _arrays(ctx.spec_file(f"golden/{name}.safetensors")))


def parameters(ctx: CheckContext, file: str, override: str | None = None) -> Flat:
    """`params/*` of one file of the folder under `params_override/*` of another, by path."""
    flat = _group(_arrays(ctx.spec_file(f"golden/{file}")), "params/")
    if override:
        flat |= _group(_arrays(ctx.spec_file(f"golden/{override}")), "params_override/")
    return flat


def autoencoder(ctx: CheckContext, model_config: Mapping[str, Any], flat: Flat) -> Any:
    """The subject's masked autoencoder of this configuration with these parameters."""
    config = ctx.subject.EncoderConfig.from_reference(dict(model_config))
    with torch.device("meta"):
        model = ctx.subject.MaskedAutoencoder(config)
    state = ctx.subject.encoder_state_dict(flat, config)
    model.load_state_dict(state, assign=True)
    return model


def convnext(ctx: CheckContext, model_config: Mapping[str, Any], flat: Flat) -> Any:
    """The subject's second encoder of this configuration with these parameters."""
    config = ctx.subject.ConvNextConfig.from_reference(dict(model_config))
    with torch.device("meta"):
        model = ctx.subject.ConvNextFeatures(config)
    state = ctx.subject.convnext_state_dict(flat, config)
    model.load_state_dict(state, assign=True)
    return model


def small_trunk(ctx: CheckContext, **changes: Any) -> Any:
    """A small random autoencoder of the subject, the same for the same seed."""
    config = ctx.subject.EncoderConfig.from_reference(SMALL_TRUNK | changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(ctx.seed)
        return ctx.subject.MaskedAutoencoder(config)


def nchw(array: NDArray[Any]) -> Tensor:
    """[..., H, W, C] as recorded -> [..., C, H, W]."""
    return torch.from_numpy(np.moveaxis(array, -1, -3).copy())


@lru_cache(maxsize=8)
def _arrays(path: Path) -> Mapping[str, NDArray[Any]]:
    """One file, kept for the checks that follow in the same worker; nobody writes to it."""
    arrays = load_file(path)
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def _group(arrays: Mapping[str, NDArray[Any]], lead: str) -> Flat:
    return {key.removeprefix(lead): v for key, v in arrays.items() if key.startswith(lead)}

"""What the checks of the two feature encoders share: recorded parameters and models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from numpy.typing import NDArray

from verify.api import CheckContext
from verify.numeric.cases import read_case

Flat = dict[str, NDArray[Any]]

# A trunk small enough for property tests: four stages of one block, widths 8 to 64.
SMALL_TRUNK = {
    "in_channels": 2,
    "base_channels": 8,
    "layers": [1, 1, 1, 1],
    "num_classes": 2,
}


def parameters(ctx: CheckContext, file: str, override: str | None = None) -> Flat:
    """`params/*` of one file of the folder under `params_override/*` of another, by path."""
    flat = read_case(ctx.spec_file(f"golden/{file}")).group("params")
    if override:
        flat |= read_case(ctx.spec_file(f"golden/{override}")).group("params_override")
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


def list_problem(
    record: Mapping[str, Any], model: Callable[[Any], Any], config: Any, to_reference: Any
) -> tuple[str, int]:
    """(the first path or total that is not as recorded, number of parameters).

    The model is made on the meta device: nothing is allocated.
    """
    with torch.device("meta"):
        made = model(config)
    paths = to_reference(made.state_dict(), config)
    found = {path: list(value.shape) for path, value in paths.items()}
    total, expected = sum(one.numel() for one in made.parameters()), record["params"]
    for path in sorted({*expected, *found}):
        if expected.get(path) != found.get(path):
            shape = found.get(path)
            return f"{path} has shape {shape}, expected {expected.get(path)}", total
    wrong = total != record["param_count"]
    return f"{total} parameters, expected {record['param_count']}" if wrong else "", total


def small_trunk(ctx: CheckContext, **changes: Any) -> Any:
    """A small random autoencoder of the subject, the same for the same seed."""
    config = ctx.subject.EncoderConfig.from_reference(SMALL_TRUNK | changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(ctx.seed)
        return ctx.subject.MaskedAutoencoder(config)

"""Interface v1 for the reference's parameters: state dicts from flat parameters, artefact reading.

Each function imports its part when it is called, so that using one does not load the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from drift.encoder import EncoderConfig
    from drift.generator import GeneratorConfig

__all__ = ["encoder_state_dict", "generator_state_dict", "read_artifact"]


def generator_state_dict(flat: Mapping[str, Any], config: GeneratorConfig) -> dict[str, Tensor]:
    """flat: slash-separated reference path -> array -> a state dict for `Generator(config)`.

    Strict: raises LayoutError that names every missing, surplus or misshapen parameter.
    """
    from drift.interop import generator_layout

    return generator_layout.generator_state_dict(flat, config)


def encoder_state_dict(flat: Mapping[str, Any], config: EncoderConfig) -> dict[str, Tensor]:
    """flat: slash-separated reference path -> array -> a state dict for the masked autoencoder.

    Strict: raises LayoutError that names every missing, surplus or misshapen parameter.
    """
    from drift.interop import encoder_layout

    return encoder_layout.encoder_state_dict(flat, config)


def read_artifact(directory: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(flat, metadata) of a directory with `ema_params.msgpack` and `metadata.json`."""
    from drift.interop import artifact

    return artifact.read_artifact(directory)

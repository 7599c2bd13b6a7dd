"""Small models and damaged files: what the checks of artefacts work on, and their tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from drift.artifacts.header import read_header
from drift.artifacts.store import save_artifact
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.errors import DriftError
from drift.generator import Generator, GeneratorConfig

FIELDS = {
    "source_layout": "drift-train",
    "weights": "ema",
    "tokenizer": "none",
    "licence": "Apache-2.0",
}
Model = Generator | MaskedAutoencoder


def generator(width: int = 32, seed: int = 1) -> Generator:
    """A generator in which no parameter is zero, so that its samples are not zero either."""
    config = GeneratorConfig(
        input_size=8,
        in_channels=4,
        out_channels=4,
        patch_size=2,
        hidden_dim=width,
        depth=2,
        num_heads=2,
        cond_dim=16,
        num_classes=10,
        style_tokens=2,
        style_codes=4,
        register_tokens=2,
    )
    drawn = torch.Generator().manual_seed(seed)
    model = Generator(config, generator=drawn)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=drawn))
    return model


def autoencoder(width: int = 32, seed: int = 1) -> MaskedAutoencoder:
    """A masked autoencoder with one block per stage."""
    config = EncoderConfig(in_channels=4, base_channels=width, blocks=(1, 1, 1, 1), num_classes=5)
    return MaskedAutoencoder(config, generator=torch.Generator().manual_seed(seed))


MODELS: dict[str, Callable[..., Model]] = {"generator": generator, "mae": autoencoder}


def saved(folder: Path, model: Model, name: str = "model.safetensors") -> Path:
    """The model as an artefact in `folder`."""
    save_artifact(folder / name, model, FIELDS, overwrite=True)
    return folder / name


def rewritten(
    path: Path,
    *,
    tensors: Callable[[dict[str, Tensor]], object] | None = None,
    metadata: Mapping[str, str | None] | None = None,
) -> Path:
    """The file as another tool writes it: tensors changed in place, metadata patched."""
    held = load_file(path)
    if tensors is not None:
        tensors(held)
    merged = {**(read_header(path).metadata or {}), **(metadata or {})}
    kept = {name: value for name, value in merged.items() if value is not None}
    save_file(held, path, metadata=kept)
    return path


def outcome(call: Callable[..., object], *args: Any, **options: Any) -> tuple[str, str]:
    """("accepted" | "refused" | "crashed", message) of a call that may raise."""
    try:
        call(*args, **options)
    except DriftError as error:
        return "refused", str(error)
    except Exception as error:
        return "crashed", f"{type(error).__name__}: {error}"[:200]
    return "accepted", ""

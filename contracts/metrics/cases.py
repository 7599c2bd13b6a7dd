"""Small objects for the clauses on sampling and metrics: a run, an extractor, images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from drift.config import Template, fingerprint, load_template
from drift.digest import file_digest
from drift.evaluate import extractors, features, networks, sources, statistics
from drift.generator import Generator
from drift.state import checkpoint
from drift.train import build

from ..common.places import folder

__all__ = [
    "DECAYS",
    "Bytes",
    "features_of",
    "folder",
    "gaussian",
    "generator",
    "images_of",
    "pictures",
    "run_folder",
    "template",
    "tiny",
    "tiny_statistics",
]

DECAYS = (0.9, 0.99)
SMALL = (
    "generator.hidden_size=32",
    "generator.ffn_inner=96",
    "generator.cond_dim=32",
    "generator.depth=1",
    "generator.num_heads=2",
    "optimizer.ema_decay=[0.9, 0.99]",
    "evaluation.precision_recall_samples=50",
)


def template() -> Template:
    """The digits template with a generator of some thousand parameters and two averages."""
    return build.override(load_template("digits"), SMALL)


def generator(seed: int = 0) -> Generator:
    """A generator whose output depends on everything: no parameter is left at zero."""
    model = build.generator(template(), seed=seed)
    drawn = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=drawn))
    return model.eval()


def run_folder(place: Path, steps: tuple[int, ...] = (10,)) -> Path:
    """A run as `drift train` leaves it: template and checkpoints; every set of weights differs.

    The model of step s is generator(s), its averages generator(s + 1) and generator(s + 2).
    """
    made = template()
    (place / "checkpoints").mkdir(parents=True)
    (place / "template.json").write_text(json.dumps(made.model_dump(mode="json", by_alias=True)))
    facts = {
        "seed": 0,
        "fingerprint": fingerprint(made),
        "template": made.leaves(),
        "encoder": "0" * 64,
        "diagnostic": [],
    }
    for step in steps:
        tensors = {f"model/{k}": v for k, v in generator(step).state_dict().items()}
        for place_, decay in enumerate(DECAYS, start=1):
            averaged = generator(step + place_).named_parameters()
            tensors |= {f"ema/{decay}/{k}": v.detach() for k, v in averaged}
        checkpoint.write(place / "checkpoints", checkpoint.Checkpoint(step, tensors, facts))
    return place


def pictures(count: int, seed: int, *, side: int = 12, shift: float = 0.0) -> Tensor:
    """uint8 [count, 3, side, side]: blobs that differ; `shift` makes another distribution."""
    drawn = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, side // 4, side // 4, generator=drawn) + shift
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    return (255 * (smooth / (1.0 + shift))).to(torch.uint8)


def tiny(place: Path, seed: int = 0) -> extractors.Extractor:
    """The small extractor, with weights in `place`."""
    weights = place / f"tiny-{seed}.safetensors"
    networks.write_tiny(weights, seed)
    return extractors.open_extractor(extractors.TINY, weights, file_digest(weights))


def images_of(pixels: Tensor, labels: Tensor | None = None, **facts: Any) -> sources.Images:
    """Bytes in memory as images to evaluate."""
    known = torch.full((len(pixels),), -1) if labels is None else labels

    def batches() -> sources.Batches:
        parts = zip(
            torch.split(pixels, sources.BATCH), torch.split(known, sources.BATCH), strict=True
        )
        yield from parts

    return sources.Images(len(pixels), batches, "0" * 64, facts)


def features_of(
    extractor: extractors.Extractor, pixels: Tensor, labels: Tensor | None = None
) -> features.Features:
    """Features of bytes [N, 3, H, W]."""
    return features.extract(images_of(pixels, labels), extractor)


def tiny_statistics(
    place: Path, extractor: extractors.Extractor, pixels: Tensor, labels: Tensor | None = None
) -> statistics.Statistics:
    """Statistics of bytes, written to `place`."""
    contract = statistics.contract_of(
        extractor, count=len(pixels), dataset="blobs", dataset_sha256="0" * 64
    )
    return statistics.write(place, features_of(extractor, pixels, labels), contract)


class Bytes(Dataset):  # type: ignore[type-arg]
    """uint8 [N, 3, H, W] as torch-fidelity reads a data set."""

    def __init__(self, pixels: Tensor) -> None:
        self._pixels = pixels

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, index: int) -> Tensor:
        return self._pixels[index]


def gaussian(rng: np.random.Generator, count: int, width: int) -> NDArray[np.float64]:
    """Correlated Gaussian features [count, width] with a mean that is not zero."""
    mix = rng.normal(size=(width, width)) / np.sqrt(width)
    found: NDArray[np.float64] = rng.normal(size=(count, width)) @ mix
    return found + 0.3 * rng.normal(size=width)

"""The digits template cut down to steps of milliseconds, for checks and tests of whole runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from drift.artifacts import store
from drift.config import load_template
from drift.data import DigitsSource
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.features import FeatureExtractor
from drift.train import build, run

GENERATOR = (
    "generator.hidden_size=16",
    "generator.cond_dim=16",
    "generator.num_heads=2",
    "generator.depth=1",
    "generator.ffn_inner=64",
)
RUN = (
    "optimizer.training_steps=4",
    "optimizer.warmup_steps=1",
    "loss.class_labels=2",
    "loss.positives=4",
    "loss.generated=2",
    "loss.unconditional=2",
    "queue.push_per_step=16",
    *GENERATOR,
)
PRETRAIN = (
    "encoder.base_width=32",
    "encoder.blocks_per_stage=[1, 1, 1, 1]",
    "encoder.pretrain.steps=4",
    "encoder.pretrain.warmup_steps=1",
    "encoder.pretrain.batch_size=4",
    "encoder.finetune.steps=2",
    "encoder.finetune.ramp_steps=1",
)


def encoder(seed: int = 0, width: int = 32, **changed: Any) -> MaskedAutoencoder:
    """One of a block a stage, of random weights, for images of one channel."""
    kind = {"in_channels": 1, "base_channels": width, "blocks": (1, 1, 1, 1), "num_classes": 10}
    drawn = torch.Generator().manual_seed(seed)
    return MaskedAutoencoder(EncoderConfig(**{**kind, **changed}), generator=drawn)


def encoder_file(folder: Path, seed: int = 0, width: int = 32, **changed: Any) -> Path:
    """The same, as `drift pretrain` would leave it."""
    folder.mkdir(parents=True, exist_ok=True)
    fields = {"source_layout": "drift-pretrain", "weights": "ema", "tokenizer": "none",
              "licence": "Apache-2.0"}  # fmt: skip
    path = folder / "encoder.safetensors"
    store.save_artifact(path, encoder(seed, width, **changed), fields)
    return path


def start(folder: Path, *settings: str, seed: int = 0, width: int = 32, **options: Any) -> run.Run:
    """A run on digits before its first step."""
    template = build.override(load_template("digits"), (*RUN, *settings))
    extractor = FeatureExtractor(encoder(seed, width), config=build.feature_config(template))
    chosen = run.RunOptions(folder, seed=seed, **options)
    return run.start(template, DigitsSource(), extractor, chosen, say=lambda text: None)

"""From a template to the objects of a run; every choice the engine lacks is refused by name."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import nn

from drift import rng
from drift.config import (
    Template,
    TemplateError,
    activation_kwargs,
    generator_kwargs,
    require_buildable,
)
from drift.config import override as override  # its callers have it from here
from drift.config.problems import FieldProblem
from drift.convnext import BASE, TINY, ConvNextFeatures, load_pretrained
from drift.errors import InputError
from drift.features import FeatureConfig
from drift.generator import Generator, GeneratorConfig
from drift.train.config import TrainConfig

SECOND_ENCODERS = {"convnextv2-tiny": TINY, "convnextv2-base": BASE}


def generator(template: Template, *, seed: int) -> Generator:
    """A generator with the initial parameters of a seed."""
    config = GeneratorConfig.from_reference(generator_kwargs(template))
    return Generator(config, generator=rng.stream(seed, "generator"))


def train_config(template: Template) -> TrainConfig:
    """Optimiser, schedule, averages and features as the template states them."""
    require_buildable(template)
    optimizer, loss = template.optimizer, template.loss
    return TrainConfig(
        learning_rate=optimizer.learning_rate,
        warmup_steps=optimizer.warmup_steps,
        total_steps=optimizer.training_steps,
        schedule=optimizer.schedule,
        weight_decay=optimizer.weight_decay,
        betas=optimizer.betas,
        eps=optimizer.eps,
        gradient_clip=optimizer.gradient_clip,
        ema_decays=optimizer.ema_decay,
        temperatures=loss.temperatures,
        semantics=template.semantics,
        features=feature_config(template),
    )


def feature_config(template: Template) -> FeatureConfig:
    """The dictionary entries of the template: statistics, patches, taps, vanilla, input term.

    Raises TemplateError where nothing would be left to compare.
    """
    loss = template.loss
    if loss.feature_taps == "none" and loss.vanilla_term == "absent":
        raise TemplateError(
            template.name,
            (FieldProblem("loss.vanilla_term", "absent", "normalised", "no feature is left"),),
        )
    return FeatureConfig.from_activation_kwargs(
        activation_kwargs(template),
        vanilla=loss.vanilla_term != "absent",
        input_statistic=loss.input_statistic != "absent",
        encoders=loss.feature_taps != "none",
    )


def second_encoder(template: Template, weights: Path | None) -> ConvNextFeatures | None:
    """The second encoder of a pixel template; it is never left out in silence."""
    stated = template.encoder.second_encoder
    if stated.model == "none":
        if weights is not None:
            raise InputError("--second-encoder", found=weights, expected="none in this template")
        return None
    if weights is None:
        raise InputError(
            "encoder.second_encoder",
            found="no weights",
            expected=f"those of {stated.weights}",
            remedy="Download its model.safetensors and pass it as --second-encoder FILE.",
        )
    return load_pretrained(weights, SECOND_ENCODERS[stated.model])


def parameters_digest(model: nn.Module) -> str:
    """sha256 over names, shapes and values of all parameters: which weights these are."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()

"""From a template to the objects of a run; every choice the engine lacks is refused by name."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import yaml
from torch import nn

from drift import rng
from drift.config import (
    Template,
    TemplateError,
    activation_kwargs,
    generator_kwargs,
    parse_template,
    require_buildable,
)
from drift.config.problems import FieldProblem
from drift.config.reading import parse_yaml
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


def override(template: Template, settings: Sequence[str]) -> Template:
    """The template with `section.field=value` settings; values are YAML as in a template's file.

    A faithful template that is changed is no longer faithful: its fidelity becomes `free`, and so
    does that of a closest-feasible one, whose declarations no longer cover it.
    """
    if not settings:
        return template
    data = template.model_dump(mode="json", by_alias=True)
    leaves = template.leaves()
    for setting in settings:
        path, separator, text = setting.partition("=")
        if not separator or path not in leaves:
            raise TemplateError("--set", (_no_field(path, setting, leaves),))
        section, _, rest = path.partition(".")
        node = data[section]
        *parents, leaf = rest.split(".")
        for parent in parents:
            node = node[parent]
        node[leaf] = parse_yaml(text, f"--set {path}")
    if data != template.model_dump(mode="json", by_alias=True):
        data |= {"fidelity": "free", "deviations": []}
    return parse_template(yaml.safe_dump(data), source="--set")


def _no_field(path: str, setting: str, leaves: Mapping[str, object]) -> FieldProblem:
    """A setting that names no field, with the fields that it may mean."""
    last = path.rpartition(".")[2]
    ends = [name for name in leaves if last and name.endswith((f".{last}", f"_{last}"))]
    ends.sort(key=lambda name: name.partition(".")[0] != path.partition(".")[0])
    near = list(dict.fromkeys([*ends, *difflib.get_close_matches(path, leaves)]))[:4]
    meant = f"did you mean {' or '.join(near)}?" if near else "the template's file lists its fields"
    return FieldProblem(path, setting, "section.field=value of a field that exists", meant)


def parameters_digest(model: nn.Module) -> str:
    """sha256 over names, shapes and values of all parameters: which weights these are."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()

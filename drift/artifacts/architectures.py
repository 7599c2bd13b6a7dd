"""The two architectures an artefact can hold: how each is built, and how its config is written.

The embedded config is the JSON of the config's own fields. It may come from an untrusted file:
nothing is built before its numbers were held against sane bounds, and everything is built on the
meta device, which allocates no weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor, nn

from drift.artifacts import strict_json
from drift.artifacts.errors import ArtifactError, shown
from drift.artifacts.evidence import Evidence, split_patch
from drift.artifacts.schema import GENERATOR, MAE
from drift.config import Template, encoder_kwargs, generator_kwargs
from drift.config.bounds import LARGEST, MOST_LAYERS, MOST_TOKENS
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.errors import DriftError
from drift.generator import Generator, GeneratorConfig
from drift.interop import encoder_layout, generator_layout

Config = GeneratorConfig | EncoderConfig
Model = Generator | MaskedAutoencoder

CONFIGS: Mapping[str, type[GeneratorConfig] | type[EncoderConfig]] = {
    GENERATOR: GeneratorConfig,
    MAE: EncoderConfig,
}


def architecture_of(model: nn.Module) -> str:
    """The name of a model's architecture; raises ArtifactError for any other module."""
    if isinstance(model, Generator):
        return GENERATOR
    if isinstance(model, MaskedAutoencoder):
        return MAE
    raise ArtifactError(
        "save_artifact", found=type(model).__name__, expected="a Generator or a MaskedAutoencoder"
    )


def build(config: Config) -> Model:
    """The model of a config on the meta device: shapes without weights."""
    _require_sane(config)
    try:
        if isinstance(config, GeneratorConfig):
            return Generator(config, device="meta")
        return MaskedAutoencoder(config, device="meta")
    except (RuntimeError, ValueError, OverflowError) as error:
        raise ArtifactError(
            "config", found=shown(str(error)), expected="a model that can be built"
        ) from error


def config_text(config: Config) -> str:
    """Canonical JSON of a config's fields."""
    return strict_json.canonical(asdict(config))


def config_from_fields(architecture: str, fields: Mapping[str, Any]) -> Config:
    """The config of these fields; raises ArtifactError for fields that cannot be meant."""
    given = dict(fields)
    if isinstance(given.get("blocks"), list):
        given["blocks"] = tuple(given["blocks"])
    try:
        config = CONFIGS[architecture](**given)
    except (DriftError, TypeError, ValueError, ArithmeticError) as error:
        raise ArtifactError(
            "config", found=shown(str(error)), expected=f"the fields of a {architecture}"
        ) from error
    _require_sane(config)
    return config


def config_from_reference(architecture: str, model_config: Mapping[str, Any]) -> Config:
    """The config that the reference's `model_config` means; raises ArtifactError."""
    try:
        config = CONFIGS[architecture].from_reference(model_config)
    except (DriftError, TypeError, ValueError, ArithmeticError) as error:
        raise ArtifactError(
            "metadata.json: model_config",
            found=shown(str(error)),
            expected=f"the configuration of a {architecture}",
            remedy="Give the metadata.json that was published with the parameters.",
        ) from error
    _require_sane(config)
    return config


def config_of_template(template: Template, like: Config) -> Config:
    """The generator's or the autoencoder's config of a template, of the same kind as `like`."""
    if isinstance(like, GeneratorConfig):
        return GeneratorConfig.from_reference(generator_kwargs(template))
    return EncoderConfig.from_reference(encoder_kwargs(template))


def from_reference(flat: Mapping[str, Any], config: Config) -> dict[str, Tensor]:
    """Reference path -> array becomes our state dict; strict."""
    if isinstance(config, GeneratorConfig):
        return generator_layout.generator_state_dict(flat, config)
    return encoder_layout.encoder_state_dict(flat, config)


def to_reference(state: Mapping[str, Tensor], config: Config) -> dict[str, Tensor]:
    """The inverse of `from_reference`, as strict."""
    if isinstance(config, GeneratorConfig):
        return generator_layout.generator_to_reference(state, config)
    return encoder_layout.encoder_to_reference(state, config)


def recover(evidence: Evidence, *, place: str) -> tuple[Config, list[str]]:
    """(config, what had to be assumed) from the tensors alone, where no metadata says it.

    Shapes do not show RoPE, precision or how a patch splits into size and channels: those are
    assumed, and the assumptions are returned as sentences. Raises ArtifactError where too little
    is left.
    """
    values = evidence.values
    split = split_patch(values.get("patch_channels", 0))
    if split is None or any(values.get(name) is None for name in ("width", "depth")):
        raise _not_enough(place)
    assumed = [f"patch size {split[0]} with {split[1]} channels", "float32 activations"]
    if evidence.architecture == MAE:
        return _recover_mae(values, split, place), [*assumed, "mask patch 2"]
    return _recover_generator(values, split, place), [*assumed, "RoPE"]


def _recover_mae(values: Mapping[str, Any], split: tuple[int, int], place: str) -> Config:
    if "blocks" not in values:
        raise _not_enough(place)
    fields = {
        "in_channels": split[1],
        "input_patch": split[0],
        "base_channels": values["width"],
        "blocks": values["blocks"],
        "trunk_only": values["trunk_only"],
    }
    if "num_classes" in values:
        fields["num_classes"] = values["num_classes"]
    return config_from_fields(MAE, fields)


def _recover_generator(values: Mapping[str, Any], split: tuple[int, int], place: str) -> Config:
    names = ("grid", "num_classes", "cond_dim", "head_dim", "out_patch_channels")
    if any(not values.get(name) for name in names):
        raise _not_enough(place)
    width, side = values["width"], split[0]
    same = ("cond_dim", "num_classes", "style_tokens", "register_tokens", "rmsnorm", "qk_norm")
    fields = {name: values[name] for name in (*same, "depth", "swiglu")}
    fields |= {
        "hidden_dim": width,
        "input_size": values["grid"] * side,
        "patch_size": side,
        "in_channels": split[1],
        "out_channels": values["out_patch_channels"] // (side * side),
        "num_heads": width // values["head_dim"],
    }
    if "style_codes" in values:
        fields["style_codes"] = values["style_codes"]
    return config_from_fields(GENERATOR, fields)


def _not_enough(place: str) -> ArtifactError:
    return ArtifactError(
        place,
        found="no configuration, and tensors that do not show one",
        expected="metadata with the field config",
        remedy="Give the configuration (`load_artifact(path, config=...)`), or import it again.",
    )


def _require_sane(config: Config) -> None:
    """Refuses numbers that would only serve to exhaust the machine."""
    for name, value in _numbers(config):
        most = MOST_LAYERS if name in ("depth", "style_tokens", "blocks") else LARGEST
        if value > most:
            raise ArtifactError(f"config.{name}", found=shown(value), expected=f"at most {most}")
    if isinstance(config, GeneratorConfig):
        tokens = config.grid**2 + config.register_tokens
        if tokens > MOST_TOKENS or config.mlp_width > LARGEST:
            raise ArtifactError(
                "config",
                found=f"{tokens} tokens and an MLP of {shown(config.mlp_width)}",
                expected=f"at most {MOST_TOKENS} tokens and an MLP of {LARGEST}",
            )


def _numbers(config: Config) -> Iterable[tuple[str, int | float]]:
    for name, value in asdict(config).items():
        for number in value if isinstance(value, tuple) else (value,):
            yield name, number

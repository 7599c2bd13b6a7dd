"""The implementations under test: this repository's engine, and the oracle.

Somebody else's implementation is audited by a subject of its own: an object with a name, the
capabilities it has, and those as attributes with the signatures of interface v1.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from verify.api import subject

# Capability -> where it is: module and name.
ENGINE = {
    "drifting_field": ("drift.field", "drifting_field"),
    "drift_loss": ("drift.loss", "drift_loss"),
    "gathered_samples": ("drift.clouds", "gather"),
    "feature_loss": ("drift.loss", "feature_loss"),
    "semantics": ("drift.semantics", "SEMANTICS"),
    "sample_alpha": ("drift.cfg", "sample_alpha"),
    "uncond_weight": ("drift.cfg", "uncond_weight"),
    "learning_rate": ("drift.schedule", "learning_rate"),
    "SampleQueue": ("drift.queue", "SampleQueue"),
    "recording": ("drift.trace", "recording"),
    "Generator": ("drift.generator", "Generator"),
    "GeneratorConfig": ("drift.generator", "GeneratorConfig"),
    "MaskedAutoencoder": ("drift.encoder", "MaskedAutoencoder"),
    "EncoderConfig": ("drift.encoder", "EncoderConfig"),
    "generator_state_dict": ("drift.interop.flax", "generator_state_dict"),
    "encoder_state_dict": ("drift.interop.flax", "encoder_state_dict"),
    "read_artifact": ("drift.interop.flax", "read_artifact"),
    "train_step": ("drift.train", "train_step"),
    "StepBatch": ("drift.train", "StepBatch"),
    "TrainState": ("drift.train", "TrainState"),
    "TrainConfig": ("drift.train", "TrainConfig"),
    "update": ("drift.train.step", "update"),
    "train_gradients": ("drift.train.step", "gradients"),
    "mask_from_uniform": ("drift.encoder.masking", "mask_from_uniform"),
    "resize_bilinear": ("drift.resize", "resize_bilinear"),
    "encoder_to_reference": ("drift.interop.encoder_layout", "encoder_to_reference"),
    "convnext_state_dict": ("drift.interop.encoder_layout", "convnext_state_dict"),
    "convnext_to_reference": ("drift.interop.encoder_layout", "convnext_to_reference"),
    "ConvNextConfig": ("drift.convnext", "ConvNextConfig"),
    "ConvNextFeatures": ("drift.convnext", "ConvNextFeatures"),
    "FeatureExtractor": ("drift.features", "FeatureExtractor"),
    "FeatureConfig": ("drift.features", "FeatureConfig"),
    "sample_loss": ("drift.features", "sample_loss"),
    "real_features": ("drift.features", "real_features"),
    "save_artifact": ("drift.artifacts.store", "save_artifact"),
    "load_artifact": ("drift.artifacts.store", "load_artifact"),
    "import_artifact": ("drift.artifacts.convert", "import_directory"),
    "export_artifact": ("drift.artifacts.convert", "export_artifact"),
    "stamp_artifact": ("drift.artifacts.stamping", "stamp"),
    "assess_artifact": ("drift.artifacts.quality", "assess"),
    "load_template": ("drift.config", "load_template"),
    "template_fingerprint": ("drift.config", "fingerprint"),
    "encode_latents": ("drift.data.encode", "encode"),
    "open_source": ("drift.data.opening", "open_source"),
    "FolderSource": ("drift.data.folder", "FolderSource"),
    "LatentSource": ("drift.data.latents", "LatentSource"),
    "DigitsSource": ("drift.data.digits", "DigitsSource"),
    "Loader": ("drift.data.loader", "Loader"),
    "adm_centre": ("drift.data.crop", "adm_centre"),
    "load_digits": ("drift.digits", "load"),
    "apply_rope": ("drift.generator.attention", "apply_rope"),
    "generator_to_reference": ("drift.interop.generator_layout", "generator_to_reference"),
    "InputError": ("drift.errors", "InputError"),  # what an argument is refused with
}

# The functions of arrays by which an implementation from elsewhere is audited (`protocol`).
for _module, _names in {
    "..audit.engine": (
        "drift_loss_and_gradient",
        "stage_distance",
        "stage_scale",
        "stage_coordinate_scale",
        "stage_masked_distance",
        "stage_affinity",
        "stage_weighted_affinity",
        "stage_coefficients",
        "stage_force",
        "stage_normalised_force",
        "stage_loss",
        "stage_gradient",
        "feature_loss_value",
        "queue_after_resume",
        "queue_after_push",
        "frechet_distance",
        "precision_recall",
    ),
    "..audit.engine_models": (
        "generator",
        "encoder",
        "attention_logits",
        "rotated",
        "style_embedding",
        "style_unless_asked",
        "sampled_weights",
        "alpha_embedding",
        "class_embedding",
        "head_output",
        "initial_samples",
        "encoder_norm",
        "encoder_stages",
        "input_statistic",
    ),
}.items():
    ENGINE |= {name: (_module, name) for name in _names}

# The oracle computes values, not gradients, and records no trace of interface v1.
ORACLE = {
    name: ("..common.oracle", name)
    for name in (
        "drifting_field",
        "drift_loss",
        "feature_loss",
        "sample_alpha",
        "uncond_weight",
        "learning_rate",
    )
}


class ModuleSubject:
    """Capabilities looked up in their modules at each use, so that a patched function is seen.

    A capability whose module is not there is one that the subject does not have.
    """

    def __init__(self, name: str, table: Mapping[str, tuple[str, str]]) -> None:
        self.name = name
        self.table = table

    @property
    def capabilities(self) -> frozenset[str]:
        """The names of the table whose modules exist; at most their packages are imported."""
        return frozenset(name for name, (module, _) in self.table.items() if _exists(module))

    def __getattr__(self, capability: str) -> Any:
        if capability == "table" or capability not in self.table:
            raise AttributeError(f"the subject has no capability {capability!r}")
        module, attribute = self.table[capability]
        if not _exists(module):
            raise AttributeError(f"subject {self.name!r}: {capability} needs {module}, not there")
        return getattr(import_module(module, __package__), attribute)

    def __repr__(self) -> str:
        return f"<subject {self.name}>"


@cache
def _exists(module: str) -> bool:
    try:
        return find_spec(module, __package__) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False


@subject("drift")
def drift_subject() -> ModuleSubject:
    """The engine of this repository."""
    return ModuleSubject("drift", ENGINE)


@subject("oracle")
def oracle_subject() -> ModuleSubject:
    """The float64 oracle, held to the same clauses where it has the capability."""
    return ModuleSubject("oracle", ORACLE)

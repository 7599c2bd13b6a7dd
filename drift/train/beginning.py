"""How a run may begin: anew, where it was left, or with the parameters of another run."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path

import torch

from drift.artifacts.errors import ArtifactError
from drift.artifacts.store import Artifact
from drift.config import Template, encoder_kwargs, fingerprint, load_template, template_names
from drift.data import Source
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.errors import DriftError
from drift.remembered import Remembered
from drift.state import modules, trial
from drift.state.checkpoint import Checkpoint
from drift.train import build
from drift.train.config import TrainConfig
from drift.train.step import TrainState


def require_one(resume: bool, model_from: Path | None, learning_rate: float | None) -> None:
    """Raise DriftError for an option that this way of beginning would never read."""
    if resume and model_from is not None:
        raise DriftError(
            "--model-from", found=f"{model_from} with --resume",
            expected="one of them: a run goes on, or begins with the parameters of another",
        )  # fmt: skip
    if learning_rate is not None and not resume:
        raise DriftError(
            "--reset-learning-rate", found=f"{learning_rate} for a new run",
            expected="--resume", remedy="Pass --set optimizer.learning_rate=... instead.",
        )  # fmt: skip


def configured(template: Template, labels_per_pass: int | None, kernel: str) -> TrainConfig:
    """What the template says of training, carried out in passes and by a kernel of the loss.

    Raises DriftError for a faithful template with another kernel than the one its gates have seen.
    """
    if template.fidelity == "faithful" and kernel != "plain":
        raise DriftError(
            "--kernel", found=f"{kernel} for a faithful template",
            expected="plain, which the evidence of its gates is about",
            remedy="Leave it out, or train a template that claims no faithfulness.",
        )  # fmt: skip
    return replace(build.train_config(template), labels_per_pass=labels_per_pass, kernel=kernel)


def inherit(kept: Checkpoint, state: TrainState) -> list[str]:
    """Take parameters and averages of another run over -> what demotes numbers made from them.

    Raises DriftError for a checkpoint of something else; the run has then written nothing.
    """
    place = f"--model-from: checkpoint of step {kept.step}"
    if kept.facts.get("kind") == "pretrain":
        raise DriftError(place, found="an encoder's pre-training", expected="a generator's run")
    lacking = [decay for decay in state.ema if not kept.group(f"ema/{decay}")]
    if lacking:
        raise DriftError(
            place, found=f"no average of decay {', '.join(map(str, lacking))}",
            expected="every decay of optimizer.ema_decay",
        )  # fmt: skip
    try:
        modules.put_weights(kept, state.generator, state.ema)
    except (RuntimeError, KeyError) as error:
        raise DriftError(
            place, found=str(error).splitlines()[-1].strip(),
            expected="the parameters of the template's generator",
        ) from error  # fmt: skip
    return [*kept.facts["diagnostic"], f"parameters of step {kept.step} of another run"]


def one_sample(state: TrainState, source: Source) -> None:
    """The first real sample to its features and one generated from nothing: do all shapes fit?"""
    config = state.generator.config
    sample, label = trial.first(source, next(state.generator.parameters()).device.type)
    style = torch.zeros(1, config.style_tokens, dtype=torch.int64, device=sample.device)
    made = state.generator(
        torch.zeros_like(sample, dtype=torch.float32), label, torch.ones(1, device=sample.device),
        style,
    )  # fmt: skip
    state.extractor(torch.cat([sample.to(made.dtype), made]))


def remember(state: TrainState, source: Source) -> None:
    """Keep the features of real samples where all of the source's can be kept."""
    sample, _ = trial.first(source, next(state.generator.parameters()).device.type)
    state.remembered = Remembered.of(state.extractor, sample, len(source.labels))


def require_encoder(template: Template, found: Artifact, path: Path) -> MaskedAutoencoder:
    """The encoder of a run; a template that follows a column has the encoder that it states.

    A free template may take any: it claims nothing, and the record has the encoder's digest.
    Raises ArtifactError for a model of another kind or of another configuration, and, for a
    faithful template, for an encoder that says it was pre-trained under another one.
    """
    model = found.model
    if not isinstance(model, MaskedAutoencoder):
        raise ArtifactError(str(path), found="a generator", expected="a masked autoencoder")
    if template.fidelity == "free":
        return model
    wanted = asdict(EncoderConfig.from_reference(encoder_kwargs(template)).trunk())
    ours = asdict(model.config.trunk())
    odd = [name for name in wanted if ours[name] != wanted[name]]
    if odd:
        raise ArtifactError(
            str(path), found=", ".join(f"{name} {ours[name]}" for name in odd),
            expected=", ".join(f"{name} {wanted[name]}" for name in odd) + ", as the template says",
            remedy=f"Pre-train with this template, or set `fidelity: free` in {template.name}.",
        )  # fmt: skip
    if template.fidelity == "faithful" and not _pretrained_as(template, found):
        raise ArtifactError(
            str(path), found=f"an encoder of template {found.metadata['template']}",
            expected=f"one pre-trained as {template.name} says ({fingerprint(template)})",
            remedy="`drift pretrain` with this template makes one.",
        )  # fmt: skip
    return model


def _pretrained_as(template: Template, found: Artifact) -> bool:
    """Whether the encoder's template is this one, or a shipped one with the same pre-training.

    An encoder that names no template comes from outside; what its parameters show is compared.
    """
    stated = found.metadata.get("template")
    if stated is None:
        return True
    *_, digest = re.split("[ @]", stated)
    shipped = (load_template(name) for name in template_names())
    same = (one for one in shipped if (one.encoder, one.data) == (template.encoder, template.data))
    return digest in {fingerprint(one) for one in (template, *same)}

"""The generator of an artefact, a run folder or one checkpoint, and where it comes from.

Averaged weights (EMA) by default, as in every figure of the paper and the release (DEC-0111); raw
ones only where they are asked for by name, and then it is recorded.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from drift.artifacts import header, store
from drift.artifacts.errors import ArtifactError
from drift.config import Template, fingerprint, generator_kwargs, load_template, template_names
from drift.config.reading import inputs_of
from drift.data.dataset import UNKNOWN, of_artifact, of_run
from drift.digest import file_digest
from drift.errors import DriftError
from drift.generator import Generator, GeneratorConfig
from drift.state import checkpoint
from drift.state.checkpoint import Checkpoint

EMA, RAW = "ema", "raw"
NONE = "none"
NO_GATES = "no gates are recorded for this faithful run"
BYPASSED = "gates bypassed"

_log = logging.getLogger(__name__)


class SampleError(DriftError):
    """Weights or outputs that cannot be used for sampling."""


@dataclass(frozen=True)
class Origin:
    """Which weights these are; every number made from them carries it.

    sha256       of the file that was read
    column       of Table 8, for a run under a faithful template; None for one that departs from
                 it, is free, or whose template is only somebody's word
    weights      ema or raw; ema_decay is the decay's name, None where the file does not say it
    dataset      what the images of the run are called, `unknown` where nobody said; its licence and
                 the names of its classes by label, None where they are not known
    tokenizer    what turns samples into images: `name@revision`, or none; of a local one the
                 revision is the digest of its parameters
    tokenizer_sha256  that digest, of any; None where the file does not say it
    bypasses     what was skipped or changed on the way; they demote every number
    """

    path: str
    sha256: str
    step: int | None
    weights: str
    ema_decay: str | None
    template: str | None
    fingerprint: str | None
    column: str | None
    dataset: str | None
    tokenizer: str
    scaling_factor: float  # 1 where the file does not say it
    run_seed: int | None
    encoder_sha256: str | None
    bypasses: tuple[str, ...]
    dataset_licence: str = UNKNOWN
    class_names: tuple[str, ...] | None = None
    tokenizer_sha256: str | None = None


@dataclass(frozen=True)
class Loaded:
    """A generator in evaluation mode, its origin, and its template where the file holds one.

    data_sha256  of the run's images or latents; None where the file does not say it
    """

    generator: Generator
    origin: Origin
    template: Template | None
    data_sha256: str | None = None


def load(
    path: Path | str,
    *,
    weights: str = EMA,
    ema_decay: str | None = None,
    step: int | None = None,
    device: str = "cpu",
) -> Loaded:
    """The generator of `path`: an artefact, a checkpoint, or a run folder (its newest checkpoint).

    weights    ema or raw; ema_decay names one of several averages, such as "0.999"
    step       which checkpoint of a run folder
    Raises SampleError, ArtifactError or CheckpointError, each with what mends it.
    """
    path = Path(path)
    if weights not in (EMA, RAW):
        raise SampleError("weights", found=weights, expected=f"{EMA} or {RAW}")
    if path.is_dir():
        path = checkpoint_of(path, step)
    elif not path.is_file():
        raise SampleError(
            str(path), found="no such file or folder", expected="an artefact, checkpoint or run",
            remedy="`drift train TEMPLATE` makes a run; `drift import DIR --out FILE` an artefact.",
        )  # fmt: skip
    elif step is not None:
        raise SampleError("--step", found=f"{step} for a single file", expected="a run folder")
    if path.suffix != ".safetensors":
        raise SampleError(str(path), found=f"a {path.suffix} file", expected="a .safetensors file")
    names = header.read_header(path).tensors
    reads = _of_checkpoint if any(name.startswith("model/") for name in names) else _of_artifact
    loaded = reads(path, weights, ema_decay)
    loaded.generator.to(device).requires_grad_(False).eval()
    return loaded


def is_generator(path: Path) -> bool:
    """Whether `path` is a run folder or holds parameters, and not images or tensors of samples."""
    if path.is_dir():
        return bool(checkpoint.steps(path / "checkpoints") or checkpoint.steps(path))
    if not path.is_file() or path.suffix != ".safetensors":
        return False
    return "samples" not in header.read_header(path).tensors


def checkpoint_of(folder: Path, step: int | None = None) -> Path:
    """The file of a step of a run, by default of the newest that verifies."""
    checkpoints = folder / "checkpoints" if (folder / "checkpoints").is_dir() else folder
    steps = checkpoint.steps(checkpoints)
    if not steps:
        raise SampleError(
            str(folder), found="no checkpoints", expected="a run folder with checkpoints/",
            remedy="`drift train TEMPLATE --out FOLDER` makes one.",
        )  # fmt: skip
    if step is None:
        kept = checkpoint.latest_good(checkpoints, _log.warning)
        if kept is None:
            raise SampleError(str(folder), found="no checkpoint that verifies", expected="one")
        return checkpoint.path_of(checkpoints, kept.step)
    if step not in steps:
        expected = f"one of {', '.join(map(str, steps))}"
        raise SampleError(f"{folder}: step", found=step, expected=expected)
    return checkpoint.path_of(checkpoints, step)


def chosen_weights(
    kept: Checkpoint, weights: str, ema_decay: str | None
) -> tuple[dict[str, Tensor], str | None]:
    """(tensors, name of the decay or None): the model's, the average in place of parameters."""
    model = kept.group("model")
    if weights == RAW:
        return model, None
    decays = sorted({name.split("/")[1] for name in kept.tensors if name.startswith("ema/")})
    if ema_decay is None and len(decays) == 1:
        ema_decay = decays[0]
    if ema_decay not in decays:
        raise SampleError(
            f"checkpoint of step {kept.step}: EMA decay", found=ema_decay or "none chosen",
            expected=f"one of {', '.join(decays) or 'none: the file holds no average'}",
            remedy="Name it with --ema-decay, or ask for the raw weights with --weights raw.",
        )  # fmt: skip
    return model | averaged(kept, ema_decay), ema_decay


def averaged(kept: Checkpoint, ema_decay: str) -> dict[str, Tensor]:
    """The average of the parameters with this decay."""
    return kept.group(f"ema/{ema_decay}")


def template_of(kept: Checkpoint, path: Path) -> Template:
    """The template of a checkpoint: of the run folder it lies in, else from its own record.

    Raises SampleError where the folder's template is not the one the checkpoint was written under.
    """
    beside = path.parent.parent / "template.json"
    if beside.is_file():
        try:
            found = Template.model_validate_json(beside.read_bytes())
        except ValidationError as error:
            raise SampleError(
                str(beside), found=f"{error.error_count()} problems", expected="a template"
            ) from error
        if fingerprint(found) != kept.facts["fingerprint"]:
            raise SampleError(
                str(beside), found=f"fingerprint {fingerprint(found)}",
                expected=f"{kept.facts['fingerprint']}, as in the checkpoint",
                remedy="The template was changed after the run; restore it.",
            )  # fmt: skip
        return found.beside(inputs_of(path.parent.parent))
    nested: dict[str, Any] = {}
    for name, value in kept.facts["template"].items():
        *parents, leaf = name.split(".")
        node = nested
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    unnamed: dict[str, Any] = {
        "schema": "drift-template/1",
        "name": "checkpoint",
        "title": "From a checkpoint",
        "column": None,
        "fidelity": "free",
        "deviations": [],
        "semantics": _semantics(nested),
    }
    return Template.model_validate_json(json.dumps(unnamed | nested))


def _semantics(nested: Mapping[str, Any]) -> str:
    """Only the header says it; what a sampler builds does not depend on it."""
    return "reference" if nested["loss"]["uncond_weight_use"] == "after_softmax" else "paper"


def _of_checkpoint(path: Path, weights: str, ema_decay: str | None) -> Loaded:
    kept = checkpoint.read(path)
    if kept.facts.get("kind") == "pretrain":
        raise SampleError(
            str(path), found="a checkpoint of an encoder's pre-training", expected="a generator's"
        )
    template = template_of(kept, path)
    tensors, decay = chosen_weights(kept, weights, ema_decay)
    config = GeneratorConfig.from_reference(generator_kwargs(template))
    generator = Generator(config, device="meta")
    try:
        generator.load_state_dict(tensors, strict=True, assign=True)
    except RuntimeError as error:
        raise SampleError(
            str(path), found=str(error).splitlines()[-1].strip(), expected="the template's tensors"
        ) from error
    _require_finite(generator, path)
    data, made_by = template.data, kept.facts.get("autoencoder") or {}
    revision = made_by.get("revision", data.tokenizer_revision)
    dataset = of_run(kept.facts, data.dataset)
    origin = Origin(
        path=str(path),
        sha256=file_digest(path),
        step=kept.step,
        weights=weights,
        ema_decay=decay,
        template=template.name,
        fingerprint=kept.facts["fingerprint"],
        column=template.column if template.fidelity == "faithful" else None,
        dataset=dataset["name"],
        dataset_licence=dataset["licence"],
        class_names=tuple(dataset["classes"]) if dataset["classes"] else None,
        tokenizer=NONE if data.tokenizer == NONE else f"{data.tokenizer}@{revision}",
        tokenizer_sha256=made_by.get("sha256"),
        scaling_factor=data.scaling_factor,
        run_seed=kept.facts.get("seed"),
        encoder_sha256=kept.facts.get("encoder"),
        bypasses=tuple(
            dict.fromkeys([*kept.facts.get("diagnostic", ()), *_run_bypasses(path, template)])
        ),
    )
    return Loaded(generator, origin, template, kept.facts.get("data"))


def _of_artifact(path: Path, weights: str, ema_decay: str | None) -> Loaded:
    artifact = store.load_artifact(path)
    if not isinstance(artifact.model, Generator):
        raise ArtifactError(
            str(path), found=f"a {artifact.architecture}", expected="a generator",
            remedy="Encoders give features; they have no samples.",
        )  # fmt: skip
    held = artifact.metadata.get("weights")
    if held != weights:
        raise SampleError(
            str(path), found=f"{held or 'unstated'} weights", expected=f"{weights} weights",
            remedy="Raw weights are used only when asked for: --weights raw."
            if held == RAW
            else "An artefact holds one set of weights; `drift inspect` shows which.",
        )  # fmt: skip
    if ema_decay is not None:
        raise SampleError(
            "--ema-decay", found=ema_decay, expected="no decay: an artefact holds one average"
        )
    name, digest = (*re.split("[ @]", artifact.metadata.get("template", "")), "")[:2]
    template = _shipped(name, digest)
    data = template.data if template else None
    stated = of_artifact(artifact.metadata, data.dataset if data else None)
    origin = Origin(
        path=str(path),
        sha256=file_digest(path),
        step=None,
        weights=weights,
        ema_decay=None,
        template=name or None,
        fingerprint=digest or None,
        column=None,  # the file's template was written beside the tensors, not by their run
        dataset=stated.name,
        dataset_licence=stated.licence,
        tokenizer=artifact.metadata.get("tokenizer", "unknown"),
        scaling_factor=data.scaling_factor if data else 1.0,
        run_seed=None,
        encoder_sha256=None,
        bypasses=artifact.notes,
    )
    return Loaded(artifact.model, origin, template)


def _shipped(name: str, digest: str) -> Template | None:
    """The template of this name that comes with the engine, where its fingerprint is the same."""
    if name not in template_names():
        return None
    found = load_template(name)
    return found if fingerprint(found) == digest else None


def _run_bypasses(path: Path, template: Template) -> tuple[str, ...]:
    """What the run's live record says of its gates, one sentence for each bypass."""
    record = path.parent.parent / "run_metadata.json"
    gates = None
    if record.is_file():
        try:
            gates = json.loads(record.read_bytes()).get("gates")
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            raise SampleError(
                str(record), found=f"no JSON ({error})", expected="a run's record"
            ) from error
    asked = gates if isinstance(gates, dict) else {}
    bypass = asked.get("bypass")
    if template.fidelity == "faithful" and asked.get("fingerprint") != fingerprint(template):
        return (NO_GATES, *([f"{BYPASSED}: {bypass}"] if bypass else []))
    return (f"{BYPASSED}: {bypass}",) if bypass else ()


def _require_finite(generator: Generator, path: Path) -> None:
    for name, value in generator.named_parameters():
        if not bool(torch.isfinite(value).all()):
            raise SampleError(
                f"{path}: {name}", found="numbers that are not finite", expected="finite weights",
                remedy="The run diverged; sample an earlier step with --step.",
            )  # fmt: skip

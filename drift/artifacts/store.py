"""`save_artifact` and `load_artifact`: a model in one file that says what it is and proves it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from drift import atomic
from drift.artifacts import architectures, claims, evidence, filling, probe, schema
from drift.artifacts.architectures import Config, Model
from drift.artifacts.errors import ArtifactError, file_errors, shown
from drift.artifacts.evidence import Evidence
from drift.artifacts.header import read_header
from drift.encoder import MaskedAutoencoder
from drift.generator import Generator

# What no writer may leave out; the rest is known from the model or may be stamped later.
REQUIRED_FIELDS = ("source_layout", "weights", "tokenizer", "licence")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Artifact:
    """A loaded model, the metadata of its file, and what had to be assumed to load it."""

    model: Model
    architecture: str
    metadata: Mapping[str, str]
    notes: tuple[str, ...]


def save_artifact(
    path: Path | str,
    model: Model,
    fields: Mapping[str, str],
    *,
    source_metadata: str | None = None,
    overwrite: bool = False,
) -> dict[str, str]:
    """Write `model` with everything a reader needs to know; returns the metadata.

    fields           of schema.FIELDS; at least source_layout, weights, tokenizer and licence.
                     Identity, time, digest and probe are added here: they are never typed
    source_metadata  canonical JSON of the source's own metadata, kept for the way back
    overwrite        replace a file that is there
    Raises ArtifactError.
    """
    path = Path(path)
    fields = schema.validated(fields, place=f"save {path}")
    _require_writable(path, fields, overwrite=overwrite)
    tensors = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    metadata = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "tier": "none",
        **fields,
        **_identity(model, tensors),
        "schema": schema.SCHEMA,
        "tensors_sha256": filling.digest(tensors),
        "probe": probe.record(_on_cpu(model, tensors)),
    }
    if source_metadata is not None:
        metadata["source_metadata"] = source_metadata
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    claims.require_consistent(path, metadata, evidence.infer(shapes, place=str(path)))
    _write(path, tensors, metadata)
    return metadata


def load_artifact(
    path: Path | str, *, require_metadata: bool = False, config: Config | None = None
) -> Artifact:
    """The model of a file, on the CPU, in evaluation mode.

    Before a tensor is read, what the metadata and the file's name claim is held against the
    tensors' shapes. Every tensor has to be there, none may be left over, each has the shape and
    dtype of the model; the digest of what was loaded and the recorded probe have to reproduce.

    require_metadata  for faithful runs: what is absent or not understood in the metadata stops
                      the load; otherwise it is logged and recovered from the tensors or `config`
    config            used only where the file holds none
    Raises ArtifactError, LayoutError for tensors that do not fit, and ContradictionError, whose
    message ends with the command that mends.
    """
    path = Path(path)
    header = read_header(path)
    metadata = header.metadata or {}
    shown_by_tensors = evidence.infer(header.shapes, place=str(path))
    if shown_by_tensors.layout != evidence.OURS:
        raise ArtifactError(
            str(path),
            found="parameters under the reference's paths",
            expected="an artefact of ours",
            remedy="`drift import DIR --out FILE` maps the reference's directory.",
        )
    claims.require_consistent(path, metadata, shown_by_tensors)
    config, assumed = _config(path, metadata, shown_by_tensors, config)
    notes = [*_notes(metadata), *assumed]
    if require_metadata and notes:
        raise _not_faithful(path, metadata, shown_by_tensors, notes)
    for note in notes:
        _log.warning("%s: %s", path, note)
    model = architectures.build(config)
    filling.require_same_tensors(header, model)
    filling.fill(model, header)
    filling.require_loaded(model, metadata, place=str(path))
    recorded = probe.understood(metadata.get("probe", ""))
    if recorded is not None:
        probe.require_reproduced(model, recorded, place=str(path))
    return Artifact(model.eval(), shown_by_tensors.architecture, metadata, tuple(notes))


def load_generator(path: Path | str, *, require_metadata: bool = False) -> Generator:
    """The generator of a file; raises as `load_artifact`, and for a file of another model."""
    model = load_artifact(path, require_metadata=require_metadata).model
    if not isinstance(model, Generator):
        raise ArtifactError(str(path), found="a masked autoencoder", expected="a generator")
    return model


def load_encoder(path: Path | str, *, require_metadata: bool = False) -> MaskedAutoencoder:
    """The autoencoder of a file; raises as `load_artifact`, and for a file of another model."""
    model = load_artifact(path, require_metadata=require_metadata).model
    if not isinstance(model, MaskedAutoencoder):
        raise ArtifactError(str(path), found="a generator", expected="a masked autoencoder")
    return model


def _on_cpu(model: Model, tensors: Mapping[str, Tensor]) -> Model:
    """A second model around the same tensors, wherever the first one computes."""
    again = architectures.build(model.config)
    again.load_state_dict(dict(tensors), strict=True, assign=True)
    return again


def _require_writable(path: Path, fields: Mapping[str, str], *, overwrite: bool) -> None:
    """Raises ArtifactError for a file in the way, a field left out, or identity that was typed."""
    place = f"save {path}"
    if path.exists() and not overwrite:
        raise ArtifactError(
            place, found="a file there", expected="none", remedy="Choose another name."
        )
    missing = [name for name in REQUIRED_FIELDS if name not in fields]
    if missing:
        raise ArtifactError(
            place,
            found=f"no {', '.join(missing)}",
            expected=f"the fields {', '.join(REQUIRED_FIELDS)}",
            remedy="Licence NOASSERTION and tokenizer none are values too.",
        )
    typed = [name for name in fields if schema.FIELDS[name].component == "identity"]
    if typed:
        raise ArtifactError(
            place, found=f"{', '.join(typed)} given", expected="identity taken from the model"
        )


def _identity(model: Model, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """The fields that the model itself determines."""
    architecture = architectures.architecture_of(model)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    values = evidence.infer(shapes, place="model").values
    fields = {"architecture": architecture, "config": architectures.config_text(model.config)}
    for field in claims.GEOMETRY[architecture]:
        key = claims.CONFIG_KEYS[architecture].get(field)
        value = getattr(model.config, key) if key else values[field]
        text = str(list(value) if isinstance(value, tuple) else value)
        fields[field] = schema.normal_value(field, text, place="model")
    return fields


def _notes(metadata: Mapping[str, str]) -> list[str]:
    """What the metadata lacks or says in a way that this version does not understand."""
    if not metadata:
        return ["it has no metadata"]
    notes = []
    if metadata.get("schema") != schema.SCHEMA:
        found = shown(metadata.get("schema"))
        notes.append(f"its metadata follow the schema {found}, not {schema.SCHEMA!r}")
    absent = [name for name in ("architecture", "config", "width") if name not in metadata]
    notes += [f"its metadata lack {name}" for name in absent]
    notes += [f"its field {name} is not understood" for name in schema.not_understood(metadata)]
    if "tensors_sha256" not in metadata:
        notes.append("it records no digest of its tensors")
    if probe.understood(metadata.get("probe", "")) is None:
        notes.append("it records no probe output that this version understands")
    return notes


def _not_faithful(
    path: Path, metadata: Mapping[str, str], found: Evidence, notes: list[str]
) -> ArtifactError:
    mend = {"architecture": found.architecture}
    if "width" in found.values:
        mend["width"] = str(found.values["width"])
    mend = {name: text for name, text in mend.items() if name not in metadata}
    command = f"  `{claims.stamp_command(path, mend)}` states what the tensors show" if mend else ""
    return ArtifactError(
        str(path),
        found="; ".join(notes),
        expected="complete metadata, which a faithful run requires",
        remedy=f"Import the source again, which records all of it.{command}",
    )


def _config(
    path: Path, metadata: Mapping[str, str], found: Evidence, given: Config | None
) -> tuple[Config, list[str]]:
    """(config, notes): the embedded one, else the caller's, else what the tensors show."""
    notes = []
    fields = schema.parsed(metadata, "config")
    if fields is not None:
        try:
            return architectures.config_from_fields(found.architecture, fields), []
        except ArtifactError as error:
            notes.append(f"its config is not understood: {error.found}")
    if given is not None:
        return given, [*notes, "the caller's config is used"]
    config, assumed = architectures.recover(found, place=str(path))
    return config, [*notes, f"assumed: {', '.join(assumed)}"]


def _write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """A reader sees the whole file or none of it."""
    try:
        with (
            file_errors(path, "a folder that can be written to"),
            atomic.replacing(path) as temporary,
        ):
            temporary.touch(
                exist_ok=False
            )  # the system's own refusal is clearer than the library's
            save_file(dict(tensors), temporary, metadata=dict(metadata))
    except SafetensorError as error:
        raise ArtifactError(
            str(path), found=f"the error {shown(str(error))}", expected="a file that can be written"
        ) from error

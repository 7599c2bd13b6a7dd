"""`save_artifact` and `load_artifact`: a model in one file that says what it is and proves it."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from drift.artifacts import architectures, claims, contents, evidence, probe, schema
from drift.artifacts.architectures import Config, Model
from drift.artifacts.errors import ArtifactError, shown
from drift.artifacts.evidence import Evidence
from drift.artifacts.header import Header, TensorEntry, read_header
from drift.interop.layout import LayoutError

DTYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
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
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in _state(model).items()}
    metadata = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "tier": "none",
        **fields,
        **_identity(model, tensors),
        "schema": schema.SCHEMA,
        "tensors_sha256": digest(tensors),
        "probe": probe.record(model),
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
    require_same_tensors(header, model)
    fill(model, header)
    require_loaded(model, metadata, place=str(path))
    recorded = probe.understood(metadata.get("probe", ""))
    if recorded is not None:
        probe.require_reproduced(model, recorded, place=str(path))
    return Artifact(model.eval(), shown_by_tensors.architecture, metadata, tuple(notes))


def require_same_tensors(header: Header, model: Model) -> None:
    """Raises LayoutError that names every missing, surplus and misshapen tensor."""
    expected = {name: tuple(tensor.shape) for name, tensor in _state(model).items()}
    dtypes = {name: NAMES[tensor.dtype] for name, tensor in _state(model).items()}
    found = header.tensors
    missing = {name: shape for name, shape in expected.items() if name not in found}
    surplus = {name: entry.shape for name, entry in found.items() if name not in expected}
    misshapen = {
        name: (found[name].shape, shape)
        for name, shape in expected.items()
        if name in found and found[name].shape != shape
    }
    unreadable = {
        name: f"found dtype {found[name].dtype}, expected {dtype}"
        for name, dtype in dtypes.items()
        if name in found and found[name].dtype != dtype
    }
    if missing or surplus or misshapen or unreadable:
        raise LayoutError(
            str(header.path),
            missing=missing,
            surplus=surplus,
            misshapen=misshapen,
            unreadable=unreadable,
        )


def fill(model: Model, header: Header) -> None:
    """Read every tensor of the file into the model, in place of its shapes."""
    tensors = {name: _read(header, entry) for name, entry in header.tensors.items()}
    model.load_state_dict(tensors, strict=True, assign=True)


def require_loaded(model: Model, metadata: Mapping[str, str], *, place: str) -> None:
    """Raises ArtifactError unless the model holds exactly the tensors that were saved."""
    state = _state(model)
    unfilled = [name for name, tensor in state.items() if tensor.is_meta]
    if unfilled:
        raise ArtifactError(
            place, found=f"{len(unfilled)} parameters that nothing filled", expected="none"
        )
    bad = [name for name, tensor in state.items() if not _finite(tensor)]
    if bad:
        raise ArtifactError(
            f"{place}: {bad[0]}",
            found=f"numbers that are not finite in {len(bad)} tensors",
            expected="finite parameters",
            remedy="The file is damaged or its run diverged; fetch or export it again.",
        )
    recorded = metadata.get("tensors_sha256")
    if recorded is not None and recorded != digest(state):
        raise ArtifactError(
            place,
            found="tensors with another digest than the one recorded when they were saved",
            expected=shown(recorded),
            remedy="The file was damaged or changed after it was saved; fetch or import it again.",
        )


def digest(tensors: Mapping[str, Tensor]) -> str:
    """The digest of drift.artifacts.contents, from tensors in memory."""
    return contents.combined(
        contents.digest_line(
            name, NAMES[tensor.dtype], tensor.shape, hashlib.sha256(_bytes(tensor)).hexdigest()
        )
        for name, tensor in tensors.items()
    )


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


def _read(header: Header, entry: TensorEntry) -> Tensor:
    """One tensor, copied out of the file: nothing keeps it mapped, nobody else can change it."""
    if entry.dtype not in DTYPES:
        raise ArtifactError(
            f"{header.path}: {shown(entry.name)}", found=entry.dtype, expected="a float dtype"
        )
    raw = torch.empty(entry.end - entry.begin, dtype=torch.uint8)
    view = raw.numpy().data
    with header.path.open("rb") as stream:
        stream.seek(header.data_start + entry.begin)
        done = 0
        while done < len(view):
            got = stream.readinto(view[done:])
            if not got:
                raise ArtifactError(
                    str(header.path), found="a file that shrank", expected="the bytes it had"
                )
            done += got
    return raw.view(DTYPES[entry.dtype]).reshape(entry.shape)


def _state(model: Model) -> dict[str, Tensor]:
    return dict(model.state_dict())


def _bytes(tensor: Tensor) -> memoryview:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


def _finite(tensor: Tensor) -> bool:
    low, high = torch.aminmax(tensor.detach()) if tensor.numel() else (tensor, tensor)
    return bool(torch.isfinite(low).all() and torch.isfinite(high).all())


def _write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """A reader sees the whole file or none of it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        save_file(dict(tensors), partial, metadata=dict(metadata))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)

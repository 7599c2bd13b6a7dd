"""The reference's directory to an artefact of ours, and back; the identity on every tensor."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from drift.artifacts import architectures, claims, evidence, store, strict_json
from drift.artifacts.architectures import Config
from drift.artifacts.errors import ArtifactError, shown
from drift.artifacts.evidence import Evidence
from drift.artifacts.quality import UNKNOWN
from drift.artifacts.schema import GENERATOR, MAE
from drift.config import fingerprint, load_template
from drift.interop import artifact, export

SOURCE_LAYOUT = "flax-msgpack"
KINDS: Mapping[str, str] = {"generator": GENERATOR, "mae": MAE}
MODEL_CONFIG = "model_config"  # the key of the reference's metadata.json
MAX_SOURCE_METADATA = 1 << 18

_log = logging.getLogger(__name__)


def import_directory(
    directory: Path | str,
    out: Path | str,
    *,
    kind: str | None = None,
    template: str | None = None,
    fields: Mapping[str, str] | None = None,
    require_metadata: bool = False,
) -> dict[str, str]:
    """Read a reference directory, write an artefact, return the artefact's metadata.

    kind      "generator" or "mae"; None: what the tensors show
    template  a template whose model this has to be; its fingerprint is recorded
    fields    provenance to record; weights are the EMA, licence and tokenizer unknown unless said
    Raises ArtifactError or LayoutError for what does not fit, before `out` is written.
    """
    folder = Path(directory)
    flat, metadata = artifact.read_artifact(folder, require_metadata=require_metadata)
    read = metadata.pop(artifact.READ_KEY)
    found = evidence.infer({path: array.shape for path, array in flat.items()}, place=str(folder))
    if kind is not None and KINDS[kind] != found.architecture:
        raise ArtifactError(
            str(folder),
            found=f"the tensors of a {found.architecture}",
            expected=f"a {KINDS[kind]}, as --kind {kind} says",
            remedy="Leave --kind out.",
        )
    config = _config(folder, metadata, found, require=require_metadata)
    stated = _template_field(folder, template, config) if template is not None else {}
    model = architectures.build(config)
    model.load_state_dict(_state(folder, flat, config), strict=True, assign=True)
    recorded = {
        "source_sha256": read["sha256"],
        "source_layout": SOURCE_LAYOUT,
        "weights": "ema",
        "tokenizer": UNKNOWN,
        "licence": "NOASSERTION",
        **stated,
        **(fields or {}),
    }
    return store.save_artifact(
        out, model.eval(), recorded, source_metadata=_source_metadata(folder, metadata)
    )


def export_artifact(path: Path | str, directory: Path | str) -> dict[str, Any]:
    """Write an artefact as a reference directory; returns the metadata written beside it."""
    loaded = store.load_artifact(path)
    state = loaded.model.state_dict()
    flat = architectures.to_reference(state, loaded.model.config)
    metadata = _kept_metadata(loaded.metadata)
    metadata[MODEL_CONFIG] = loaded.model.config.to_reference()
    metadata["drift_export"] = {
        name: loaded.metadata[name]
        for name in ("architecture", "tensors_sha256", "source_sha256", "weights", "licence")
        if name in loaded.metadata
    }
    export.write_artifact(directory, {name: t.numpy() for name, t in flat.items()}, metadata)
    return metadata


def _config(folder: Path, metadata: Mapping[str, Any], found: Evidence, *, require: bool) -> Config:
    """The config of `metadata.json`, held against the tensors; recovered where there is none."""
    model_config = metadata.get(MODEL_CONFIG)
    if not isinstance(model_config, dict):
        if require:
            raise ArtifactError(
                str(folder / artifact.METADATA_FILE),
                found=f"no {MODEL_CONFIG}",
                expected="the configuration of the model, which a faithful run requires",
                remedy="Fetch the metadata.json that was published with the parameters.",
            )
        _log.warning("%s: no %s in its metadata; it is recovered", folder, MODEL_CONFIG)
        config, assumed = architectures.recover(found, place=str(folder))
        _log.warning("%s: assumed %s", folder, ", ".join(assumed))
        return config
    config = architectures.config_from_reference(found.architecture, model_config)
    stated = {"config": architectures.config_text(config)}
    contradicted = claims.contradictions(folder, stated, found)
    if contradicted:
        raise ArtifactError(
            str(folder),
            found="; ".join(str(item) for item in contradicted),
            expected="a name and a metadata.json that the tensors bear out",
            remedy=f"Mend {MODEL_CONFIG} in metadata.json, or the directory's name: "
            + ", ".join(f"{k} {v}" for item in contradicted for k, v in item.mend.items()),
        )
    return config


def _template_field(folder: Path, name: str, config: Config) -> dict[str, str]:
    """The field that names a template, once its model was found to be this one."""
    template = load_template(name)
    wanted = architectures.config_of_template(template, config)
    ours, theirs = asdict(config), asdict(wanted)
    # bookkeeping of memory, not a property of the parameters
    odd = [key for key in ours if ours[key] != theirs[key] and key != "checkpointing"]
    if odd:
        raise ArtifactError(
            str(folder),
            found=", ".join(f"{key} {ours[key]}" for key in odd),
            expected=", ".join(f"{key} {theirs[key]}" for key in odd) + f", as in {template.name}",
            remedy="Name the template that this model was trained with, or none.",
        )
    return {"template": f"{template.name}@{fingerprint(template)}"}


def _state(folder: Path, flat: dict[str, NDArray[Any]], config: Config) -> dict[str, Any]:
    """Our state dict; empties `flat`, so that the parameters are in memory twice at the most."""
    tensors = {path: torch.from_numpy(_as_float32(folder, path, a)) for path, a in flat.items()}
    state = architectures.from_reference(tensors, config)
    flat.clear()
    return state


def _as_float32(folder: Path, path: str, array: NDArray[Any]) -> NDArray[Any]:
    """The array in float32, which all parameters have; refused where that loses anything."""
    if array.dtype == np.float32:
        return array
    with np.errstate(over="ignore"):  # an overflow is a loss, and refused below
        narrow = array.astype(np.float32)
    if array.dtype.kind != "f" or not np.array_equal(narrow.astype(array.dtype), array):
        raise ArtifactError(
            f"{folder}: {shown(path)}",
            found=f"a parameter of {array.dtype} that float32 cannot hold",
            expected="parameters in float32, float16 or bfloat16",
        )
    return narrow


def _source_metadata(folder: Path, metadata: Mapping[str, Any]) -> str:
    text = strict_json.canonical(metadata)
    if len(text) > MAX_SOURCE_METADATA:
        raise ArtifactError(
            str(folder / artifact.METADATA_FILE),
            found=f"{len(text)} characters",
            expected=f"at most {MAX_SOURCE_METADATA}, to be kept with the parameters",
        )
    return text


def _kept_metadata(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The source's own metadata, if the artefact kept them."""
    text = metadata.get("source_metadata")
    if text is None:
        return {}
    value = strict_json.parse(text.encode(), place="source_metadata", limit=MAX_SOURCE_METADATA)
    return value if isinstance(value, dict) else {}

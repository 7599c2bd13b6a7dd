"""Formats got wrong: the real writers with other fields, under the version of before."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from pydantic import BaseModel

from drift import trace_file
from drift.ablate import record as ablations
from drift.artifacts import store
from drift.config import Template
from drift.evaluate import records
from drift.sample import writing
from drift.state import checkpoint, record
from drift.train import run
from verify.api import mutant
from verify.report import bundle
from verify.report.model import Report
from verify.run import evidence


def _changed(said: dict[str, Any], how: str) -> dict[str, Any]:
    """One field more, or the last one but the schema's under another name, or as a list."""
    if how == "more":
        return {**said, "note": "x"}
    name = next(key for key in reversed(said) if key != "schema")
    kept = {key: value for key, value in said.items() if key != name}
    return {**kept, f"{name}_": said[name]} if how == "renamed" else {**kept, name: [said[name]]}


@mutant("formats.checkpoint", run, "snapshot")
def other_facts(real: Any, *given: Any, how: str) -> Any:
    """A checkpoint whose facts have another field, under the old version."""
    kept = real(*given)
    return checkpoint.Checkpoint(kept.step, kept.tensors, _changed(dict(kept.facts), how))


@mutant("formats.record", records, "record_of")
def other_record(real: Any, *given: Any, how: str, **more: Any) -> Any:
    """A record with another field, under the old version."""
    return _changed(real(*given, **more), how)


@mutant("formats.ablation", ablations, "made")
def other_ablation(real: Any, *given: Any, how: str) -> Any:
    """The record of an ablation with another field, or its runs with one, under the old version."""
    record, components = real(*given)
    if how == "run":
        return record | {"runs": [_changed(run, "more") for run in record["runs"]]}, components
    return _changed(record, how), components


@mutant("formats.samples", writing, "facts_of")
def other_samples(real: Any, *given: Any, how: str) -> Any:
    """Samples that say something else of themselves, under the old version."""
    return _changed(real(*given), how)


@mutant("formats.header")
def other_header(subject: object, *, module: str, how: str) -> Any:
    """The JSON text that a trace or a run's record is made of has another field."""

    def dumps(value: Any, **more: Any) -> str:
        return json.dumps(_changed(value, how), **more)

    owner = {"trace": trace_file, "run": record}[module]
    return patch.object(owner, "json", SimpleNamespace(dumps=dumps, loads=json.loads))


@mutant("formats.artefact", store, "_identity")
def other_identity(real: Any, *given: Any) -> Any:
    """An artefact with one more word about its model, under the old version."""
    return {**real(*given), "colour": "grey"}


@mutant("formats.model")
def other_model(subject: object, *, name: str) -> Any:
    """A typed model with one more field, under the old version."""
    models: dict[str, type[BaseModel]] = {"template": Template, "report": Report}
    model = models[name]
    real = model.model_json_schema

    def schema(*given: Any, **more: Any) -> Any:
        found = real(*given, **more)
        return {**found, "properties": {**found["properties"], "note": {"type": "string"}}}

    return patch.object(model, "model_json_schema", schema)


other_version = mutant("formats.version", evidence, SCHEMA="verify/evidence/3")
other_name = mutant("formats.file", bundle, EVIDENCE="evidence.json")

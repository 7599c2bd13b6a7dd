"""Formats of files that outlive a run: what is written now against the snapshot of its version.

A field that is new, gone or of another type under the old name of the version is a file that one of
two readers takes for what it is not.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.numpy import load, save

from drift import trace, trace_file
from drift.ablate import record as ablations
from drift.ablate import training
from drift.ablate.compared import Comparison
from drift.ablate.tables import Row, Table
from drift.artifacts import store
from drift.artifacts.header import read_header
from drift.config import Template, load_template
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.evaluate import figures, records, sources
from drift.reproduce.store import Done
from drift.sample import loading, sampler, writing
from drift.state import checkpoint, record
from drift.train import run
from verify.api import CheckContext, Measurement, check
from verify.numeric.traces import read_trace
from verify.report import bundle
from verify.report.model import Report
from verify.run import evidence

from ..common import small_run

SNAPSHOT = "interface/formats.yaml"
Fields = dict[str, str]
Written = tuple[str, Fields]


@check("interface.format")
def format_of(ctx: CheckContext) -> Measurement:
    """`params.name` of the snapshot: the version written, its fields, the older versions."""
    name = ctx.params["name"]
    frozen = yaml.safe_load(ctx.spec_file(SNAPSHOT).read_text(encoding="utf-8"))["formats"][name]
    problems = list(departures(frozen, *WRITERS[name]()))
    decisions = ctx.spec_file("decisions")

    def reads(sample: str) -> str | None:
        """Why the reader of now refuses a file of an older version; None where it takes it."""
        try:
            READERS[name](ctx.spec_file(sample))
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return None

    problems += unread(frozen, lambda one: (decisions / f"{one}.md").is_file(), reads)
    said = problems[0] if problems else f"{name}: every field as frozen"
    return ctx.decide(not problems, said, details={"problems": problems})


def departures(frozen: Mapping[str, Any], version: str, now: Fields) -> Iterator[str]:
    """In what the files of now are not those that the snapshot of their version describes."""
    newest = list(frozen)[-1]
    if version != newest:
        yield f"found {version} written, expected {newest}, the newest of the snapshot"
        return
    then = frozen[version]["fields"]
    for field in sorted(then.keys() | now.keys()):
        found, expected = now.get(field, "nothing"), then.get(field, "nothing")
        if found != expected:
            yield f"{version}: {field}: found {found}, expected {expected}"


def unread(
    frozen: Mapping[str, Any], decided: Callable[[str], bool], reads: Callable[[str], str | None]
) -> Iterator[str]:
    """Older versions that nothing reads and no decision drops; numbers that leave one out.

    decided  whether a decision of this name exists
    reads    why a kept sample of an older version is refused; None where it is read
    """
    stem = next(iter(frozen)).rpartition("/")[0]
    wanted = [f"{stem}/{number + 1}" for number in range(len(frozen))]
    if list(frozen) != wanted:
        yield f"found the versions {', '.join(frozen)}, expected {', '.join(wanted)}"
    for version in list(frozen)[:-1]:
        sample, dropped = frozen[version].get("sample"), frozen[version].get("dropped")
        if sample is not None:
            refused = reads(sample)
            if refused is not None:
                yield f"{version}: {sample}: found {refused}, expected it to be read"
        elif dropped is None or not decided(dropped):
            yield f"{version}: found no decision that drops it ({dropped}), expected one"


# -- what is written now ---------------------------------------------------------------------------


def fields_of(value: Any, prefix: str = "", *, whole: frozenset[str] = frozenset()) -> Fields:
    """Dotted path -> type of plain JSON; `whole` names tables whose keys are data, not fields."""
    if isinstance(value, Mapping) and prefix not in whole:
        deeper = (fields_of(v, f"{prefix}.{k}".strip("."), whole=whole) for k, v in value.items())
        return {path: kind for part in deeper for path, kind in part.items()}
    return {prefix: _kind(value)}


def _kind(value: Any) -> str:
    names = {bool: "truth", int: "number", float: "number", str: "text", type(None): "null"}
    if isinstance(value, (list, tuple)):
        kinds = sorted({_kind(one) for one in value})
        return f"list of {' or '.join(kinds)}" if kinds else "list"
    return names.get(type(value), "table")


def of_schema(schema: Mapping[str, Any]) -> Fields:
    """Dotted path -> type, choices included, of a JSON schema as pydantic writes it."""
    return dict(_schema_fields(schema, schema.get("$defs", {}), "", frozenset()))


def _schema_fields(
    node: Mapping[str, Any], known: Mapping[str, Any], path: str, seen: frozenset[str]
) -> Iterator[tuple[str, str]]:
    name = node.get("$ref", "").rpartition("/")[2]
    if name in seen:
        yield path, f"as {name}"
        return
    node, seen = (known[name], seen | {name}) if name else (node, seen)
    if "properties" in node:
        for key, part in node["properties"].items():
            yield from _schema_fields(part, known, f"{path}.{key}".strip("."), seen)
    elif isinstance(node.get("items"), Mapping):
        yield from _schema_fields(node["items"], known, f"{path}[]", seen)
    elif "anyOf" in node:
        for number, part in enumerate(node["anyOf"]):
            yield from _schema_fields(part, known, f"{path}|{number}", seen)
    else:
        told = ("type", "const", "enum", "pattern", "additionalProperties", "prefixItems")
        yield path, " ".join(f"{k}={json.dumps(node[k])}" for k in told if k in node)


def template_format() -> Written:
    """The template's typed model; the version is the only value that its schema takes."""
    schema = Template.model_json_schema(by_alias=True)
    return schema["properties"]["schema"]["const"], of_schema(schema)


def checkpoint_format() -> Written:
    """Facts in the header, and groups of tensors, of a run before its first step."""
    with tempfile.TemporaryDirectory() as name:
        path = checkpoint.write(Path(name), run.snapshot(small_run.start(Path(name) / "run")))
        header = read_header(path)
    said = json.loads((header.metadata or {})["checkpoint"])
    facts = json.loads(said.pop("facts"))
    version = str(facts.pop("schema"))
    found = fields_of(said, "header") | fields_of(
        facts, "facts", whole=frozenset({"facts.template"})
    )
    return version, found | {f"tensors {one}": "group" for one in map(_group, header.tensors)}


def _group(name: str) -> str:
    """queue/positive/samples as it is; of parameters and moments the group alone."""
    first, _, rest = name.partition("/")
    return name if first == "queue" else f"{first}/*" if rest else name


def run_format() -> Written:
    """`run_metadata.json` of a run that says nothing of its own, which are a checkpoint's facts."""
    with tempfile.TemporaryDirectory() as name:
        record.RunRecord(Path(name), {}).update("running", step=0)
        said = json.loads((Path(name) / "run_metadata.json").read_bytes())
    return str(said.pop("schema")), fields_of(said)


def record_format() -> Written:
    """An evaluation record with one figure; what is null there has the type of its annotation."""
    facts = records.Facts(
        samples=1, seeds=(0,), alpha=1.0, labels="", weights="ema", checkpoint_sha256="",
        template_fingerprint="", column=None, dataset="", extractor="", extractor_sha256="",
        resize="", statistics_sha256="", source="", source_sha256="",
    )  # fmt: skip
    one = figures.Figure(
        value=1.0, low=0.0, high=2.0, interval="", definition="", count=1, better="lower"
    )
    said = records.record_of(facts, {"NAME": one}, missing={}, notes=[], collapsed=[])
    version = str(said.pop("schema"))
    found = fields_of(said, whole=frozenset({"versions", "missing", "statistics"}))
    typed = {name: str(kind) for name, kind in records.Facts.__annotations__.items()}
    return version, found | {name: kind for name, kind in typed.items() if name in found}


def artifact_format() -> Written:
    """Metadata of an artefact, and what its probe holds."""
    config = EncoderConfig(in_channels=1, base_channels=32, blocks=(1, 1, 1, 1), trunk_only=True)
    model = MaskedAutoencoder(config, generator=torch.Generator().manual_seed(0))
    fields = {
        "source_layout": "drift-pretrain", "weights": "ema", "tokenizer": "none",
        "licence": "NOASSERTION", "data": "unknown", "template": "digits 0",
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        said = store.save_artifact(Path(name) / "one.safetensors", model.eval(), fields)
    version = said.pop("schema")
    return version, dict.fromkeys(said, "text") | fields_of(json.loads(said["probe"]), "probe")


def trace_format() -> Written:
    """The header of a trace of one stage."""
    with trace.recording() as recorded:
        trace.record("stage", torch.zeros(2))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "trace.safetensors"
        trace_file.save(recorded, path, inputs={"x": torch.zeros(1)}, seed=0, semantics="")
        data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    (key,) = header["__metadata__"]
    said = json.loads(header["__metadata__"][key])
    (stage,) = said.pop("stages")
    found = {f"stages[].{name}": kind for name, kind in fields_of(stage).items()}
    return str(said.pop("schema")), found | {f"{key}.{n}": k for n, k in fields_of(said).items()}


def samples_format() -> Written:
    """What a file of samples says of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "checkpoints").mkdir()
        checkpoint.write(folder / "checkpoints", run.snapshot(small_run.start(folder / "run")))
        loaded = loading.load(folder)
        request = writing.Request(torch.zeros(1, dtype=torch.int64), 1.0, 0)
        out = folder / "samples.safetensors"
        writing.write(loaded, sampler.Sampler(loaded.generator), None, request, out)
        said = dict(read_header(out).metadata or {})
    version = said.pop("schema")
    return version, fields_of(json.loads(said.pop("facts"))) | dict.fromkeys(said, "text")


def ablation_format() -> Written:
    """The record of a table of two rows, which an encoder taught, and its components."""
    rows, typed = (Row("one", "paper"), Row("two", "paper")), training.Measured.__annotations__
    facts = dict.fromkeys(typed, "") | {"seed": 0}
    moments = {"mu": np.ones(2), "sigma": np.eye(2), "reference_mu": np.zeros(2)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / training.FIGURES).write_text(json.dumps(facts))
        (folder / training.MOMENTS).write_bytes(save(moments | {"reference_sigma": np.eye(2)}))
        runs = {(row.name, 0): Done("measure", "", folder, {}, {}) for row in rows}
        said, components = ablations.made(Table("balance", "", "", "", rows), (), (0,), runs)
    found = {f"components {one.rpartition('/')[2]}": "array" for one in load(components)}
    kinds = {"rows": Row.__annotations__, "runs": typed, "comparisons": Comparison.__annotations__}
    for part, types in kinds.items():
        one = fields_of(said.pop(part)[0])
        found |= {f"{part}[].{field}": str(types.get(field, one[field])) for field in one}
    return str(said.pop("schema")), found | fields_of(said)


def evidence_format() -> Written:
    """A line of the evidence file, and the names of a bundle's files."""
    line = json.loads(evidence.linked(0, "", "run", {})[0])
    names = [bundle.EVIDENCE, bundle.MANIFEST, bundle.COMMANDS, bundle.ENVIRONMENT]
    found = {f"file {name}": "file" for name in [*names, *bundle.RENDERED]}
    return evidence.SCHEMA, found | fields_of(line, "line", whole=frozenset({"line.data"}))


def report_format() -> Written:
    """The typed model of `report.json`."""
    schema = Report.model_json_schema(by_alias=True)
    return schema["properties"]["schema"]["const"], of_schema(schema)


WRITERS: dict[str, Callable[[], Written]] = {
    "template": template_format,
    "checkpoint": checkpoint_format,
    "run": run_format,
    "record": record_format,
    "artefact": artifact_format,
    "samples": samples_format,
    "trace": trace_format,
    "ablation": ablation_format,
    "evidence": evidence_format,
    "report": report_format,
}


# What reads each format, and has to take the `sample` of an older version.
READERS: dict[str, Callable[[Path], object]] = {
    "template": load_template,
    "checkpoint": checkpoint.read,
    "artefact": store.load_artifact,
    "samples": sources.from_path,
    "trace": read_trace,
    "evidence": lambda path: list(evidence.records(path)),
    "report": lambda path: Report.model_validate_json(path.read_bytes()),
}

"""Checks of whole conversions: what is written down and said, what is assumed, what is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file

from drift.artifacts import architectures, claims, convert, store
from drift.artifacts.header import read_header
from drift.artifacts.schema import GENERATOR, MAE
from drift.config import fingerprint, load_template
from drift.config.bounds import LARGEST, MOST_LAYERS
from drift.interop import artifact, export
from verify.api import CheckContext, Measurement, check

from ..common.places import folder
from ..common.rows import Refused, Row, judge_rows
from . import cases

Flat = dict[str, NDArray[Any]]


class _Heard:
    """A log of what was warned of."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warning(self, text: str, *parts: object) -> None:
        self.said.append(text % parts)

    info = warning


@check("artifact.conversions")
def conversions(ctx: CheckContext) -> Measurement:
    """A small generator through directories and files, whole, odd, and where nothing can be put."""
    model = cases.generator()
    tensors = architectures.to_reference(model.state_dict(), model.config)
    flat = {name: tensor.numpy() for name, tensor in tensors.items()}
    with folder() as root:
        told = {"model_config": model.config.to_reference(), "note": "kept"}
        export.write_artifact(root / "given", flat, told)
        rows = chain(
            _sane(), _claimed(), _recorded(root), _configured(root, flat), _narrowed(root, flat),
            _loaded(root), _noted(root), _unwritten(root, flat),
        )  # fmt: skip
        return judge_rows(ctx, rows, "facts of conversions")


def _import(root: Path, name: str, **options: Any) -> dict[str, str]:
    out = root / "out.safetensors"
    out.unlink(missing_ok=True)
    return convert.import_directory(root / name, out, **options)


def _recorded(root: Path) -> Iterator[Row]:
    given = root / "given"
    digest = hashlib.sha256((given / artifact.PARAMS_FILE).read_bytes()).hexdigest()
    known = {
        "source_sha256": digest, "source_layout": convert.SOURCE_LAYOUT, "weights": "ema",
        "tokenizer": "unknown", "licence": "NOASSERTION", "architecture": GENERATOR,
        "template": None,
    }  # fmt: skip

    def of(**options: Any) -> dict[str, str | None]:
        held = _import(root, "given", **options)
        return {name: held.get(name) for name in known}

    yield "as it is recorded", of, known
    fields = {"licence": "MIT", "weights": "raw"}
    yield "with fields", partial(of, fields=fields), {**known, **fields}
    yield "of its kind", partial(of, kind="generator"), known
    said = Refused(str(given), f"the tensors of a {GENERATOR}", "as --kind mae says")
    yield "of another kind", partial(of, kind="mae"), said
    template = load_template("digits")
    stated: Any = architectures.config_of_template(template, cases.generator().config)
    odd = Refused(str(given), "hidden_dim 32", f"hidden_dim {stated.hidden_dim}, ",
                  f"as in {template.name}", "or none")  # fmt: skip
    yield "another template's", partial(of, template="digits"), odd
    same = replace(cases.generator().config, checkpointing=True)
    with patch.object(architectures, "config_of_template", lambda template, like: same):
        named = f"{template.name}@{fingerprint(template)}"
        yield "its template's", partial(of, template="digits"), {**known, "template": named}
    _import(root, "given")
    back = convert.export_artifact(root / "out.safetensors", root / "back")
    written = json.loads((root / "back" / artifact.METADATA_FILE).read_text())
    config = cases.generator().config.to_reference()
    yield "on the way back", lambda: (written["model_config"], written["note"]), (config, "kept")
    kept = written["drift_export"]
    yield "its own record", lambda: (kept["source_sha256"], kept["weights"]), (digest, "ema")
    yield "as it was returned", lambda: back == written, True


def _configured(root: Path, flat: Flat) -> Iterator[Row]:
    """Without a configuration it is recovered, and what was assumed is said."""
    export.write_artifact(root / "bare", flat, {})
    heard = _Heard()
    with patch.object(convert, "_log", heard):
        found = _import(root, "bare")
    bare = root / "bare"
    yield "what was said", lambda: heard.said, [
        f"{bare}: no model_config in its metadata; it is recovered",
        f"{bare}: assumed patch size 2 with 4 channels, float32 activations, RoPE",
    ]  # fmt: skip
    config = architectures.config_text(cases.generator().config)
    yield "recovered", lambda: found["config"] == config, True
    said = Refused(str(bare / artifact.METADATA_FILE), "no model_config", "faithful run")
    yield "faithful", partial(_import, root, "bare", require_metadata=True), said
    told = {**cases.generator().config.to_reference(), "depth": 3}
    export.write_artifact(root / "false", flat, {"model_config": told})
    said = Refused(str(root / "false"), "depth", "3", "2", "Mend model_config", "depth 2")
    yield "another depth", partial(_import, root, "false"), said
    long = {"x": "y" * convert.MAX_SOURCE_METADATA}
    yield "long", partial(convert._source_metadata, root, long), Refused("at most 262144")
    fits = {"x": "y" * (convert.MAX_SOURCE_METADATA - len('{"x":""}'))}
    yield "just long", lambda: len(convert._source_metadata(root, fits)), 262144


def _narrowed(root: Path, flat: Flat) -> Iterator[Row]:
    """Parameters come in float32; what that would change is refused."""
    place = root / "given"
    exact = np.array([0.5, -2.0])
    for kind in ("float16", "float32", "float64"):
        found = convert._as_float32(place, "a/b", exact.astype(kind))
        yield kind, partial(_told, found.dtype.name, found.tolist()), ("float32", [0.5, -2.0])
    for name, array in (("finer", np.array([0.1])), ("larger", np.array([1e300])),
                        ("whole numbers", np.array([1, 2]))):  # fmt: skip
        said = Refused(f"{place}: 'a/b'", f"of {array.dtype} that float32")
        yield name, partial(convert._as_float32, place, "a/b", array), said


def _loaded(root: Path) -> Iterator[Row]:
    """A file is loaded as what it is."""
    paths = {name: cases.saved(root, make(), f"{name}.safetensors")
             for name, make in cases.MODELS.items()}  # fmt: skip
    yield "generator", lambda: store.load_generator(paths["generator"]).training, False
    yield "encoder", lambda: store.load_encoder(paths["mae"]).training, False
    said = Refused(str(paths["mae"]), "a masked autoencoder", "a generator")
    yield "no generator", partial(store.load_generator, paths["mae"]), said
    said = Refused(str(paths["generator"]), "a generator", "a masked autoencoder")
    yield "no encoder", partial(store.load_encoder, paths["generator"]), said
    said = Refused(str(root / "params"), "under the reference's paths", "drift import DIR")
    flat = architectures.to_reference(cases.generator().state_dict(), cases.generator().config)
    save_file({name: tensor.contiguous() for name, tensor in flat.items()}, root / "params")
    yield "the reference's layout", partial(store.load_artifact, root / "params"), said
    loaders: dict[str, Callable[..., object]] = {
        "generator": store.load_generator, "mae": store.load_encoder
    }  # fmt: skip
    for name, path in paths.items():
        cases.rewritten(path, metadata={"probe": None})
        strict = partial(loaders[name], path, require_metadata=True)
        yield f"faithful {path.stem}", strict, Refused("probe")


def _noted(root: Path) -> Iterator[Row]:
    """What the metadata of a file lack is said, line by line, and what mends it."""
    path = cases.saved(root, cases.generator(), "noted.safetensors")
    whole = dict(read_header(path).metadata or {})
    yield "nothing lacks", lambda: store._notes(whole), []
    yield "no metadata", lambda: store._notes({}), ["it has no metadata"]
    probe, digest = "records no probe output", "records no digest"
    for name, value, said in (
        ("architecture", None, ["lack architecture"]), ("config", None, ["lack config"]),
        ("width", None, ["lack width"]), ("tensors_sha256", None, [digest]),
        ("probe", None, [probe]), ("probe", "{}", [probe]),
        ("schema", "other/1", ["'other/1', not 'drift-artifact/1'"]),
        ("schema", None, ["follow the schema None"]), ("width", "wide", ["width is not underst"]),
    ):  # fmt: skip
        held = {**whole, name: value} if value else {k: v for k, v in whole.items() if k != name}
        notes = store._notes(held)
        told = [part in note for part, note in zip(said, notes, strict=False)]
        yield (
            f"{name} {value}",
            partial(_told, len(notes), *told),
            (len(said), *([True] * len(said))),
        )
    cases.rewritten(path, metadata={"width": None, "probe": None})
    heard = _Heard()
    with patch.object(store, "_log", heard):
        kept = store.load_artifact(path).notes
    yield "said as well", lambda: heard.said, [f"{path}: {note}" for note in kept]
    yield "two of them", lambda: len(kept), 2
    command = f"drift stamp {path} --width 32`"
    strict = partial(store.load_artifact, path, require_metadata=True)
    yield "what mends it", strict, Refused(str(path), "; ".join(kept), "complete", command)
    yield from _stamped(root, path)
    yield from _saved(root)
    yield from _described(root / "empty")


def _stamped(root: Path, path: Path) -> Iterator[Row]:
    """A width that was stamped outranks one in the name, and that is said."""
    named = root / "w640.safetensors"
    for stamped, refused in (('["width"]', False), ('["tier"]', True)):
        path = path.rename(named)
        cases.rewritten(path, metadata={"stamped": stamped, "width": "32"})
        heard = _Heard()
        with patch.object(claims, "_log", heard):
            went = cases.outcome(store.load_artifact, path)[0]
        said = (
            []
            if refused
            else [f"{path}: its width was stamped, which outranks a width in the name"]
        )
        wanted = ("refused" if refused else "accepted", said)
        yield f"stamped {stamped}", partial(_told, went, heard.said), wanted


def _saved(root: Path) -> Iterator[Row]:
    """Nothing is written over unasked, with fields left out or with what the model says."""
    there = cases.saved(root, cases.generator(), "there.safetensors")
    save = partial(store.save_artifact, there, cases.generator())
    yield "over a file", partial(save, cases.FIELDS), Refused(f"save {there}", "a file there")
    yield "over it", lambda: "probe" in save(cases.FIELDS, overwrite=True), True
    less = {k: v for k, v in cases.FIELDS.items() if k not in ("weights", "licence")}
    new = partial(store.save_artifact, root / "new.safetensors", cases.generator())
    yield "fields left out", partial(new, less), Refused("no weights, licence", "the fields")
    typed = {**cases.FIELDS, "width": "32"}
    yield "identity typed", partial(new, typed), Refused("width given", "taken from the model")


def _described(folder: Path) -> Iterator[Row]:
    """The metadata file of a directory: none, one that is no object of its own keys, a long one."""
    folder.mkdir()
    heard = _Heard()
    with patch.object(artifact, "_log", heard):
        read = artifact.read_metadata(folder)
    said = [f"{folder}: no metadata.json; what the tensors show is all there is"]
    yield "no metadata of a directory", partial(_told, read, heard.said), ({}, said)
    missing = partial(artifact.read_metadata, folder, require=True)
    yield "required", missing, Refused("metadata.json", "no readable file")
    meta = folder / "metadata.json"
    for name, text, words in (
        ("a list", b"[]", ("a JSON object without the key",)),
        ("a key of ours", b'{"drift_read": 1}', ("a JSON object without the key drift_read",)),
        ("long", b" " * ((1 << 20) + 1), (f"{(1 << 20) + 1} bytes", "at most 1048576 bytes")),
    ):  # fmt: skip

        def odd(text: bytes = text) -> object:
            meta.write_bytes(text)
            return artifact.read_metadata(folder)

        yield name, odd, Refused(str(meta), *words)
    meta.write_bytes(b'{"a": 1}' + b" " * ((1 << 20) - 8))
    yield "just long", partial(artifact.read_metadata, folder), {"a": 1}


def _claimed() -> Iterator[Row]:
    """What an embedded configuration claims and cannot mean; parameters lose their graph."""
    config = _fields_of(MAE)
    keys = {"width": 32, "blocks": [1, 1, 1, 1], "patch_size": 1, "in_channels": 4}

    def told(**changes: object) -> dict[str, object]:
        held = {"config": json.dumps({**config, **changes})}
        return {one.field: one.value for one in claims.claims_of(Path("x"), held, MAE)}

    yield "of an encoder", told, keys
    for name, value, field in (
        ("blocks", [1, True, 1, 1], "blocks"), ("blocks", [1, 0, 1, 1], "blocks"),
        ("blocks", [[1], 1, 1, 1], "blocks"), ("blocks", 4, "blocks"),
        ("base_channels", 0, "width"),
        ("base_channels", True, "width"), ("base_channels", [32], "width"),
        ("base_channels", LARGEST + 1, "width"), ("base_channels", "32", "width"),
    ):  # fmt: skip
        lost = {key: kept for key, kept in keys.items() if key != field}
        yield f"{name} {value}", partial(told, **{name: value}), lost
    yield "at the limit", lambda: told(base_channels=LARGEST)["width"], LARGEST
    model = cases.generator()
    there = architectures.to_reference(dict(model.named_parameters()), model.config)
    graphs = {tensor.requires_grad for tensor in there.values()}
    yield "no graph on the way out", partial(_told, *graphs), (False,)
    held = {name: tensor.requires_grad_() for name, tensor in there.items()}
    back = architectures.from_reference(held, model.config)
    yield "nor back", partial(_told, *{one.requires_grad for one in back.values()}), (False,)


def _sane() -> Iterator[Row]:
    """Numbers that would only exhaust the machine, by every way to a configuration."""
    generator, encoder = cases.generator().config, cases.autoencoder().config
    told = {GENERATOR: generator.to_reference(), MAE: encoder.to_reference()}
    large = LARGEST + 1
    for kind, change, name in (
        (GENERATOR, {"num_classes": large}, "num_classes"),
        (GENERATOR, {"depth": MOST_LAYERS + 1}, "depth"),
        (GENERATOR, {"noise_coords": MOST_LAYERS + 1}, "style_tokens"),
        (MAE, {"num_classes": large}, "num_classes"),
        (MAE, {"layers": [1, 1, MOST_LAYERS + 1, 1]}, "blocks"),
    ):  # fmt: skip
        call = partial(architectures.config_from_reference, kind, {**told[kind], **change})
        yield f"{kind} {name}", call, Refused(f"config.{name}", "at most")
        same = {"noise_coords": "style_tokens", "layers": "blocks"}
        fields = {**_fields_of(kind), **{same.get(k, k): v for k, v in change.items()}}
        call = partial(architectures.config_from_fields, kind, fields)
        yield f"{kind} {name} by fields", call, Refused(f"config.{name}", "at most")
    for most in ({"depth": MOST_LAYERS}, {"num_classes": LARGEST}):
        call = partial(architectures.config_from_reference, GENERATOR, {**told[GENERATOR], **most})
        found: Any = call()
        yield f"at most {most}", partial(_told, found.hidden_dim), (generator.hidden_dim,)
    for kind, name in ((GENERATOR, "patch_size"), (MAE, "base_channels")):
        call = partial(architectures.config_from_reference, kind, {**told[kind], name: 0})
        yield f"{kind} nonsense", call, Refused("model_config", f"of a {kind}", "metadata.json")
    many = partial(architectures.build, replace(generator, register_tokens=LARGEST))
    yield "many tokens", many, Refused("config", "tokens and an MLP")
    said = Refused("save_artifact", "found object", "a Generator or a")
    other: Any = object()
    yield "no model", partial(architectures.architecture_of, other), said


def _told(*facts: object) -> tuple[object, ...]:
    return facts


def _fields_of(kind: str) -> dict[str, Any]:
    """The fields of a small configuration."""
    config = cases.generator().config if kind == GENERATOR else cases.autoencoder().config
    return dict(json.loads(architectures.config_text(config)))


def _unwritten(root: Path, flat: Flat) -> Iterator[Row]:
    """A place below a file can be no folder, and nothing is left there."""
    (root / "file").write_bytes(b"x")
    below, why = root / "file" / "model.safetensors", "a folder that can be written to"
    fields = cases.FIELDS
    yield "an artefact", partial(store.save_artifact, below, cases.generator(), fields), Refused(
        str(below), "the error", why
    )  # fmt: skip
    said = Refused(str(root / "file"), "the error", why)
    yield "a directory", partial(export.write_artifact, root / "file", flat, {}), said
    said = Refused(str(root / "given" / artifact.PARAMS_FILE), "never overwrites", "another")
    yield "over another", partial(export.write_artifact, root / "given", flat, {}), said
    yield "untouched", lambda: (root / "file").read_bytes(), b"x"

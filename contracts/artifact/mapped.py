"""Checks of the way between the release's directories and our state dicts, name by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import nn

from drift import atomic
from drift.artifacts import architectures, evidence, filling, schema
from drift.artifacts.header import data_chunks, read_header
from drift.artifacts.stamping import stamp
from drift.encoder import EncoderConfig
from drift.generator import Generator, GeneratorConfig
from drift.interop import artifact, export, layout
from drift.interop.layout import Entry
from verify.api import CheckContext, Measurement, check, mutant

from ..common.places import folder
from ..common.rows import Refused, Row, judge_rows
from . import cases

SHAPES = {"b": (3,), "w": (2, 3), "k": (2, 1, 1, 3)}
LAYOUT = [Entry("m/b", "b"), Entry("m/w", "w", "dense"), Entry("m/k", "k", "conv")]


@check("artifact.mapped")
def mapped(ctx: CheckContext) -> Measurement:
    """Three parameters there and back, every departure by name, directories as they are read."""
    with folder() as root, patch.object(artifact, "_log"):
        rows = chain(
            _there_and_back(), _departures(), _directories(root), _configs(), _locked(root)
        )
        return judge_rows(ctx, rows, "facts of mappings")


def _theirs() -> dict[str, Any]:
    return {
        "m/b": np.arange(3, dtype=np.float32), "m/w": np.arange(6, dtype=np.float32).reshape(3, 2),
        "m/k": np.arange(6, dtype=np.float32).reshape(1, 3, 1, 2),  # H, W, in, out
    }  # fmt: skip


def _lists(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.tolist() for name, value in found.items()}


def _there_and_back() -> Iterator[Row]:
    ours = {"b": [0.0, 1.0, 2.0], "w": [[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]],
            "k": [[[[0.0, 2.0, 4.0]]], [[[1.0, 3.0, 5.0]]]]}  # fmt: skip
    made = partial(layout.to_ours, _theirs(), LAYOUT, SHAPES)
    yield "there", lambda: _lists(made()), ours
    yield "back", lambda: _lists(layout.to_reference(made(), LAYOUT, SHAPES)), _lists(_theirs())
    yield "copies", lambda: all(one.is_contiguous() for one in made().values()), True
    double = _theirs() | {"m/b": np.zeros(3)}
    yield "precision", lambda: layout.to_ours(double, LAYOUT, SHAPES)["b"].dtype, torch.float64
    given = {name: torch.from_numpy(value) for name, value in _theirs().items()}
    found = layout.to_ours(given, LAYOUT, SHAPES)
    given["m/b"].fill_(9.0)
    yield "no view", lambda: found["b"].tolist(), [0.0, 1.0, 2.0]
    yield "shapes", lambda: layout.shapes_of(nn.Linear(3, 2)), {"weight": (2, 3), "bias": (2,)}


def _departures() -> Iterator[Row]:
    def ours(**changes: Any) -> object:
        given = {k: v for k, v in {**_theirs(), **changes}.items() if v is not None}
        return layout.to_ours(given, LAYOUT, SHAPES)

    for name, changes, words in (
        ("missing", {"m/w": None}, ("1 parameters", "missing m/w: found nothing, expected (3, 2)")),
        ("surplus", {"m/x": np.zeros(4, np.float32)},
         ("surplus m/x: found (4,), expected nothing",)),
        ("turned", {"m/w": np.zeros((2, 3), np.float32)},
         ("misshapen m/w: found (2, 3), expected (3, 2)",)),
        ("whole numbers", {"m/b": np.zeros(3, np.int64)},
         ("unreadable m/b: found an array of int64",)),
        ("a whole tensor", {"m/b": torch.zeros(3, dtype=torch.int8)}, ("a tensor of torch.int8",)),
        ("a list", {"m/b": [1.0]}, ("m/b: found list, expected an array",)),
        ("two", {"m/b": None, "m/w": None}, ("2 parameters that do not fit", "missing m/b",
         "missing m/w")),
    ):  # fmt: skip
        yield name, partial(ours, **changes), Refused("reference parameters", *words, "Check that")
    small = {"b": torch.zeros(3), "w": torch.zeros(2, 3)}
    back = partial(layout.to_reference, small, LAYOUT, SHAPES)
    yield "missing on the way back", back, Refused("state dict", "missing k", "(2, 1, 1, 3)")
    for name, entries, shapes, said in (
        ("a path twice", [*LAYOUT, Entry("m/b", "c")], {**SHAPES, "c": (3,)},
         "reference path listed twice: m/b"),
        ("a name twice", [*LAYOUT, Entry("m/c", "b")], SHAPES, "own name listed twice: b"),
        ("a name left out", LAYOUT, {**SHAPES, "c": (3,)}, "layout and module disagree on: c"),
    ):  # fmt: skip
        yield (
            name,
            partial(_mistaken, entries, shapes),
            f"layout: {said}" if "twice" in said else said,
        )
    model = cases.generator()
    header = _header_of(model)
    yield "the same tensors", lambda: filling.require_same_tensors(header, model), None
    entry = next(iter(header.tensors.values()))
    for name, tensors, words in (
        ("none", {k: v for k, v in header.tensors.items() if k != entry.name}, ("missing",
         entry.name)),
        ("one more", {**header.tensors, "more": entry}, ("surplus more",)),
        ("narrow", {**header.tensors, entry.name: replace(entry, dtype="F16")},
         ("found dtype F16, expected F32",)),
        ("longer", {**header.tensors, entry.name: replace(entry, shape=(1, *entry.shape))},
         ("misshapen",)),
    ):  # fmt: skip
        other = replace(header, tensors=tensors)
        yield (
            f"tensors: {name}",
            partial(filling.require_same_tensors, other, model),
            Refused(*words),
        )


def _header_of(model: Any) -> Any:
    with folder() as place:
        return read_header(cases.saved(place, model))


def _mistaken(entries: list[Entry], shapes: Mapping[str, tuple[int, ...]]) -> str:
    try:
        layout.to_ours({}, entries, shapes)
    except AssertionError as error:
        return str(error)
    return ""


# directories


def _directories(root: Path) -> Iterator[Row]:
    flat = {"a/x": np.ones(2, np.float32), "b": np.zeros(1, np.int8)}

    def read(arrays: Mapping[str, Any], meta: bytes | None = b'{"k": 1}', **more: Any) -> object:
        place = root / "d"
        place.mkdir(exist_ok=True)
        (place / "ema_params.msgpack").unlink(missing_ok=True)
        export.write_artifact(place, arrays, {})
        (place / "metadata.json").write_bytes(meta or b"")
        if meta is None:
            (place / "metadata.json").unlink()
        data = (place / "ema_params.msgpack").read_bytes()
        found, metadata = artifact.read_artifact(place, **more)
        said = metadata.pop("drift_read", {})
        right = said.get("sha256") == hashlib.sha256(data).hexdigest() and said["bytes"] == len(
            data
        )
        return list(found), metadata, right, (said["leaves"], said["dtypes"])

    counted = (2, {"float32": 1, "int8": 1})
    yield "a directory", partial(read, flat), (["a/x", "b"], {"k": 1}, True, counted)
    yield "no metadata", partial(read, flat, None), (["a/x", "b"], {}, True, counted)
    for wrapper in ("params", "ema_params"):
        wrapped = {f"{wrapper}/{name}": value for name, value in flat.items()}
        yield f"in {wrapper}", partial(read, wrapped), (["a/x", "b"], {"k": 1}, True, counted)
    half = {"params/x": flat["b"], "y": flat["b"]}
    yield "half of it wrapped", lambda: read(half)[0], ["params/x", "y"]  # type: ignore[index]
    needed = partial(read, flat, None, require_metadata=True)
    yield (
        "metadata that are needed",
        needed,
        Refused("metadata.json", "no readable file", "Give the"),
    )
    for name, meta, words in (
        ("a list", b"[]", ("a JSON object without the key",)), ("no JSON", b"{", ("strict JSON",)),
        ("our own key", b'{"drift_read": 1}', ("without the key drift_read",)),
    ):  # fmt: skip
        yield f"metadata: {name}", partial(read, flat, meta), Refused("metadata.json", *words)

    def limited(most: int) -> object:
        with patch.object(artifact, "METADATA_BYTES", most):
            return read(flat)

    yield "as long as may be", partial(limited, 8), (["a/x", "b"], {"k": 1}, True, counted)
    yield "longer", partial(limited, 7), Refused("8 bytes", "at most 7")
    for value in (np.nan, np.inf, -np.inf):
        bad = {**flat, "a/x": np.array([0.0, value], np.float32)}
        yield f"{value}", partial(read, bad), Refused("'a/x'", "not finite", "fetch it again")
    none = partial(artifact.read_artifact, root / "none")
    yield "no directory", none, Refused("no readable file", "ema_params.msgpack and metadata.json")


def _locked(root: Path) -> Iterator[Row]:
    """What the system refuses to open names its place, the reason and what is expected there."""
    model = cases.generator()
    path = cases.saved(root, model, "locked.safetensors")
    header = read_header(path)
    empty = architectures.build(model.config)
    for name in ("told", "bare"):
        export.write_artifact(root / name, {"x": np.ones(1, np.float32)}, {})
    (root / "bare" / artifact.METADATA_FILE).unlink()
    reads: tuple[tuple[str, Path, Callable[[], object]], ...] = (
        ("a header", path, lambda: read_header(path)),
        ("data", path, lambda: list(data_chunks(header))),
        ("tensors", path, lambda: filling.fill(empty, header)),
        ("metadata", root / "told" / artifact.METADATA_FILE,
         lambda: artifact.read_metadata(root / "told")),
        ("parameters", root / "bare" / artifact.PARAMS_FILE,
         lambda: artifact.read_artifact(root / "bare")),
    )  # fmt: skip
    no = PermissionError(13, "no entry")
    for name, place, call in reads:

        def opened(call: Callable[[], object] = call) -> object:
            with (
                patch.object(Path, "open", side_effect=no),
                patch.object(Path, "read_bytes", side_effect=no),
            ):
                return call()

        found = f"{place}: found the error 'no entry'"
        yield f"{name}, locked", opened, Refused(found, "a readable file", "its permissions")

    def full() -> object:
        with patch.object(atomic, "replacing", side_effect=OSError(28, "no room")):
            return stamp(path, {"tier": "A"})

    said = Refused(f"{path}: found the error 'no room'", "for a second copy", "the free space")
    yield "a stamp on a full disk", full, said


# configurations


def _configs() -> Iterator[Row]:
    """What shapes give back, what has to be assumed, and what no machine should be asked for."""
    for model in (cases.generator(), cases.autoencoder()):
        kind = architectures.architecture_of(model)
        seen = evidence.infer(layout.shapes_of(model), place="p")
        recovered = partial(architectures.recover, seen, place="p")
        patch_ = "patch size 2 with 4 channels" if kind == schema.GENERATOR else (
            "patch size 1 with 4 channels"
        )  # fmt: skip
        last = "RoPE" if kind == schema.GENERATOR else "mask patch 2"
        yield f"recovered {kind}", recovered, (model.config, [patch_, "float32 activations", last])
        fields = json.loads(architectures.config_text(model.config))
        again = partial(architectures.config_from_fields, kind, fields)
        yield f"from its fields, {kind}", again, model.config
        reference = partial(architectures.config_from_reference, kind, model.config.to_reference())
        yield f"from the release's, {kind}", reference, model.config
        for lost in ("width", "depth", "patch_channels"):
            left = {name: value for name, value in seen.values.items() if name != lost}
            bare = replace(seen, values=left)
            said = Refused("no configuration", "field config", "load_artifact(path, config=...)")
            yield f"{kind} without {lost}", partial(architectures.recover, bare, place="p"), said
    yield from _switched()
    odd = partial(architectures.config_from_fields, schema.GENERATOR, {"more": 1})
    yield "an unknown field", odd, Refused("config", "more", "fields of a drift-generator")
    said = Refused("Linear")
    yield "another module", lambda: architectures.architecture_of(nn.Linear(1, 1)), said
    most = replace(cases.generator().config, depth=1024)
    yield "as deep as may be", lambda: architectures._require_sane(most), None
    for name, config, words in (
        ("too deep", replace(most, depth=1025), ("config.depth", "1025", "at most 1024")),
        ("too many styles", replace(most, style_tokens=1025), ("config.style_tokens",)),
        ("too many tokens", replace(most, register_tokens=4096), ("4112 tokens", "at most 4096")),
        ("too wide", replace(most, num_classes=(1 << 24) + 1), ("config.num_classes", "16777216")),
    ):  # fmt: skip
        yield name, partial(architectures._require_sane, config), Refused(*words)
    filled = replace(most, register_tokens=4080)
    yield "as many tokens as may be", lambda: architectures._require_sane(filled), None
    blocks: Any = EncoderConfig(
        in_channels=4, base_channels=32, blocks=(1, 1, 1, 1025), num_classes=5
    )
    yield "too many blocks", lambda: architectures._require_sane(blocks), Refused("config.blocks")
    yield "kinds", lambda: architectures.CONFIGS[schema.GENERATOR], GeneratorConfig


def _switched() -> Iterator[Row]:
    """Generators with one part left out or replaced, there and back; models without weights."""
    whole = cases.generator().config

    def again(config: GeneratorConfig) -> object:
        state = Generator(config, generator=torch.Generator().manual_seed(1)).state_dict()
        there = architectures.to_reference(state, config)
        back = architectures.from_reference(there, config)
        norms = sorted(one.partition("Attention_0/")[2] for one in there if "blocks_0/" in one)
        same = {name: torch.equal(back[name], value) for name, value in state.items()}
        lost = [name for name, kept in same.items() if not kept]
        return [one for one in norms if "_norm/" in one], lost, len(there) == len(state)

    rms = ["k_norm/weight", "q_norm/weight"]
    layer = ["k_norm/bias", "k_norm/scale", "q_norm/bias", "q_norm/scale"]
    for changes, norms in (
        ({}, rms), ({"rmsnorm": False}, layer), ({"qk_norm": False}, []), ({"swiglu": False}, rms),
        ({"rmsnorm": False, "qk_norm": False}, []), ({"register_tokens": 0}, rms),
    ):  # fmt: skip
        call = partial(again, replace(whole, **changes))
        yield f"there and back with {changes}", call, (norms, [], True)
    for config in (whole, cases.autoencoder().config):
        built = partial(architectures.build, config)
        devices = partial(lambda built: {one.device.type for one in built().parameters()}, built)
        yield f"{type(config).__name__} without weights", devices, {"meta"}


OTHER_VALUES = (
    # Kernels keep their axes.
    mutant("artifact.kernels_as_they_are", layout._TO_OURS, conv=(3, 2, 1, 0)),
    # A collection's name stays around the tree.
    mutant("artifact.wrapped", artifact, WRAPPERS=()),
    # Any size is sane.
    mutant("artifact.endless_layers", architectures, MOST_LAYERS=1 << 30, MOST_TOKENS=1 << 30),
)

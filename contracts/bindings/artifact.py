"""Artefacts: round trips, strict loading, claims against tensors, stamping, the score, hostility."""

from __future__ import annotations

import json
import shlex
import struct
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file, save_file
from torch import Tensor

from contracts.bindings import artifact_cases as cases
from contracts.bindings.artifact_cases import MODELS, Model
from drift.artifacts import claims, filling, probe, quality, schema
from drift.artifacts.header import data_chunks, read_header
from drift.errors import DriftError
from drift.interop import export
from verify.api import CheckContext, Measurement, check

NEEDS = ("save_artifact", "load_artifact")
SMALL_CHUNKS = 4096  # bytes, so that small arrays are written in many chunks
MEMORY_FACTOR = 4  # a refused file may cost this many times its size, and the slack
MEMORY_SLACK = 2 << 20


@contextmanager
def folder() -> Iterator[Path]:
    """A directory of the check's own."""
    with tempfile.TemporaryDirectory(prefix="artifact-") as name:
        yield Path(name)


def outcome(call: Callable[[], object]) -> tuple[str, str]:
    """("accepted" | "refused" | "crashed", message) of a call that may raise."""
    try:
        call()
    except DriftError as error:
        return "refused", str(error)
    except Exception as error:
        return "crashed", f"{type(error).__name__}: {error}"[:200]
    return "accepted", ""


# round trip


@check("artifact.round_trip", needs=(*NEEDS, "read_artifact", "import_artifact", "export_artifact"))
def round_trip(ctx: CheckContext) -> Measurement:
    """Reference directory -> artefact -> reference directory, bit for bit; the same outputs."""
    tensors = 0
    for case in ctx.params["cases"]:
        flat, model_config = _golden(ctx, case)
        with folder() as place, patch.object(export, "CHUNK_BYTES", SMALL_CHUNKS):
            went = outcome(lambda: _there_and_back(ctx, flat, model_config, place))  # noqa: B023
            if went[0] != "accepted":
                return ctx.decide(False, f"{case}: {went[1]}")
            for stage in ("read", "back"):
                wrong = _first_difference(flat, dict(np.load(place / f"{stage}.npz")))
                if wrong:
                    return ctx.decide(False, f"{case}, {stage}: {wrong} is not the same")
            outputs = [
                probe.run(ctx.subject.load_artifact(place / f"{name}.safetensors").model, 3)
                for name in ("model", "again")
            ]
            if not torch.equal(*outputs):
                return ctx.decide(False, f"{case}: other samples after the round trip")
        tensors += len(flat)
    return ctx.decide(True, f"{tensors} tensors of {len(ctx.params['cases'])} models bit for bit")


def _there_and_back(
    ctx: CheckContext, flat: dict[str, NDArray[Any]], model_config: object, place: Path
) -> None:
    export.write_artifact(place / "given", flat, {"model_config": model_config})
    np.savez(place / "read.npz", **ctx.subject.read_artifact(place / "given")[0])
    ctx.subject.import_artifact(place / "given", place / "model.safetensors")
    ctx.subject.export_artifact(place / "model.safetensors", place / "returned")
    np.savez(place / "back.npz", **ctx.subject.read_artifact(place / "returned")[0])
    ctx.subject.import_artifact(place / "returned", place / "again.safetensors")


def _first_difference(a: dict[str, NDArray[Any]], b: dict[str, NDArray[Any]]) -> str | None:
    for name in sorted(set(a) | set(b)):
        if name not in a or name not in b or a[name].shape != b[name].shape:
            return name
        if a[name].dtype != b[name].dtype or a[name].tobytes() != b[name].tobytes():
            return name
    return None


def _golden(ctx: CheckContext, case: str) -> tuple[dict[str, NDArray[Any]], Any]:
    tensors = load_arrays(ctx.spec_file(f"golden/{case}.safetensors"))
    record = json.loads(ctx.spec_file(f"golden/{case}.json").read_text(encoding="utf-8"))
    prefix = "params/"
    flat = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    return flat, record["model_config"]


# strict loading


@check("artifact.strict_loading", needs=NEEDS)
def strict_loading(ctx: CheckContext) -> Measurement:
    """Each kind of damage to a drawn tensor is refused, and the message names that tensor."""
    rng = np.random.default_rng(ctx.seed)
    tried = 0
    for kind, build in MODELS.items():
        with folder() as place:
            path = cases.saved(place, build())
            whole = path.read_bytes()
            for damage, change in DAMAGES.items():
                name = str(rng.choice(sorted(load_file(path))))
                cases.rewritten(path, tensors=lambda held: change(held, name))  # noqa: B023
                went, message = outcome(lambda: ctx.subject.load_artifact(path))  # noqa: B023
                path.write_bytes(whole)
                if went != "refused" or name not in message:
                    return ctx.decide(False, f"{kind}: {damage} {name}: {went}, {message[:200]}")
                tried += 1
    return ctx.decide(True, f"{tried} damaged files, each tensor named")


def _drop(held: dict[str, Tensor], name: str) -> None:
    del held[name]


def _rename(held: dict[str, Tensor], name: str) -> None:
    held[f"{name}.other"] = held.pop(name)


def _reshape(held: dict[str, Tensor], name: str) -> None:
    held[name] = held[name].unsqueeze(-1).expand(*held[name].shape, 2).contiguous()


def _transpose(held: dict[str, Tensor], name: str) -> None:
    """Only the shape tells: the bytes are those of the file."""
    held[name] = held[name].reshape(*held[name].shape, 1)


def _narrow(held: dict[str, Tensor], name: str) -> None:
    held[name] = held[name].to(torch.float16)


DAMAGES: dict[str, Callable[[dict[str, Tensor], str], None]] = {
    "dropped": _drop,
    "renamed": _rename,
    "misshapen": _reshape,
    "with one more dimension": _transpose,
    "in float16": _narrow,
}


@check("artifact.digest", needs=NEEDS)
def digest(ctx: CheckContext) -> Measurement:
    """One changed bit, and two tensors of one shape that changed places, are both found."""
    with folder() as place:
        path = cases.saved(place, MODELS["generator"]())
        whole = path.read_bytes()
        for damage, change in (("a nudged number", _nudge), ("swapped tensors", _swap)):
            # without the probe, which would find most of this too
            cases.rewritten(path, tensors=change, metadata={"probe": None})
            went, message = outcome(lambda: ctx.subject.load_artifact(path))
            path.write_bytes(whole)
            if went != "refused" or "digest" not in message:
                return ctx.decide(False, f"{damage}: {went}, {message[:200]}")
        went, message = outcome(lambda: ctx.subject.load_artifact(path, require_metadata=True))
        return ctx.decide(went == "accepted", f"the file itself: {went}; both damages found")


def _nudge(held: dict[str, Tensor]) -> None:
    raw = held["positions"].view(torch.int32)
    raw[0, 3, 5] ^= 1  # the last bit of one number


def _swap(held: dict[str, Tensor]) -> None:
    a, b = "blocks.0.attention.qkv.weight", "blocks.1.attention.qkv.weight"
    held[a], held[b] = held[b], held[a]


# silent random initialisation


@check("artifact.probe", needs=NEEDS)
def probe_check(ctx: CheckContext) -> Measurement:
    """Parameters of another draw, in a file without a digest, do not reproduce the probe."""
    for kind, build in MODELS.items():
        with folder() as place:
            path = cases.saved(place, build(seed=1))
            went, message = outcome(lambda: ctx.subject.load_artifact(path))  # noqa: B023
            if went != "accepted":
                return ctx.decide(False, f"{kind}: its own parameters: {message[:200]}")
            other = build(seed=2 + ctx.seed).state_dict()
            cases.rewritten(
                path,
                tensors=lambda held: held.update(other),  # noqa: B023
                metadata={"tensors_sha256": None},
            )
            went, message = outcome(lambda: ctx.subject.load_artifact(path))  # noqa: B023
            if went != "refused" or "probe" not in message:
                return ctx.decide(False, f"{kind}: other parameters: {went} {message[:200]}")
    return ctx.decide(True, "only the saved parameters reproduce their recorded output")


@check("artifact.no_random_initialisation", needs=NEEDS)
def no_random_initialisation(ctx: CheckContext) -> Measurement:
    """A loader that fills nothing, or draws anew, is stopped, whatever the output is."""
    silent = _untrained(1)
    subjects: dict[str, tuple[Model, Model]] = {
        "a trained generator": (cases.generator(seed=1), cases.generator(seed=2)),
        "an autoencoder": (cases.autoencoder(seed=1), cases.autoencoder(seed=2)),
        "a generator whose output is zero": (silent, _untrained(2)),
    }
    for name, (model, other) in subjects.items():
        with folder() as place:
            path = cases.saved(place, model)
            faults: dict[str, Callable[..., Any]] = {
                "fills nothing": lambda model, header: None,
                "draws anew": lambda model, header: model.load_state_dict(  # noqa: B023
                    other.state_dict(),  # noqa: B023
                    assign=True,
                ),
            }
            for fault, fill in faults.items():
                with patch.object(filling, "fill", fill):
                    went, _ = outcome(lambda: ctx.subject.load_artifact(path))  # noqa: B023
                if went != "refused":
                    return ctx.decide(False, f"{name}, a loader that {fault}: {went}")
    return ctx.decide(True, f"{len(subjects)} models; neither fault passes")


def _untrained(seed: int) -> Model:
    """As the release initialises it: the output head is zero, so that every sample is."""
    drawn = torch.Generator().manual_seed(seed)
    return type(cases.generator())(cases.generator().config, generator=drawn)


# claims


@check("artifact.contradiction_mended", needs=(*NEEDS, "stamp_artifact"))
def contradiction_mended(ctx: CheckContext) -> Measurement:
    """Every false claim stops the load with both values; the command it prints mends it."""
    tried = 0
    for kind, field, shown, claimed in ctx.params["claims"]:
        with folder() as place:
            path = cases.saved(place, MODELS[kind](ctx.params["width"]), "a model.safetensors")
            problem = _contradict(ctx, path, field, str(shown), str(claimed))
            if problem:
                return ctx.decide(False, f"{kind}, {field} {claimed} for {shown}: {problem}")
        tried += 1
    return ctx.decide(True, f"{tried} false claims, each stopped and mended by its command")


def _contradict(
    ctx: CheckContext, path: Path, field: str, shown: str, claimed: str
) -> str | None:
    """Claim a false value in the field and in the embedded config; None where all is well."""
    metadata: dict[str, str | None] = {field: claimed}
    config = json.loads((read_header(path).metadata or {})["config"])
    key = claims.CONFIG_KEYS[(read_header(path).metadata or {})["architecture"]].get(field)
    if key is not None:
        metadata["config"] = json.dumps(config | {key: json.loads(claimed)})
    cases.rewritten(path, metadata=metadata)
    went, message = outcome(lambda: ctx.subject.load_artifact(path))
    if went != "refused" or claimed not in message or shown not in message:
        return f"{went}, {message[:200]}"
    commands = [line for line in message.splitlines() if line.strip().startswith("drift stamp")]
    if not commands:
        return f"no command in: {message[:200]}"
    words = shlex.split(commands[0])
    options = dict(zip(words[3::2], words[4::2], strict=True))
    stamped = {name.removeprefix("--").replace("-", "_"): v for name, v in options.items()}
    went, message = outcome(lambda: ctx.subject.stamp_artifact(words[2], stamped))
    if went == "accepted":
        went, message = outcome(lambda: ctx.subject.load_artifact(path, require_metadata=True))
    return None if went == "accepted" else f"after `{commands[0].strip()}`: {message[:200]}"


@check("artifact.width_in_the_name", needs=NEEDS)
def width_in_the_name(ctx: CheckContext) -> Measurement:
    """A file named for another width than its tensors have is refused, larger and smaller."""
    shown = int(ctx.params["width"])
    with folder() as place:
        path = cases.saved(place, cases.autoencoder(shown))
        for name, claimed in ctx.params["names"].items():
            path = path.rename(place / f"{name}.safetensors")
            went, message = outcome(lambda: ctx.subject.load_artifact(path))  # noqa: B023
            wanted = "accepted" if claimed in (None, shown) else "refused"
            told = wanted == "accepted" or (str(claimed) in message and str(shown) in message)
            if went != wanted or not told:
                return ctx.decide(False, f"{name} with width {shown}: {went} {message[:200]}")
    return ctx.decide(True, f"{len(ctx.params['names'])} names told apart")


@check("artifact.absent_metadata", needs=NEEDS)
def absent_metadata(ctx: CheckContext) -> Measurement:
    """What the metadata lack is noted and recovered; only a faithful run stops."""
    losses: list[dict[str, str | None]] = [
        dict.fromkeys((*schema.FIELDS, *schema.ATTESTED)),
        {"schema": "other/1"},
        {"config": None},
        {"config": "{"},
        {"width": "wide"},
        {"probe": None},
        {"tensors_sha256": None},
    ]
    with folder() as place:
        path = cases.saved(place, cases.generator())
        whole = path.read_bytes()
        for loss in losses:
            cases.rewritten(path, metadata=loss)
            loaded: list[Any] = []
            plain, message = outcome(lambda: loaded.append(ctx.subject.load_artifact(path)))  # noqa: B023
            faithful, _ = outcome(lambda: ctx.subject.load_artifact(path, require_metadata=True))
            path.write_bytes(whole)
            if (plain, faithful) != ("accepted", "refused"):
                lost = ", ".join(list(loss)[:3])
                found = f"plain {plain}, faithful {faithful}"
                return ctx.decide(False, f"without {lost}: {found} {message[:200]}")
            if not loaded[0].notes or loaded[0].model.config != cases.generator().config:
                return ctx.decide(False, "loaded without a note, or with another configuration")
    return ctx.decide(True, f"{len(losses)} losses noted; only faithful runs stop")


# stamping and the score


@check("artifact.stamp", needs=(*NEEDS, "stamp_artifact"))
def stamp(ctx: CheckContext) -> Measurement:
    """Each field alone: the tensors' bytes and the other fields stay; nothing or nonsense is
    refused."""
    with folder() as place:
        path = cases.saved(place, cases.generator())
        for field, value in ctx.params["values"].items():
            before = read_header(path)
            data = b"".join(data_chunks(before))
            went, message = outcome(lambda: ctx.subject.stamp_artifact(path, {field: value}))  # noqa: B023
            after = read_header(path)
            if went != "accepted" or b"".join(data_chunks(after)) != data:
                return ctx.decide(False, f"{field}: {went}, other tensor bytes {message[:200]}")
            odd = _changed(before.metadata or {}, after.metadata or {}) - {field, "stamped"}
            if odd or (after.metadata or {})[field] != value:
                return ctx.decide(False, f"{field}: also changed {sorted(odd)}, or not set")
        for nonsense in ({}, {"nonsense": "1"}, {"probe": "{}"}, {"width": "wide"}):
            whole = path.read_bytes()
            went, _ = outcome(lambda: ctx.subject.stamp_artifact(path, nonsense))  # noqa: B023
            if went != "refused" or path.read_bytes() != whole:
                return ctx.decide(False, f"the patch {nonsense}: {went}")
    return ctx.decide(True, f"{len(ctx.params['values'])} fields, each on its own")


def _changed(a: Any, b: Any) -> set[str]:
    return {name for name in {*a, *b} if a.get(name) != b.get(name)}


@check("artifact.score", needs=(*NEEDS, "stamp_artifact", "assess_artifact"))
def score(ctx: CheckContext) -> Measurement:
    """Weights sum to 100; each stamp raises its own component, no other; all of them give 100."""
    if sum(quality.WEIGHTS.values()) != 100:
        return ctx.decide(False, f"the weights sum to {sum(quality.WEIGHTS.values())}")
    with folder() as place:
        path = cases.saved(place, cases.generator())
        save_file(load_file(path), path, metadata=_attested(path))
        for field, value in ctx.params["values"].items():
            before = _points(ctx, path)
            ctx.subject.stamp_artifact(path, {field: value})
            after = _points(ctx, path)
            moved = {name for name in before if before[name] != after[name]}
            if moved != {ctx.params["components"][field]} or sum(after.values()) <= sum(
                before.values()
            ):
                return ctx.decide(False, f"stamping {field} moved {sorted(moved)}")
        total = ctx.subject.assess_artifact(read_header(path)).score
    return ctx.decide(total == 100, f"all fields stamped: {total} of 100", measured=float(total))


def _attested(path: Path) -> dict[str, str]:
    """What the writer proves; everything that a person states is taken away."""
    metadata = read_header(path).metadata or {}
    kept = ("schema", "tensors_sha256", "probe", "config")
    return {name: metadata[name] for name in kept}


def _points(ctx: CheckContext, path: Path) -> dict[str, float]:
    parts = ctx.subject.assess_artifact(read_header(path)).components
    return {part.name: part.earned for part in parts}


# hostile files


@check("artifact.hostile", needs=(*NEEDS, "read_artifact"))
def hostile(ctx: CheckContext) -> Measurement:
    """Named hostile files are refused; random damage is refused or harmless; memory stays small."""
    rng = np.random.default_rng(ctx.seed)
    with folder() as place:
        reference = place / "reference"
        reference.mkdir()
        (reference / "metadata.json").write_text("{}")
        for name, data in HOSTILE.items():
            (reference / "ema_params.msgpack").write_bytes(data)
            problem = _bounded(lambda: ctx.subject.read_artifact(reference), len(data), "refused")
            if problem:
                return ctx.decide(False, f"{name}: {problem}")
        path = cases.saved(place, cases.generator(8))
        ctx.subject.export_artifact(path, place / "honest")
        honest = {
            path: path.read_bytes(),
            reference / "ema_params.msgpack": (place / "honest/ema_params.msgpack").read_bytes(),
        }
        readers: dict[Path, Callable[[], object]] = {
            path: lambda: ctx.subject.load_artifact(path),
            reference / "ema_params.msgpack": lambda: ctx.subject.read_artifact(reference),
        }
        for number in range(ctx.examples):
            for target, data in honest.items():
                target.write_bytes(damaged(rng, data))
                problem = _bounded(readers[target], len(data), None)
                if problem:
                    return ctx.decide(False, f"{target.name}, damage {number}: {problem}")
    return ctx.decide(True, f"{len(HOSTILE)} hostile and {2 * ctx.examples} damaged files")


def _bounded(call: Callable[[], object], size: int, wanted: str | None) -> str | None:
    """What is wrong with an outcome, or with the memory it took; None where nothing is."""
    tracemalloc.start()
    went, message = outcome(call)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    if went == "crashed" or (wanted is not None and went != wanted):
        return f"{went}, {message[:200]}"
    if went == "refused" and not ("found" in message and "expected" in message):
        return f"an unclear message: {message[:200]}"
    allowed = MEMORY_FACTOR * size + MEMORY_SLACK
    return f"{peak} bytes for a file of {size}" if peak > allowed else None


def damaged(rng: np.random.Generator, data: bytes) -> bytes:
    """A file cut short, with flipped bits, or with a piece of it elsewhere."""
    out = bytearray(data)
    kind = rng.integers(3)
    at = int(rng.integers(len(out)))
    if kind == 0:
        return bytes(out[:at])
    if kind == 1:
        for place in rng.integers(min(len(out), 4000), size=4):
            out[place] ^= 1 << int(rng.integers(8))
        return bytes(out)
    return bytes(out[:at] + out[: int(rng.integers(400))] + out[at:])


def _array(shape: bytes, dtype: str, declared: int, data: bytes = b"") -> bytes:
    """{"a": an array} in Flax's form, with the length `declared` whatever `data` holds."""
    inner = b"\x93" + shape + bytes([0xA0 + len(dtype)]) + dtype.encode()
    inner += b"\xc6" + struct.pack(">I", declared) + data
    return b"\x81\xa1a\xc9" + struct.pack(">I", max(declared, len(inner))) + b"\x01" + inner


_ONE = _array(b"\x91\x01", "float32", 4, b"\x00\x00\x80?")[3:]
HOSTILE: dict[str, bytes] = {
    "an array of 2 GB that is not there": _array(b"\x91\xce\x20\x00\x00\x00", "float32", 1 << 31),
    "a map of four billion": b"\xdf\xff\xff\xff\xff\xa1a",
    "modules nested 100,000 deep": b"\x81\xa1a" * 100_000 + _ONE,
    "the same name twice": b"\x82\xa1a" + _ONE + b"\xa1a" + _ONE,
    "an array of objects": _array(b"\x91\x01", "object", 8, b"\x00" * 8),
    "a shape that its bytes do not fill": _array(b"\x91\x04", "float32", 4, b"\x00" * 4),
    "a file cut short": (b"\x81\xa1a" + _ONE)[:-2],
}

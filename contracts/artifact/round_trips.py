"""Artefacts: round trips, strict loading, and no silent random initialisation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from drift.artifacts import filling, probe
from drift.interop import export
from verify.api import CheckContext, Measurement, check

from ..common import golden
from ..common.places import folder
from . import cases
from .cases import MODELS, Model, outcome

NEEDS = ("save_artifact", "load_artifact")
SMALL_CHUNKS = 4096  # bytes, so that small arrays are written in many chunks


@check("artifact.round_trip", needs=(*NEEDS, "read_artifact", "import_artifact", "export_artifact"))
def round_trip(ctx: CheckContext) -> Measurement:
    """Reference directory -> artefact -> reference directory, bit for bit; the same outputs."""
    tensors = 0
    for case in ctx.params["cases"]:
        flat, model_config = _golden(ctx, case)
        with folder() as place, patch.object(export, "CHUNK_BYTES", SMALL_CHUNKS):
            went = outcome(_there_and_back, ctx, flat, model_config, place)
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
    held = golden.recorded(ctx, case)
    return held.group("params"), held.meta["model_config"]


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
                cases.rewritten(path, tensors=partial(change, name=name))
                went, message = outcome(ctx.subject.load_artifact, path)
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


DAMAGES: dict[str, Callable[..., None]] = {
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
            went, message = outcome(ctx.subject.load_artifact, path)
            path.write_bytes(whole)
            if went != "refused" or "digest" not in message:
                return ctx.decide(False, f"{damage}: {went}, {message[:200]}")
        went, message = outcome(ctx.subject.load_artifact, path, require_metadata=True)
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
            went, message = outcome(ctx.subject.load_artifact, path)
            if went != "accepted":
                return ctx.decide(False, f"{kind}: its own parameters: {message[:200]}")
            other = build(seed=2 + ctx.seed).state_dict()
            cases.rewritten(
                path,
                tensors=partial(_replace, other=other),
                metadata={"tensors_sha256": None},
            )
            went, message = outcome(ctx.subject.load_artifact, path)
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
            faults: dict[str, Callable[..., None]] = {
                "fills nothing": lambda model, header: None,
                "draws anew": partial(_draw_anew, other=other),
            }
            for fault, fill in faults.items():
                with patch.object(filling, "fill", fill):
                    went, _ = outcome(ctx.subject.load_artifact, path)
                if went != "refused":
                    return ctx.decide(False, f"{name}, a loader that {fault}: {went}")
    return ctx.decide(True, f"{len(subjects)} models; neither fault passes")


def _replace(held: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    held.update(other)


def _draw_anew(model: Model, header: object, other: Model) -> None:
    model.load_state_dict(other.state_dict(), assign=True)


def _untrained(seed: int) -> Model:
    """As the release initialises it: the output head is zero, so that every sample is."""
    drawn = torch.Generator().manual_seed(seed)
    return type(cases.generator())(cases.generator().config, generator=drawn)

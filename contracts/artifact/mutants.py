"""Realistic mistakes around artefacts; each changes the engine in place and undoes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from numpy.typing import NDArray
from torch import Tensor

from drift.artifacts import (
    architectures,
    claims,
    contents,
    evidence,
    filling,
    probe,
    stamping,
    store,
    strict_json,
)
from drift.interop import flax_reader
from drift.interop.layout import LayoutError
from verify.api import mutant

Patched = AbstractContextManager[Any]


def nothing(*args: object, **options: object) -> None:
    """A check that was forgotten."""


# round trip


@mutant("artifact.column_major")
def column_major(subject: object) -> Patched:
    """The bytes of an array taken in Fortran's order."""

    def widened(raw: NDArray[Any], dtype: str) -> NDArray[Any]:
        return raw.reshape(-1).reshape(raw.shape, order="F")

    return patch.object(flax_reader, "_widened", widened)


@mutant("artifact.half_precision_export")
def half_precision_export(subject: object) -> Patched:
    """An export from weights that went through bfloat16."""
    real = architectures.to_reference

    def rounded(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
        flat = real(state, config)
        return {path: tensor.bfloat16().float() for path, tensor in flat.items()}

    return patch.object(architectures, "to_reference", rounded)


@mutant("artifact.config_without_rope")
def config_without_rope(subject: object) -> Patched:
    """The embedded configuration leaves a switch out, and the loader takes its opposite."""
    real = architectures.config_text

    def text(config: Any) -> str:
        fields = json.loads(real(config))
        return strict_json.canonical(fields | ({"rope": False} if "rope" in fields else {}))

    return patch.object(architectures, "config_text", text)


# loading


@mutant("artifact.load_not_strict")
def load_not_strict(subject: object) -> Patched:
    """load_state_dict(strict=False): what is missing keeps its initial values."""
    return _lenient(filling.require_same_tensors, {"missing", "surplus"})


@mutant("artifact.shapes_not_compared")
def shapes_not_compared(subject: object) -> Patched:
    """Names are compared, shapes and dtypes are not."""
    return _lenient(filling.require_same_tensors, {"misshapen", "unreadable"})


@contextmanager
def _lenient(real: Any, ignored: set[str]) -> Iterator[None]:
    """A comparison that overlooks kinds of mismatch, and a loader that gets on with it."""

    def compare(header: Any, model: Any) -> None:
        try:
            real(header, model)
        except LayoutError as error:
            kinds = ("missing", "surplus", "misshapen", "unreadable")
            if any(getattr(error, kind) for kind in kinds if kind not in ignored):
                raise

    def fill(model: Any, header: Any) -> None:
        tensors = {name: filling._read(header, entry) for name, entry in header.tensors.items()}
        for name, empty in model.state_dict().items():
            fits = name in tensors and tensors[name].numel() == empty.numel()
            held = tensors[name] if fits else torch.zeros(empty.numel())
            tensors[name] = held.reshape(empty.shape).to(torch.float32)
        model.load_state_dict(tensors, strict=False, assign=True)

    with (
        patch.object(filling, "require_same_tensors", compare),
        patch.object(filling, "fill", fill),
    ):
        yield


@mutant("artifact.digest_of_shapes")
def digest_of_shapes(subject: object) -> Patched:
    """A digest over names and shapes: a content hash without content."""
    real = contents.digest_line

    def line(name: str, dtype: str, shape: Any, sha256: str) -> str:
        return real(name, dtype, shape, "")

    return patch.object(contents, "digest_line", line)


@mutant("artifact.digest_without_names")
def digest_without_names(subject: object) -> Patched:
    """A digest over the set of values, whichever tensor they belong to."""
    real = contents.digest_line

    def line(name: str, dtype: str, shape: Any, sha256: str) -> str:
        return real("", dtype, shape, sha256)

    return patch.object(contents, "digest_line", line)


@mutant("artifact.digest_not_compared")
def digest_not_compared(subject: object) -> Patched:
    """Nothing is verified after the load."""
    return patch.object(filling, "require_loaded", nothing)


@mutant("artifact.probe_not_run")
def probe_not_run(subject: object) -> Patched:
    return patch.object(probe, "require_reproduced", nothing)


@mutant("artifact.probe_tolerates_all")
def probe_tolerates_all(subject: object) -> Patched:
    """A tolerance that other parameters keep within."""
    return patch.object(probe, "TOLERANCE", 100.0)


@mutant("artifact.probe_too_strict")
def probe_too_strict(subject: object) -> Patched:
    """The probe is measured again with an input of its own: nothing ever reproduces."""
    return patch.object(probe, "draws", _unrepeatable(probe.draws))


def _unrepeatable(real: Any) -> Any:
    calls = [0]

    def draws(label: str, seed: int, shape: tuple[int, ...]) -> Any:
        calls[0] += 1
        return real(f"{label} {calls[0]}", seed, shape)

    return draws


# claims


@mutant("artifact.claims_not_checked")
def claims_not_checked(subject: object) -> Patched:
    return patch.object(claims, "require_consistent", nothing)


@mutant("artifact.only_larger_claims")
def only_larger_claims(subject: object) -> Patched:
    """A claim is refused where it says more than the tensors show, not where it says less."""
    return _filtered(lambda said: _number(said.claim.value) > _number(said.mend))


@mutant("artifact.only_smaller_claims")
def only_smaller_claims(subject: object) -> Patched:
    return _filtered(lambda said: _number(said.claim.value) < _number(said.mend))


def _filtered(keep: Any) -> Patched:
    real = claims.contradictions

    def some(path: Path, metadata: Mapping[str, str], found: Any) -> list[Any]:
        return [said for said in real(path, metadata, found) if keep(said)]

    return patch.object(claims, "contradictions", some)


def _number(value: Any) -> float:
    """A claim, or the values that would mend one, as something to compare."""
    if isinstance(value, Mapping):
        value = [json.loads(text) for text in value.values()]
    while isinstance(value, list):
        value = sum(_number(item) for item in value)
    return float(value) if isinstance(value, int | float) else 0.0


@mutant("artifact.command_without_value")
def command_without_value(subject: object) -> Patched:
    """The command that an error prints names the file and no field."""
    real = claims.stamp_command
    return patch.object(claims, "stamp_command", lambda path, patch: real(path, {}))


@mutant("artifact.stamp_forgets_config")
def stamp_forgets_config(subject: object) -> Patched:
    """The field is stamped, the embedded configuration still says the other value."""
    real = stamping._patched

    def patched(header: Any, old: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
        new = real(header, old, wanted)
        return new | ({"config": old["config"]} if "config" in old else {})

    return patch.object(stamping, "_patched", patched)


@mutant("artifact.name_ignored")
def name_ignored(subject: object) -> Patched:
    return patch.object(claims, "width_in_name", lambda name: [])


@mutant("artifact.name_by_prefix")
def name_by_prefix(subject: object) -> Patched:
    """`w640` is taken to agree with 64, because one begins with the other."""
    real = claims.width_in_name
    return patch.object(claims, "width_in_name", lambda name: [int(str(w)[:2]) for w in real(name)])


@mutant("artifact.layout_blind")
def layout_blind(subject: object) -> Patched:
    """Matrices are read as (out, in) in the reference's layout too."""

    def matrix(self: Any, shape: tuple[int, ...]) -> tuple[int, int]:
        return shape[1], shape[0]

    return patch.object(evidence.Names, "matrix", matrix)


@mutant("artifact.faithful_like_any")
def faithful_like_any(subject: object) -> Patched:
    """require_metadata is accepted and ignored."""
    real = store.load_artifact

    def load(path: Any, *, require_metadata: bool = False, config: Any = None) -> Any:
        return real(path, config=config)

    return patch.object(store, "load_artifact", load)


@mutant("artifact.notes_swallowed")
def notes_swallowed(subject: object) -> Patched:
    """What the metadata lack is neither logged nor held against a faithful run."""
    return patch.object(store, "_notes", lambda metadata: [])

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
    convert,
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


@mutant("artifact.column_major", flax_reader, "_widened")
def column_major(real: Any, raw: NDArray[Any], dtype: str) -> NDArray[Any]:
    """The bytes of an array taken in Fortran's order."""
    return raw.reshape(-1).reshape(raw.shape, order="F")


@mutant("artifact.half_precision_export", architectures, "to_reference")
def half_precision_export(real: Any, state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """An export from weights that went through bfloat16."""
    flat = real(state, config)
    return {path: tensor.bfloat16().float() for path, tensor in flat.items()}


@mutant("artifact.config_without_rope", architectures, "config_text")
def config_without_rope(real: Any, config: Any) -> str:
    """The embedded configuration leaves a switch out, and the loader takes its opposite."""
    fields = json.loads(real(config))
    return strict_json.canonical(fields | ({"rope": False} if "rope" in fields else {}))


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


@mutant("artifact.digest_of_shapes", contents, "digest_line")
def digest_of_shapes(real: Any, name: str, dtype: str, shape: Any, sha256: str) -> Any:
    """A digest over names and shapes: a content hash without content."""
    return real(name, dtype, shape, "")


@mutant("artifact.digest_without_names", contents, "digest_line")
def digest_without_names(real: Any, name: str, dtype: str, shape: Any, sha256: str) -> Any:
    """A digest over the set of values, whichever tensor they belong to."""
    return real("", dtype, shape, sha256)


def _unrepeatable(real: Any) -> Any:
    calls = [0]

    def draws(label: str, seed: int, shape: tuple[int, ...]) -> Any:
        calls[0] += 1
        return real(f"{label} {calls[0]}", seed, shape)

    return draws


# claims


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


@mutant("artifact.command_without_value", claims, "stamp_command")
def command_without_value(real: Any, path: Any, patch: Any) -> Any:
    """The command that an error prints names the file and no field."""
    return real(path, {})


@mutant("artifact.stamp_forgets_config", stamping, "_patched")
def stamp_forgets_config(
    real: Any, header: Any, old: Mapping[str, str], wanted: Mapping[str, str]
) -> Any:
    """The field is stamped, the embedded configuration still says the other value."""
    new = real(header, old, wanted)
    return new | ({"config": old["config"]} if "config" in old else {})


@mutant("artifact.name_by_prefix", claims, "width_in_name")
def name_by_prefix(real: Any, name: Any) -> Any:
    """`w640` is taken to agree with 64, because one begins with the other."""
    return [int(str(w)[:2]) for w in real(name)]


@mutant("artifact.layout_blind", evidence.Names, "matrix")
def layout_blind(real: Any, self: Any, shape: tuple[int, ...]) -> tuple[int, int]:
    """Matrices are read as (out, in) in the reference's layout too."""
    return shape[1], shape[0]


@mutant("artifact.faithful_like_any", store, "load_artifact")
def faithful_like_any(
    real: Any, path: Any, *, require_metadata: bool = False, config: Any = None
) -> Any:
    """require_metadata is accepted and ignored."""
    return real(path, config=config)


OTHER_VALUES = (
    # Nothing is verified after the load.
    mutant("artifact.digest_not_compared", filling, require_loaded=nothing),
    mutant("artifact.probe_not_run", probe, require_reproduced=nothing),
    # A tolerance that other parameters keep within.
    mutant("artifact.probe_tolerates_all", probe, TOLERANCE=100.0),
    # The probe is measured again with an input of its own: nothing ever reproduces.
    mutant("artifact.probe_too_strict", probe, draws=_unrepeatable(probe.draws)),
    mutant("artifact.claims_not_checked", claims, require_consistent=nothing),
    mutant("artifact.name_ignored", claims, width_in_name=lambda name: []),
    # What the metadata lack is neither logged nor held against a faithful run.
    mutant("artifact.notes_swallowed", store, _notes=lambda metadata: []),
    # Any template's name goes on any model.
    mutant("artifact.any_template", convert, _template_field=lambda folder, name, config: {}),
    # Numbers without bounds.
    mutant("artifact.no_bounds", architectures, _require_sane=lambda config: None),
)


# whole conversions


@mutant("artifact.assumed_in_silence", convert, "_config")
def assumed_in_silence(real: Any, *given: Any, **named: Any) -> Any:
    """A configuration is recovered without a word."""
    with patch.object(convert._log, "warning", lambda *parts: None):
        return real(*given, **named)

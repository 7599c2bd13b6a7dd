"""Realistic mistakes in stamping, scoring, reading hostile files, and counting parameters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from torch import Tensor

from drift.artifacts import parameters, quality, stamping, strict_json
from drift.generator import config as generator_config
from drift.interop import artifact, flax_reader
from verify.api import mutant

from .cases import rewritten

Patched = AbstractContextManager[Any]


@mutant("artifact.stamp_rounds_tensors")
def stamp_rounds_tensors(subject: object) -> Patched:
    """The file is loaded and saved again, in half precision on the way."""
    real = stamping._replace

    def replace(header: Any, metadata: Mapping[str, str]) -> str:
        digest: str = real(header, metadata)

        def rounded(held: dict[str, Tensor]) -> None:
            held.update({name: tensor.bfloat16().float() for name, tensor in held.items()})

        rewritten(header.path, tensors=rounded)
        return digest

    return patch.object(stamping, "_replace", replace)


@mutant("artifact.stamp_drops_fields")
def stamp_drops_fields(subject: object) -> Patched:
    """The patch replaces the metadata instead of joining it."""
    real = stamping._patched

    def patched(header: Any, old: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
        new: dict[str, str] = real(header, {}, wanted)
        return new

    return patch.object(stamping, "_patched", patched)


@mutant("artifact.stamp_accepts_nothing")
def stamp_accepts_nothing(subject: object) -> Patched:
    """An empty patch is done without a word."""
    real = stamping.stamp
    return patch.object(stamping, "stamp", lambda path, given: real(path, given) if given else None)


@mutant("artifact.weights_off")
def weights_off(subject: object) -> Patched:
    return patch.dict(quality.WEIGHTS, {"identity": 25})


@mutant("artifact.licence_counts_twice")
def licence_counts_twice(subject: object) -> Patched:
    """Provenance counts the licence too, so that one stamp moves two components."""
    real = quality._provenance

    def provenance(metadata: Mapping[str, str], stamp: str) -> Iterator[Any]:
        yield from real(metadata, stamp)
        if "licence" in metadata:
            yield quality.Item("licence", 1, 1)

    return patch.object(quality, "_provenance", provenance)


# hostile files


@mutant("artifact.lengths_believed")
def lengths_believed(subject: object) -> Patched:
    """A declared length is allocated before it is held against the file."""
    return patch.object(flax_reader.FlaxReader, "_require", lambda self, count, path: None)


@mutant("artifact.depth_unbounded")
def depth_unbounded(subject: object) -> Patched:
    limits = flax_reader.Limits(depth=1 << 30, path=1 << 30, leaves=1 << 30)
    return patch.object(artifact, "LIMITS", limits)


@mutant("artifact.last_name_wins")
def last_name_wins(subject: object) -> Patched:
    """Of two equal names the last one is kept, as msgpack and dict do."""
    real = flax_reader.FlaxReader._name

    def name(self: Any, path: str, names: set[str]) -> str:
        found: str = real(self, path, set())
        names.add(found)
        return found

    return patch.object(flax_reader.FlaxReader, "_name", name)


@mutant("artifact.any_dtype")
def any_dtype(subject: object) -> Patched:
    """Whatever numpy knows by name is a dtype."""
    return patch.dict(flax_reader.DTYPES, {"object": "O"})


@mutant("artifact.json_as_it_comes")
def json_as_it_comes(subject: object) -> Patched:
    """The header goes to the standard parser without limits."""

    def parse(data: bytes, *, place: str, limit: int) -> Any:
        return json.loads(data)

    return patch.object(strict_json, "parse", parse)


# totals


@mutant("artifact.ffn_2184")
def ffn_2184(subject: object) -> Patched:
    """The public reproduction's inner width, tuned to hit the printed total."""
    real = generator_config.swiglu_width
    return patch.object(
        generator_config, "swiglu_width", lambda plain: 2184 if plain == 3072 else real(plain)
    )


@mutant("artifact.total_adjusted")
def total_adjusted(subject: object) -> Patched:
    """The stated total is set to what some model happens to have."""
    wrong = {name: dict(table) for name, table in parameters.EXACT.items()}
    wrong["drift-generator"]["B2"] = 133_088_720
    return patch.object(parameters, "EXACT", wrong)

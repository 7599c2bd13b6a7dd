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


@mutant("artifact.stamp_rounds_tensors", stamping, "_replace")
def stamp_rounds_tensors(real: Any, header: Any, metadata: Mapping[str, str]) -> str:
    """The file is loaded and saved again, in half precision on the way."""
    digest: str = real(header, metadata)

    def rounded(held: dict[str, Tensor]) -> None:
        held.update({name: tensor.bfloat16().float() for name, tensor in held.items()})

    rewritten(header.path, tensors=rounded)
    return digest


@mutant("artifact.stamp_drops_fields", stamping, "_patched")
def stamp_drops_fields(
    real: Any, header: Any, old: Mapping[str, str], wanted: Mapping[str, str]
) -> dict[str, str]:
    """The patch replaces the metadata instead of joining it."""
    new: dict[str, str] = real(header, {}, wanted)
    return new


@mutant("artifact.stamp_accepts_nothing", stamping, "stamp")
def stamp_accepts_nothing(real: Any, path: Any, given: Any) -> Any:
    """An empty patch is done without a word."""
    return real(path, given) if given else None


@mutant("artifact.licence_counts_twice", quality, "_provenance")
def licence_counts_twice(real: Any, metadata: Mapping[str, str], stamp: str) -> Iterator[Any]:
    """Provenance counts the licence too, so that one stamp moves two components."""
    yield from real(metadata, stamp)
    if "licence" in metadata:
        yield quality.Item("licence", 1, 1)


# hostile files


@mutant("artifact.depth_unbounded")
def depth_unbounded(subject: object) -> Patched:
    limits = flax_reader.Limits(depth=1 << 30, path=1 << 30, leaves=1 << 30)
    return patch.object(artifact, "LIMITS", limits)


@mutant("artifact.last_name_wins", flax_reader.FlaxReader, "_name")
def last_name_wins(real: Any, self: Any, path: str, names: set[str]) -> str:
    """Of two equal names the last one is kept, as msgpack and dict do."""
    found: str = real(self, path, set())
    names.add(found)
    return found


@mutant("artifact.json_as_it_comes", strict_json, "parse")
def json_as_it_comes(real: Any, data: bytes, *, place: str, limit: int) -> Any:
    """The header goes to the standard parser without limits."""
    return json.loads(data)


# totals


@mutant("artifact.ffn_2184", generator_config, "swiglu_width")
def ffn_2184(real: Any, plain: Any) -> Any:
    """The public reproduction's inner width, tuned to hit the printed total."""
    return 2184 if plain == 3072 else real(plain)


@mutant("artifact.total_adjusted")
def total_adjusted(subject: object) -> Patched:
    """The stated total is set to what some model happens to have."""
    wrong = {name: dict(table) for name, table in parameters.EXACT.items()}
    wrong["drift-generator"]["B2"] = 133_088_720
    return patch.object(parameters, "EXACT", wrong)


OTHER_VALUES = (
    mutant("artifact.weights_off", quality.WEIGHTS, identity=25),
    # A declared length is allocated before it is held against the file.
    mutant(
        "artifact.lengths_believed", flax_reader.FlaxReader, _require=lambda self, count, path: None
    ),
    # Whatever numpy knows by name is a dtype.
    mutant("artifact.any_dtype", flax_reader.DTYPES, object="O"),
)

"""Artefacts: hostile and damaged files."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from verify.api import CheckContext, Measurement, check

from ..common.places import folder
from . import cases
from .cases import outcome

NEEDS = ("save_artifact", "load_artifact", "read_artifact", "export_artifact")
MEMORY_FACTOR = 4  # a file may cost this many times its size, and the slack
MEMORY_SLACK = 2 << 20


@check("artifact.hostile", needs=NEEDS)
def hostile(ctx: CheckContext) -> Measurement:
    """Named hostile files are refused; random damage is refused or harmless; memory stays small."""
    rng = np.random.default_rng(ctx.seed)
    with folder() as place:
        reference = place / "reference"
        reference.mkdir()
        (reference / "metadata.json").write_text("{}")
        for name, data in HOSTILE.items():
            (reference / "ema_params.msgpack").write_bytes(data)
            problem = _bounded(partial(ctx.subject.read_artifact, reference), len(data), "refused")
            if problem:
                return ctx.decide(False, f"{name}: {problem}")
        path = cases.saved(place, cases.generator(8))
        ctx.subject.export_artifact(path, place / "honest")
        honest = {
            path: path.read_bytes(),
            reference / "ema_params.msgpack": (place / "honest/ema_params.msgpack").read_bytes(),
        }
        readers: dict[Path, Callable[[], object]] = {
            path: partial(ctx.subject.load_artifact, path),
            reference / "ema_params.msgpack": partial(ctx.subject.read_artifact, reference),
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
    head = b"\x93" + shape + bytes([0xA0 + len(dtype)]) + dtype.encode()
    head += b"\xc6" + struct.pack(">I", declared)
    return b"\x81\xa1a\xc9" + struct.pack(">I", len(head) + declared) + b"\x01" + head + data


_ONE = _array(b"\x91\x01", "float32", 4, b"\x00\x00\x80?")[3:]
HOSTILE: dict[str, bytes] = {
    "a dimension of half a billion": _array(b"\x91\xce\x20\x00\x00\x00", "float32", 1 << 31),
    "six dimensions of 30, 3 GB": _array(b"\x96" + b"\x1e" * 6, "float32", 4 * 30**6),
    "a map of four billion": b"\xdf\xff\xff\xff\xff\xa1a",
    "modules nested 100,000 deep": b"\x81\xa1a" * 100_000 + _ONE,
    "the same name twice": b"\x82\xa1a" + _ONE + b"\xa1a" + _ONE,
    "an array of objects": _array(b"\x91\x01", "object", 8, b"\x00" * 8),
    "a shape that its bytes do not fill": _array(b"\x91\x04", "float32", 4, b"\x00" * 4),
    "a file cut short": (b"\x81\xa1a" + _ONE)[:-2],
}

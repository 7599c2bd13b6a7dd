"""Traces as files: the named stages of one computation, in the order in which they arose.

A trace is a safetensors file whose metadata has, under `verify_trace`, a JSON text: the schema, the
stages in order with dtype and device, and what they belong to - seed, digest of the input,
semantics. Text traces are read too: lines that begin with a word such as `TRACE_PY` or `TRACE_C`,
then a name, then numbers; all other lines are left alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verify.files import read, write_bytes
from verify.problems import UsageError

__all__ = ["SCHEMA", "Trace", "digest_of", "read_trace", "write_trace"]

SCHEMA = "verify/trace/1"
KEY = "verify_trace"
_LINE = re.compile(r"TRACE_[A-Z0-9]+[ \t]+(\S+)((?:[ \t]+\S+)*)[ \t]*")


@dataclass(frozen=True)
class Trace:
    """Stages in order.

    about  what they belong to, as far as the file says: seed, input_sha256, semantics
    types  stage -> dtype and device in which it was computed; empty for a text
    """

    stages: Mapping[str, NDArray[Any]]
    about: Mapping[str, Any] = field(default_factory=dict)
    types: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def write_trace(
    path: Path,
    stages: Mapping[str, Any],
    *,
    inputs: Mapping[str, Any],
    seed: int | None = None,
    semantics: str | None = None,
) -> None:
    """Stages (tensors, arrays or numbers) in their order, as one file that is there whole or not.

    inputs  what was computed from; their digest tells two runs of one input from others
    """
    from safetensors.numpy import save

    arrays = {name: _array(value) for name, value in stages.items()}
    said = {
        "schema": SCHEMA,
        "stages": [{"name": name, **_type(value)} for name, value in stages.items()],
        "seed": seed,
        "input_sha256": digest_of(inputs),
        "semantics": semantics,
    }
    write_bytes(path, save(arrays, metadata={KEY: json.dumps(said)}))


def digest_of(inputs: Mapping[str, Any]) -> str:
    """sha256 over names, dtypes, shapes and bytes, in the order of names."""
    found = hashlib.sha256()
    for name in sorted(inputs):
        array = _array(inputs[name])
        found.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def read_trace(path: Path) -> Trace:
    """A file of `write_trace`, of `drift.trace_file.save`, or a text; raises UsageError."""
    data = read(path, "a trace")
    if path.suffix == ".safetensors":
        return _tensors(path, data)
    return _text(path, data)


def _tensors(path: Path, data: bytes) -> Trace:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        said = json.loads(header["__metadata__"][KEY])
        order = [one["name"] for one in said["stages"]]
        types = {one["name"]: {k: one[k] for k in ("dtype", "device")} for one in said["stages"]}
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise _wrong(path, f"no whole trace ({type(error).__name__}: {error})") from None
    if said.get("schema") != SCHEMA:
        raise _wrong(path, f"the schema {said.get('schema')!r}")
    if sorted(order) != sorted(arrays):
        odd = sorted(set(order) ^ set(arrays))
        raise _wrong(path, f"stages and tensors that are not the same ({', '.join(odd[:5])})")
    about = {k: said.get(k) for k in ("seed", "input_sha256", "semantics")}
    return Trace({name: arrays[name] for name in order}, about, types)


def _text(path: Path, data: bytes) -> Trace:
    stages: dict[str, NDArray[Any]] = {}
    for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
        found = _LINE.fullmatch(line.strip())
        if found is None:
            if line.lstrip().startswith("TRACE_"):
                raise _wrong(path, f"line {number} with no name and values: {line.strip()[:60]!r}")
            continue
        name, values = found.group(1), found.group(2).split()
        try:
            array = np.array([float(value) for value in values])
        except ValueError:
            raise _wrong(path, f"line {number} with a value that is no number") from None
        stages[_unused(stages, name)] = array[0] if len(array) == 1 else array
    if not stages:
        raise _wrong(path, "no line that begins with TRACE_ and a name")
    return Trace(stages)


def _unused(stages: Mapping[str, Any], name: str) -> str:
    """`name`, or `name#k` with the smallest k >= 2 that is free."""
    candidate, k = name, 2
    while candidate in stages:
        candidate, k = f"{name}#{k}", k + 1
    return candidate


def _array(value: Any) -> NDArray[Any]:
    """As it is stored: bfloat16, which NumPy does not have, as float32."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
    return np.require(value, requirements="C")


def _type(value: Any) -> dict[str, str]:
    dtype = str(getattr(value, "dtype", np.asarray(value).dtype)).removeprefix("torch.")
    return {"dtype": dtype, "device": str(getattr(value, "device", "cpu"))}


def _wrong(path: Path, found: str) -> UsageError:
    return UsageError(
        f"{path}: found {found}; expected a trace: a .safetensors of drift.trace_file.save or "
        "verify.numeric.traces.write_trace, or lines `TRACE_<WHO> name values`; remedy: record it "
        "again"
    )

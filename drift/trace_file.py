"""A recorded trace as a file: stages in order with dtype and device, and what they belong to.

    with trace.recording() as recorded:
        drift_loss(gen, pos)
    trace_file.save(recorded, path, inputs={"gen": gen, "pos": pos}, seed=0, semantics="reference")

The format is `verify/trace/1`; `verify trace compare A B` names the first stage in which two part.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save as serialised
from torch import Tensor

from drift import atomic
from drift.trace import Trace

__all__ = ["save"]


def save(
    trace: Trace,
    path: Path,
    *,
    inputs: Mapping[str, Tensor],
    seed: int | None = None,
    semantics: str | None = None,
) -> None:
    """Write the stages in their order, as `verify trace compare` reads them (verify/trace/1).

    inputs  what was computed from: their digest is written, and only traces of one input compare
    """
    said = {
        "schema": "verify/trace/1",
        "stages": [
            {"name": k, "dtype": str(v.dtype).removeprefix("torch."), "device": str(v.device)}
            for k, v in trace.items()
        ],
        "seed": seed,
        "input_sha256": _digest(inputs),
        "semantics": semantics,
    }
    tensors = {name: _stored(value) for name, value in trace.items()}
    data = serialised(tensors, metadata={"verify_trace": json.dumps(said)})
    atomic.write_bytes(path, data)


def _digest(inputs: Mapping[str, Tensor]) -> str:
    """sha256 over names, dtypes, shapes and bytes, in the order of names."""
    found = hashlib.sha256()
    for name in sorted(inputs):
        array = _stored(inputs[name]).numpy()
        found.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _stored(value: Tensor) -> Tensor:
    """As it is written: on the CPU, bfloat16, which few libraries read, as float32."""
    value = value.detach().cpu().contiguous()
    return value.float() if value.dtype == torch.bfloat16 else value.clone()

"""Whether two states of a run are one, but for rounding."""

from __future__ import annotations

import torch

from drift.state.checkpoint import Checkpoint


def require_state(found: Checkpoint, wanted: Checkpoint, *, rtol: float, atol: float) -> None:
    """Queues are equal to the bit, the rest as near as asked."""
    assert found.tensors.keys() == wanted.tensors.keys()
    for name, value in wanted.tensors.items():
        near = torch.equal(found.tensors[name], value) if name.startswith("queue/") else (
            torch.allclose(found.tensors[name], value, rtol=rtol, atol=atol)
        )  # fmt: skip
        assert near, name

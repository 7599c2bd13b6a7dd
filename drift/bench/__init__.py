"""What the parts of the engine cost, each beside a yardstick in the same process."""

from __future__ import annotations

from typing import Any

import torch

from drift import kernels
from drift.bench import loss, parts
from drift.bench.timing import SCHEMA, clock, hardware, timed


def bench(what: str, *, kernel: str = "plain", pairs: int = 30) -> dict[str, Any]:
    """Schema drift-bench/2: hardware, and for each case the times and their ratios.

    The kernel it names is the one that was used: `plain` where `compiled` found no compiler.
    """
    cases = loss.cases(kernel) if what == "loss" else parts.PARTS[what]()
    return {
        "schema": SCHEMA,
        "bench": what,
        "kernel": kernels.used(kernel, torch.device("cpu")),
        "hardware": hardware(),
        "clock": clock(),
        "cases": [timed(case, pairs) for case in cases],
    }

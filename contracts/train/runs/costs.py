"""What a run costs and what it was carried out with, as rows of a table of hand-made cases."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import version
from types import SimpleNamespace
from unittest.mock import patch

import torch

from drift.state import environment

from ...common.rows import Row


def costs() -> Iterator[Row]:
    """Rates by a clock by hand, memory, and surroundings by name."""

    def meter() -> dict[str, float]:
        clock = SimpleNamespace(perf_counter=iter([10.0, 12.0, 16.0]).__next__)
        with patch.object(environment, "time", clock):
            made = environment.Meter(100, 8)
            made.read(104)
            return made.read(106)

    yield "rates", meter, {"steps_per_s": 0.5, "images_per_s": 4.0, "steps_per_s_mean": 1.0,
                           "images_per_s_mean": 8.0}  # fmt: skip
    found = environment.memory("cpu")
    least = 30 < float(found["peak_resident_mib"] or 0) < 1 << 16
    yield "memory", lambda: (least, found["peak_accelerator_mib"]), (True, None)
    names = {"python", "platform", "cpu_count", "threads", "device", "accelerator", "packages",
             "git_commit", "code_sha256"}  # fmt: skip
    held = environment.environment("cpu")
    yield "surroundings", lambda: set(held), names
    packages = ("numpy", "safetensors", "torch")
    yield (
        "versions",
        lambda: {k: held["packages"][k].partition("+")[0] for k in packages},
        {k: version(k).partition("+")[0] for k in packages},
    )
    yield "threads", lambda: (held["threads"], held["cpu_count"], held["device"]), (
        torch.get_num_threads(), os.cpu_count(), "cpu"
    )  # fmt: skip

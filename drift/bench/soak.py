"""Cycles of train, checkpoint, sample and evaluate in one process: does anything grow?

After each cycle heap, descriptors, threads and disk are read. A figure leaks where its least in the
last third of the cycles is more than allowed above its largest in the first third: noise goes up
and down, a leak only up.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from drift.errors import DriftError

WARM_UP = 2  # cycles in which libraries take what they keep
FEWEST = 3
MEBI = 2**20
ALLOWED = {
    "heap_mib": 0.5,  # what is allocated: freed pages that a heap keeps hide a leak from the next
    "resident_mib": 4.0,
    "descriptors": 0.0,
    "threads": 0.0,
    "disk_bytes": 0.0,
}

Cycle = Callable[[Path], None]


def soak(cycles: int, cycle: Cycle | None = None) -> dict[str, Any]:
    """Figures after each counted cycle and the names of those that leak.

    cycle  called with a folder that stays from cycle to cycle; what it leaves there counts
    """
    if cycles < FEWEST:
        raise DriftError("--cycles", found=cycles, expected=f"at least {FEWEST}")
    series: dict[str, list[float]] = {name: [] for name in ALLOWED}
    with tempfile.TemporaryDirectory() as place:
        for number in range(WARM_UP + cycles):
            (cycle or whole)(Path(place))
            if number >= WARM_UP:
                for name, value in _figures(Path(place)).items():
                    series[name].append(value)
    leaks = [name for name, values in series.items() if leaks_by(values) > ALLOWED[name]]
    return {"cycles": cycles, "series": series, "allowed": ALLOWED, "leaks": leaks}


def leaks_by(values: Sequence[float]) -> float:
    """How much the least of the last third is above the largest of the first."""
    third = max(1, len(values) // 3)
    return min(values[-third:]) - max(values[:third])


def whole(folder: Path) -> None:
    """A small run on digits, its samples, and a figure of them; nothing is left behind."""
    import shutil

    import torch

    from drift.bench.parts import random_extractor
    from drift.config import load_template
    from drift.data import DigitsSource
    from drift.evaluate import fid
    from drift.sample import loading
    from drift.sample.sampler import Sampler, cycled
    from drift.train import build, run

    template = build.override(load_template("digits"), SMALL)
    options = run.RunOptions(folder=folder / "run", window=2, checkpoint_every=2)
    source = DigitsSource()
    begun = run.start(template, source, random_extractor(template), options, say=lambda text: None)
    run.train(begun, lambda window: None)
    model = loading.load(folder / "run").generator
    samples = Sampler(model).all(cycled(range(10), 100), alpha=1.0, seed=0)
    real = source.get(torch.arange(100))
    fid.frechet(*(fid.moments(images.flatten(1).numpy()) for images in (samples, real)))
    shutil.rmtree(folder / "run")


SMALL = (
    "generator.hidden_size=16", "generator.cond_dim=16", "generator.num_heads=2",
    "generator.depth=1", "generator.ffn_inner=64", "optimizer.training_steps=4",
    "optimizer.warmup_steps=1", "loss.class_labels=2", "loss.positives=4", "loss.generated=2",
    "loss.unconditional=2", "queue.push_per_step=16",
)  # fmt: skip


def _figures(folder: Path) -> dict[str, float]:
    gc.collect()
    return {
        "heap_mib": _heap() / MEBI,
        "resident_mib": _resident() / MEBI,
        "descriptors": float(_descriptors()),
        "threads": float(threading.active_count()),
        "disk_bytes": float(sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())),
    }


class _Heap(ctypes.Structure):
    """struct mallinfo2 of the GNU C library."""

    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
        "fordblks", "keepcost",
    )]  # fmt: skip


def _heap() -> int:
    """Bytes that C code has allocated and not freed; the resident ones where nobody counts them."""
    try:
        count = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):
        return _resident()
    count.restype = _Heap
    found = count()
    return int(found.uordblks) + int(found.hblkhd)


def _resident() -> int:
    """Bytes now; where the system does not say it, the most so far."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _descriptors() -> int:
    folders = (Path("/proc/self/fd"), Path("/dev/fd"))
    return next((sum(1 for _ in place.iterdir()) for place in folders if place.is_dir()), 0)

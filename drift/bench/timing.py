"""Timed in turn with a yardstick, in one process; what two results share before they compare."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

SCHEMA = "drift-bench/2"
WARM_UP = 2
SQUARE = 512  # of the matrix product that parts without a floor of their own are timed beside
PRODUCTS = 8

Work = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """Something to time, and what it is timed beside; `floor` says what that is."""

    name: str
    work: Work
    yardstick: Work
    floor: str


def hardware() -> dict[str, Any]:
    """What two results have to share before they are compared."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
    }


def _processor() -> str:
    """The first that is described: its name, and where a name says little its numbers."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return platform.processor() or platform.machine()
    said = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    facts = {name.strip(): value.strip() for name, value in said.items()}
    wanted = ("model name", "cpu family", "model", "stepping")
    return ", ".join(facts[name] for name in wanted if name in facts) or platform.machine()


def products() -> Case:
    """A case that is its own yardstick: PRODUCTS products of two square matrices."""
    draw = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, SQUARE, SQUARE, generator=draw)
    out = torch.empty_like(a)

    def run() -> None:
        for _ in range(PRODUCTS):
            torch.mm(a, b, out=out)

    floor = f"{PRODUCTS} products of two {SQUARE} x {SQUARE} matrices"
    return Case("products", run, run, floor)


def timed(case: Case, pairs: int) -> dict[str, Any]:
    """The times of a case in ms and its ratios, one a pair; the order changes from pair to pair."""
    ours, theirs = list[float](), list[float]()
    for number in range(WARM_UP + pairs):
        for which in (ours, theirs) if number % 2 else (theirs, ours):
            which.append(seconds(case.work if which is ours else case.yardstick))
    ours, theirs = ours[WARM_UP:], theirs[WARM_UP:]
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return {
        "case": case.name,
        "floor": case.floor,
        "floor_ms": 1e3 * statistics.median(theirs),
        "ms": 1e3 * statistics.median(ours),
        "ratio_median": statistics.median(ratios),
        "ratios": ratios,
    }


def clock() -> str:
    """What `seconds` counts."""
    return "processor time" if torch.get_num_threads() == 1 else "wall clock"


def seconds(function: Work) -> float:
    """With one thread processor time, that of children included; else the wall clock."""
    now = _processor_time if torch.get_num_threads() == 1 else time.perf_counter
    began = now()
    function()
    return now() - began


def _processor_time() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime

"""What a run was carried out with: programs, machine and code; and what it costs while it goes on.

Nothing here is read back by a run, so nothing here can change one.
"""

from __future__ import annotations

import hashlib
import os
import platform
import resource
import subprocess
import sys
import time
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import drift

PACKAGES = ("numpy", "safetensors", "pillow", "scikit-learn", "diffusers", "transformers")
ROOT = Path(drift.__file__).parent
GIT_SECONDS = 10
MEBI = 2**20


def environment(device: str) -> dict[str, Any]:
    """Plain JSON: interpreter, libraries, machine, threads, accelerator, and which code this is."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": device,
        "accelerator": _accelerator(device),
        "packages": {"drift": drift.__version__, "torch": torch.__version__} | _versions(),
        "git_commit": _git_commit(),
        "code_sha256": code_digest(),
    }


@cache
def code_digest() -> str:
    """sha256 over names and contents of the engine's sources and templates."""
    digest = hashlib.sha256()
    for path in sorted(p for p in ROOT.rglob("*") if p.suffix in (".py", ".yaml")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT).as_posix()} {len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def memory(device: str) -> dict[str, float | None]:
    """Largest so far in MiB: resident memory of this process, and what the accelerator held."""
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    held = torch.cuda.max_memory_allocated(device) if device.startswith("cuda") else None
    return {
        "peak_resident_mib": round(resident / MEBI, 1),
        "peak_accelerator_mib": None if held is None else round(held / MEBI, 1),
    }


class Meter:
    """Steps and images a second of this process: over the last window, and over all it has done.

    images  of one step: generated samples in training, real ones in pre-training
    """

    def __init__(self, step: int, images: int) -> None:
        self._images = images
        self._first = self._last = (step, time.perf_counter())

    def read(self, step: int) -> dict[str, float]:
        """Rates up to now; the window begins at the last reading."""
        now = (step, time.perf_counter())
        last, mean = _rate(self._last, now), _rate(self._first, now)
        self._last = now
        return {
            "steps_per_s": last,
            "images_per_s": last * self._images,
            "steps_per_s_mean": mean,
            "images_per_s_mean": mean * self._images,
        }


def _rate(before: tuple[int, float], now: tuple[int, float]) -> float:
    return (now[0] - before[0]) / max(now[1] - before[1], 1e-9)


def _accelerator(device: str) -> str | None:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else None


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


@cache
def _git_commit() -> str | None:
    """Of the repository whose root holds the engine, with `+changes` where files differ; or None.

    An installed engine inside somebody else's repository is not part of that repository.
    """
    root = ROOT.parent
    if not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--", ROOT.name)
    return f"{commit}+changes" if commit and changed else commit or None


def _git(root: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words],
            capture_output=True, text=True, timeout=GIT_SECONDS, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()

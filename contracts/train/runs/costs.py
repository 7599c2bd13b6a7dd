"""What a run costs and what it was carried out with, as rows of a table of hand-made cases."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import torch

from drift.state import environment

from ...common.places import folder
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
    for system, device, wanted in (
        ("linux", "cpu", (1.2, None)), ("darwin", "cpu", (0.0, None)),
        ("linux", "cuda:1", (1.2, 3.1)),
    ):  # fmt: skip
        usage = SimpleNamespace(ru_maxrss=1234)  # kibibytes, and bytes where it is Darwin
        with (
            patch("sys.platform", system),
            patch("resource.getrusage", lambda who, usage=usage: usage),
            patch("torch.cuda.max_memory_allocated", {"cuda:1": 3_200_000}.get),
        ):
            told = tuple(environment.memory(device).values())
        yield f"memory of {device} on {system}", partial(tuple, told), wanted
    names = {"python", "platform", "cpu_count", "threads", "device", "accelerator", "packages",
             "git_commit", "code_sha256"}  # fmt: skip
    held = environment.environment("cpu")
    yield "surroundings", lambda: set(held), names
    packages = ("numpy", "safetensors", "torch")
    yield (
        "versions",
        lambda: {k: str(held["packages"].get(k)).partition("+")[0] for k in packages},
        {k: version(k).partition("+")[0] for k in packages},
    )
    yield "threads", lambda: (held["threads"], held["cpu_count"], held["device"]), (
        torch.get_num_threads(), os.cpu_count(), "cpu"
    )  # fmt: skip
    with patch.object(environment, "PACKAGES", ("numpy", "no-such-package")):
        some = environment._versions()
    yield "a package that is not there", lambda: some, {
        "numpy": version("numpy"), "no-such-package": None
    }  # fmt: skip
    yield from _code()


def _code() -> Iterator[Row]:
    """Sources and templates by name and length; a commit, and whether files differ from it."""
    with folder() as root:
        engine = root / "engine"
        for name, text in {"b.py": "b", "a/c.yaml": "cc", "a/d.txt": "d", "a/e.pyc": "e"}.items():
            (engine / name).parent.mkdir(parents=True, exist_ok=True)
            (engine / name).write_text(text)
        wanted = hashlib.sha256(b"a/c.yaml 2\0ccb.py 1\0b").hexdigest()
        with patch.object(environment, "ROOT", engine):
            found = environment.code_digest.__wrapped__()
            outside = environment._git_commit.__wrapped__()
            (root / ".git").mkdir()
            commits = [_commit(root, *answers) for answers in (("c", ""), ("c", " M x"), ("", "x"))]
        yield "a digest of code", lambda: found, wanted
        yield "no repository", lambda: outside, None
        yield "commits", lambda: commits, ["c", "c+changes", None]
        yield "no git", lambda: environment._git(root, "rev-parse", "HEAD"), ""
        (root / ".git").rmdir()
        subprocess.run(["git", "init", "-q", str(root)], check=True, timeout=60)
        yield "no such commit", lambda: environment._git(root, "rev-parse", "none"), ""
        yield "a repository", lambda: environment._git(root, "rev-parse", "--git-dir"), ".git"


def _commit(root: Path, head: str, changes: str) -> str | None:
    said = {("rev-parse", "HEAD"): head, ("status", "--porcelain", "--", "engine"): changes}
    with patch.object(environment, "_git", lambda place, *words: said[words] * (place == root)):
        found: str | None = environment._git_commit.__wrapped__()
        return found

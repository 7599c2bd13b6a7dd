"""What a reader needs to run this again; no names of users, hosts or folders."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from verify.guard.git import call
from verify.problems import UsageError
from verify.spec import sources

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
ACCELERATORS_S = 20.0


@cache
def environment() -> Mapping[str, Any]:
    """Interpreter, platform, accelerators and the version of every installed distribution."""
    found = [item.metadata for item in distributions()]
    packages = {item["Name"]: item["Version"] for item in found if item["Name"] is not None}
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "threads": {name: os.environ.get(name) for name in THREADS},
        "accelerators": _accelerators(),
        "packages": dict(sorted(packages.items())),
    }


def machine() -> dict[str, Any]:
    """What a reader of a report asks first: processor, cores, limits of threads, accelerators."""
    found = environment()
    return {name: found[name] for name in ("machine", "cpus", "threads", "accelerators")}


def in_environment(root: Path) -> bool:
    """Whether a pack is installed, and no folder of the project that somebody works on."""
    return str(root).startswith(sources.installed())


def repository(root: Path) -> Mapping[str, Any]:
    """Commit of the repository around `root` and how many files below it differ; null for none.

    What is installed in an environment is no part of the repository in which that may lie.
    """
    if in_environment(root):
        return {"commit": None, "changed_files": None}
    try:
        commit = call(root, "rev-parse", "--verify", "HEAD").decode("ascii").strip()
        changed = call(root, "status", "--porcelain", "--untracked-files=all", "--", ".")
    except (UsageError, OSError):
        return {"commit": None, "changed_files": None}
    return {"commit": commit, "changed_files": len(changed.splitlines())}


def _accelerators() -> list[str]:
    """Name, driver and memory of each, as the driver's own tool says; none where it is absent."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = [tool, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            query, capture_output=True, text=True, timeout=ACCELERATORS_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def command_text() -> str:
    """`commands.txt` of a bundle: how the run was called; its digest is in the head as well."""
    return f"{shlex.join(['verify', *sys.argv[1:]])}\n"


def environment_text() -> str:
    """`env.json` of a bundle; its digest is in the head of the evidence."""
    return json.dumps(environment(), indent=1) + "\n"

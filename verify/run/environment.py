"""What a reader needs to run this again; no names of users, hosts or folders."""

from __future__ import annotations

import os
import platform
from importlib.metadata import distributions
from typing import Any


def environment() -> dict[str, Any]:
    """Interpreter, platform and the version of every installed distribution."""
    packages = {item.name: item.version for item in distributions() if item.name is not None}
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "packages": dict(sorted(packages.items())),
    }

"""What a reader needs to run this again; no names of users, hosts or folders."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distributions
from typing import Any


@cache
def environment() -> Mapping[str, Any]:
    """Interpreter, platform and the version of every installed distribution."""
    found = [item.metadata for item in distributions()]
    packages = {item["Name"]: item["Version"] for item in found if item["Name"] is not None}
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "packages": dict(sorted(packages.items())),
    }

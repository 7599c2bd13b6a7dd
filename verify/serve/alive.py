"""Whether the process that a record names is still the one that wrote it."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

PROC = Path("/proc")
LATER_S = 5.0  # a process that began so much after a record's last update is another one


def alive(pid: object, updated: str) -> bool:
    """Whether process `pid` of this machine runs and is old enough to have written at `updated`."""
    if type(pid) is not int or pid < 2:
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        pass  # it is somebody else's, and there
    except (OSError, OverflowError):
        return False
    return not _younger(pid, updated)


def _younger(pid: int, updated: str) -> bool:
    """Where the system says when a process began: whether the number was given away again."""
    with suppress(OSError, ValueError, IndexError, StopIteration):
        ticks = int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19])
        lines = (PROC / "stat").read_text().splitlines()
        boot = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
        began = boot + ticks / os.sysconf("SC_CLK_TCK")
        return began > datetime.fromisoformat(updated).timestamp() + LATER_S
    return False

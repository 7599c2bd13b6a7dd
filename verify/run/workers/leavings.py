"""What a check can leave changed of its process: a worker that was changed serves no other task.

Looked at is what is cheap to read and reaches every later check. Seeds of global generators and
switches of libraries are not: who depends on one sets it.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any


def state() -> dict[str, Any]:
    """Folder, environment, umask, signals, priority, files allowed and import path, as now."""
    mask = os.umask(0o077)
    os.umask(mask)
    return {
        "umask": mask,
        "folder": _folder(),
        "environment": dict(os.environ),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "files": _files_allowed(),
        "path": list(sys.path),
    }


def _folder() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:  # it was removed
        return None


def _files_allowed() -> tuple[int, int] | None:
    try:
        import resource
    except ImportError:  # another system than POSIX
        return None
    return resource.getrlimit(resource.RLIMIT_NOFILE)

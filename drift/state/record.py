"""`run_metadata.json`, live, and `metrics/windows.jsonl`, the canonical log of a run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drift.state import atomic

SCHEMA = "drift-run/1"


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class RunRecord:
    """What a run is doing, for whoever looks at its folder.

    status is running, completed or failed; a run that says running but whose process is gone, was
    killed: `status_of` calls it stale.
    """

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self._path = folder / "run_metadata.json"
        self._facts = {"schema": SCHEMA, **facts, "pid": os.getpid(), "started": now()}

    def update(self, status: str, **facts: Any) -> None:
        """Write the record as a whole; facts given before are kept."""
        self._facts |= facts | {"status": status, "updated": now()}
        atomic.write_text(self._path, json.dumps(self._facts, indent=1, sort_keys=True) + "\n")


def status_of(folder: Path) -> str:
    """running, completed, failed, stale or unknown."""
    try:
        facts = json.loads((folder / "run_metadata.json").read_text(encoding="utf-8"))
        status = str(facts.get("status", "unknown"))
        if status == "running" and not _alive(int(facts.get("pid", 0))):
            return "stale"
    except (OSError, ValueError, AttributeError, TypeError, OverflowError):
        return "unknown"
    return status


def say_resumed(folder: Path, step: int, say: Callable[[str], None]) -> None:
    """From where a run goes on, and how the process before it ended where that was no good end."""
    ends = {
        "stale": "; the process before was killed",
        "running": "; its record says that another process still runs: two spoil a folder",
    }
    say(f"resumed from step {step}{ends.get(status_of(folder), '')}")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0


class WindowLog:
    """One JSON row a window of steps. A resumed run drops the rows of steps it will do again."""

    def __init__(self, folder: Path, *, after_step: int) -> None:
        self.path = folder / "windows.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        kept = [row for row in rows(self.path) if row["step"] <= after_step]
        atomic.write_text(self.path, "".join(map(_line, kept)))

    def append(self, row: dict[str, Any]) -> None:
        """Add a row and flush it: whole, or not at all where the disk refuses it.

        A row that was cut by a kill is dropped on resume.
        """
        before = self.path.stat().st_size
        try:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(_line(row))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError:
            os.truncate(self.path, before)
            raise


def rows(path: Path) -> list[dict[str, Any]]:
    """The whole rows of a log, in order; a last line without its end is no row."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines]


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, sort_keys=True, allow_nan=False) + "\n"

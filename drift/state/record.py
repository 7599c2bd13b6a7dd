"""`run_metadata.json`, live, and `metrics/windows.jsonl`, the canonical log of a run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drift import atomic
from drift.errors import DriftError

SCHEMA = "drift-run/1"
SHOWN = 60  # characters of a line that is no row


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class RunRecord:
    """What a run is doing, for whoever looks at its folder.

    status is running, completed, interrupted (in order, by a signal) or failed; a run that says
    running but whose process is gone, was killed: `status_of` calls it stale.
    """

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self._path = folder / "run_metadata.json"
        self._facts = {"schema": SCHEMA, **facts, "pid": os.getpid(), "started": now()}

    def update(self, status: str, **facts: Any) -> None:
        """Write the record as a whole; facts given before are kept."""
        self._facts |= facts | {"status": status, "updated": now()}
        atomic.write_text(self._path, json.dumps(self._facts, indent=1, sort_keys=True) + "\n")


def status_of(folder: Path) -> str:
    """running, completed, interrupted, failed, stale or unknown."""
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
    """One JSON row a window of steps. A resumed run drops the rows of steps it will do again.

    Raises DriftError, and changes nothing, for a line that is no row among those that are kept.
    """

    def __init__(self, folder: Path, *, after_step: int) -> None:
        self.path = folder / "windows.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        kept = rows(self.path, up_to=after_step)
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


def rows(path: Path, *, up_to: int | None = None) -> list[dict[str, Any]]:
    """The whole rows of a log, in order; a last line without its end is no row.

    up_to  the last step that is wanted; what follows a row of a later one is not looked at
    Raises DriftError for a line that is no row, and for steps that do not ascend.
    """
    if not path.is_file():
        return []
    found: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        row = _row(line)
        step = row.get("step") if row else None
        if row is None or type(step) is not int or (found and step <= found[-1]["step"]):
            raise _no_row(path, number, line, found)
        if up_to is not None and step > up_to:
            break
        found.append(row)
    return found


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _no_row(path: Path, number: int, line: bytes, before: list[dict[str, Any]]) -> DriftError:
    after = f" after {before[-1]['step']}" if before else ""
    return DriftError(
        f"{path}:{number}", found=ascii(line[:SHOWN].decode(errors="replace")),
        expected=f"a JSON row of a window, its step a whole number{after}",
        remedy="The log was edited or damaged, and nothing was written: take the line out, keep a "
        "copy, and run the command again.",
    )  # fmt: skip


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, sort_keys=True, allow_nan=False) + "\n"

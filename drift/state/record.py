"""`run_metadata.json`, live, and `metrics/windows.jsonl`, the canonical log of a run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drift import atomic
from drift.artifacts import strict_json
from drift.config import Template, fingerprint
from drift.data import Source
from drift.data.dataset import described
from drift.errors import DriftError

SCHEMA = "drift-run/1"
SHOWN = 60  # characters of a line that is no row
LOG = "windows.jsonl"
SECONDS = "seconds.jsonl"  # where the time of a step went: beside the log, which a seed determines
MOST_BYTES = 1 << 20  # of a row


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def facts_of(template: Template, source: Source, seed: int) -> dict[str, Any]:
    """What a run follows from, of either kind of training; an encoder or a kind comes with it."""
    return {
        "seed": seed,
        "fingerprint": fingerprint(template),
        "template": template.leaves(),
        "data": source.digest,
        "dataset": described(source),
        "autoencoder": getattr(source, "autoencoder", None),
    }


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
    place = folder / "run_metadata.json"
    if not place.is_file():  # a pipe would be waited for
        return "unknown"
    try:
        facts = json.loads(place.read_text(encoding="utf-8"))
        status = str(facts.get("status", "unknown"))
        if status == "running" and not _alive(int(facts.get("pid", 0))):
            return "stale"
    except (OSError, ValueError, AttributeError, TypeError, ArithmeticError, RecursionError):
        return "unknown"
    return status


def say_resumed(folder: Path, step: int, say: Callable[[str], None]) -> None:
    """From where a run goes on, and how the process before it ended where that was no good end."""
    ends = {
        "stale": "; the process before was killed",
        "running": "; its record says that another process still runs: two spoil a folder",
    }
    say(f"resumed from step {step}{ends.get(status_of(folder), '')}")
    log = folder / "metrics" / LOG
    for first, last in missing(rows(log, up_to=step), step):
        say(f"{log}: no row covers the steps {first} to {last}; their figures are lost")


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

    kept  whether the row of an earlier step stays
    Raises DriftError, and changes nothing, for a line that is no row among those that are kept.
    """

    def __init__(
        self, folder: Path, *, after_step: int, name: str = LOG,
        kept: Callable[[int], bool] = lambda step: True,
    ) -> None:  # fmt: skip
        self.path = folder / name
        folder.mkdir(parents=True, exist_ok=True)
        before = [row for row in rows(self.path, up_to=after_step) if kept(row["step"])]
        atomic.write_text(self.path, "".join(map(_line, before)))

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


def rows(
    path: Path, *, up_to: int | None = None, needs: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """The whole rows of a log, in order; a last line without its end is no row.

    up_to  the last step that is wanted; lines that follow a row of a later one may be garbage, but
           no row that is wanted
    needs  figures that every row has to have
    Raises DriftError for a line that is no such row, for steps that do not ascend, and for a log
    that is no file.
    """
    if not path.is_file():
        _require_nothing(path)
        return []
    found: list[dict[str, Any]] = []
    later = False
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            row = _row(line, found[-1]["step"] if found else 0, needs)
        except DriftError as error:
            if not later:
                raise _no_row(path, number, line, error) from None
            continue
        if up_to is not None and row["step"] > up_to:
            later = True
        elif later:
            raise _no_row(path, number, line, _after(row["step"], f"a row after {up_to}"))
        else:
            found.append(row)
    return found


def missing(kept: Sequence[Mapping[str, Any]], until: int) -> list[tuple[int, int]]:
    """The steps 1 .. `until` that no row covers, as (first, last); a row has the last `steps`."""
    found, done = [], 0
    for row in [*kept, {"step": until, "steps": 0}]:
        begins = row["step"] - row.get("steps", row["step"] - done)
        if begins > done:
            found.append((done + 1, begins))
        done = row["step"]
    return found


def _row(line: bytes, after: int, needs: Sequence[str]) -> dict[str, Any]:
    row = strict_json.parse(line, place="", limit=MOST_BYTES)
    step = row.get("step") if isinstance(row, dict) else None
    if type(step) is not int or step <= after:
        raise _after(step, f"a whole number after {after}" if after else "a whole number from 1 on")
    for name in ("steps", *needs) if "steps" in row else needs:
        if type(row.get(name)) not in (int, float):
            raise DriftError("", found=f"{name} {row.get(name)!r:.40}", expected="a number")
    return dict(row)


def _after(step: object, expected: str) -> DriftError:
    return DriftError("", found=f"step {step!r:.40}", expected=expected)


def _no_row(path: Path, number: int, line: bytes, why: DriftError) -> DriftError:
    return DriftError(
        f"{path}:{number}",
        found=f"{line[:SHOWN].decode(errors='replace')!a} ({why.found})",
        expected=f"a JSON row of a window ({why.expected})",
        remedy="The log was edited or damaged, and nothing was written: take the line out, keep a "
        "copy, and run the command again.",
    )  # fmt: skip


def _require_nothing(path: Path) -> None:
    if os.path.lexists(path):
        raise DriftError(
            str(path), found="something that is no file", expected="the log of the run, or nothing",
            remedy="Move it away; the log then begins anew.",
        )  # fmt: skip


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, sort_keys=True, allow_nan=False) + "\n"

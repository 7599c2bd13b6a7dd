"""Steps on disk: one folder each, named by its key, and done where its record says what it holds.

A step is done when `step.json` is in its folder, which is written last and as a whole; a folder
without one is a step that was begun. Nothing is deleted: what cannot be used is renamed.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drift import atomic
from drift.reproduce import digests

SCHEMA = "drift-step/1"
RECORD = "step.json"
SHOWN = 4


@dataclass(frozen=True)
class Step:
    """One part of a reproduction.

    inputs   everything its outputs depend on, by a name that a reader understands
    outputs  patterns of the files in its folder whose digests are kept
    act      carries it out in a folder -> the command that does the same by hand
    resumes  what an attempt that was interrupted has to have been about to be gone on with; None:
             an attempt is never gone on with
    """

    name: str
    inputs: Mapping[str, Any]
    outputs: tuple[str, ...]
    act: Callable[[Path], str]
    resumes: str | None = None

    @property
    def key(self) -> str:
        """sha256, in hex, of all inputs."""
        return digests.of_value(dict(self.inputs))


@dataclass(frozen=True)
class Done:
    """A step that is done: its folder, and the digest of the contents of each output."""

    name: str
    key: str
    folder: Path
    contents: Mapping[str, str]
    record: Mapping[str, Any]


def folder_of(store: Path, step: Step) -> Path:
    """Where a step lies."""
    return store / f"{step.name}-{step.key[:12]}"


def found(store: Path, step: Step) -> tuple[Done | None, str]:
    """(the step where it is done and its outputs are as they were written, else why it is not)."""
    folder = folder_of(store, step)
    record = _read(folder / RECORD)
    if not folder.is_dir():
        return None, _why_new(store, step)
    if record is None:
        return None, "was interrupted before its end"
    try:
        kept = {name: one["sha256"] for name, one in record["outputs"].items()}
        contents = {name: one["contents"] for name, one in record["outputs"].items()}
        whole = digests.of_value(record["inputs"]) == record["key"] == step.key
    except (KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        return None, f"{folder / RECORD} is not as it was written"
    names = {*kept, *_files(folder, step.outputs)}
    changed = sorted(name for name in names if _now(folder / name) != kept.get(name))
    if changed:
        return None, f"{folder / changed[0]} is not as it was written"
    return Done(step.name, step.key, folder, contents, record), ""


def carry_out(store: Path, step: Step) -> Done:
    """Do a step in its folder and record it; what is in the way of a new beginning is kept."""
    folder = folder_of(store, step)
    _begin(folder, step)
    command = step.act(folder)
    _require_all(folder, step.outputs)
    outputs = {name: _digests(folder / name) for name in _files(folder, step.outputs)}
    record = {
        "schema": SCHEMA,
        "step": step.name,
        "key": step.key,
        "command": command,
        "inputs": dict(step.inputs),
        "outputs": outputs,
    }
    atomic.write_text(folder / RECORD, json.dumps(record, indent=1, sort_keys=True) + "\n")
    contents = {name: one["contents"] for name, one in outputs.items()}
    return Done(step.name, step.key, folder, contents, record)


def _begin(folder: Path, step: Step) -> None:
    """The folder as an attempt finds it: with what an interrupted one left, where that is of use.

    A folder with a record is one whose outputs were changed: the rest of it may be, too.
    """
    mark, begun = {"resumes": step.resumes, "key": step.key}, folder / "begun.json"
    of_use = step.resumes is not None and _read(begun) == mark and not (folder / RECORD).exists()
    if folder.is_dir() and not of_use:
        folder.rename(_free(folder))
    folder.mkdir(parents=True, exist_ok=True)
    atomic.sweep(folder)
    atomic.write_text(begun, json.dumps(mark))


def _files(folder: Path, outputs: tuple[str, ...]) -> list[str]:
    """Names of the files that are outputs of a step now; a pattern may stand for several."""
    paths = sorted({path for one in outputs for path in folder.glob(one) if path.is_file()})
    return [path.relative_to(folder).as_posix() for path in paths]


def _require_all(folder: Path, outputs: tuple[str, ...]) -> None:
    missing = [one for one in outputs if not _files(folder, (one,))]
    if missing:
        raise RuntimeError(f"{folder}: the step ended without {', '.join(missing)}")


def _now(path: Path) -> str | None:
    return digests.of_file(path) if path.is_file() else None


def _digests(path: Path) -> dict[str, str]:
    return {"sha256": digests.of_file(path), "contents": digests.of_contents(path)}


def _why_new(store: Path, step: Step) -> str:
    """In which inputs a step differs from the one of its name that was done last."""
    earlier = [
        (path.stat().st_mtime_ns, record["inputs"])
        for path in store.glob(f"{step.name}-*/{RECORD}")
        if (record := _read(path)) is not None
    ]
    if not earlier:
        return "not done yet"
    before, now = max(earlier, key=lambda one: one[0])[1], step.inputs
    names = sorted(
        name for name in before.keys() | now.keys() if before.get(name) != _plain(now.get(name))
    )
    said = [f"{name}: {_short(before.get(name))} -> {_short(now.get(name))}" for name in names]
    more = f"; and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
    return "; ".join(said[:SHOWN]) + more or "an earlier attempt was set aside"


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text[:12] if len(text) == 64 else text[:40]


def _read(path: Path) -> Any:
    """The value of a JSON file; None where there is none, or none that can be read."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _free(folder: Path) -> Path:
    """The first name `FOLDER.left-N` that nobody has."""
    names = (folder.with_name(f"{folder.name}.left-{number}") for number in itertools.count(1))
    return next(name for name in names if not name.exists())

"""A result directory that appears whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drift import atomic
from drift.errors import DriftError

METRICS, PICTURE, SUMMARY = "metrics.jsonl", "samples.png", "summary.json"
FILES = {METRICS, PICTURE, SUMMARY}


class OutputError(DriftError):
    """A directory that cannot be written, or that must not be overwritten."""


def refuse_to_overwrite(directory: Path, *, force: bool) -> None:
    """Raise OutputError if `directory` holds anything, or with `force` anything but a toy run."""
    if not directory.exists() and not directory.is_symlink():
        return
    if not directory.is_dir() or directory.is_symlink():
        raise OutputError(f"output {directory}", found="no plain directory", expected="a new name")
    entries = {entry.name for entry in directory.iterdir()}
    if not entries:
        return
    if not force:
        raise OutputError(
            f"output {directory}",
            found=f"a directory with {len(entries)} entries",
            expected="a directory that is new or empty",
            remedy="Choose another --out, or pass --force to replace the earlier run.",
        )
    if foreign := sorted(entries - FILES):
        raise OutputError(
            f"output {directory}",
            found=f"{foreign[0]}, which no toy run has written",
            expected="only " + ", ".join(sorted(FILES)),
            remedy="--force replaces an earlier toy run and nothing else; choose another --out.",
        )


@contextmanager
def fresh_directory(directory: Path, *, force: bool) -> Iterator[Path]:
    """A working directory beside `directory` that takes its name when the block has succeeded.

    When the block fails it is removed, and an earlier result stays as it was.
    """
    refuse_to_overwrite(directory, force=force)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(directory) as working:
            working.mkdir()
            yield working
            refuse_to_overwrite(directory, force=force)
            if directory.exists():
                shutil.rmtree(directory)
    except OSError as error:
        raise OutputError(
            f"output {directory}", found=error.strerror, expected="a place that can be written"
        ) from error


def append_json(path: Path, row: dict[str, Any]) -> None:
    """One line of JSON; NaN and infinities are refused."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row, allow_nan=False) + "\n")


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Indented JSON with a final newline."""
    path.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")

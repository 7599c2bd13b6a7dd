"""Files that are there as a whole or not at all, also after kill -9 or on a full disk."""

from __future__ import annotations

import os
from pathlib import Path


def write_bytes(path: Path, data: bytes, *, exclusive: bool = False) -> None:
    """Write, flush to the disk, then rename into place; `exclusive` refuses an existing file.

    The temporary file is removed whatever happens, except by a kill: then it stays as a hidden
    `.tmp` that no reader looks at and `sweep` removes.
    """
    if exclusive and path.exists():
        raise FileExistsError(f"{path}: found a file already there; expected none")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8."""
    write_bytes(path, text.encode())


def sweep(folder: Path) -> None:
    """Remove what killed writers left behind."""
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """The rename itself has to reach the disk, or a power cut could undo it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

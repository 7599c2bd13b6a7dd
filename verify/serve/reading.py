"""Files under the served folder: plain ones, up to a limit; links are never followed."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read(path: Path, most: int) -> bytes:
    """A file of at most `most` bytes; OSError for a larger one, a link, a pipe or a device."""
    data = read_from(path, 0, most + 1)
    if len(data) > most:
        raise OSError(f"more than {most} bytes")
    return data


def read_from(path: Path, offset: int, most: int) -> bytes:
    """At most `most` bytes from `offset` on."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("no plain file")
        stream.seek(offset)
        return stream.read(most)


def inside(folder: Path, name: str) -> Path:
    """The file of a folder that has this name; OSError where the name leads out of it."""
    path = (folder / name).resolve()
    if "\0" in name or not path.is_relative_to(folder.resolve()):
        raise OSError("a name that leads out of its folder")
    return path

"""Files that are there as a whole or not at all: the only writer of this package.

What stands under a name is the old content or the new one, also after kill -9, a full disk or a
power cut; on file systems that cannot sync a folder the last of these is left to the system.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from verify.problems import UsageError

# What file systems answer that do not know the sync of a folder, or do not let us open one.
NO_FOLDER_SYNC = frozenset(
    {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EACCES}
)


def read(path: Path, expected: str) -> bytes:
    """All bytes of a file that somebody named; raises UsageError for what is none.

    A pipe or a device may never end, and opening one may already wait for ever.
    """
    try:
        if path.is_file():
            return path.read_bytes()
        why = "not a regular file" if path.exists() else "no such file"
    except OSError as error:
        why = error.strerror or str(error)
    raise UsageError(
        f"{path}: found a file that cannot be read ({why}); expected {expected}; remedy: correct "
        "the path"
    )


def write(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8; raises UsageError. Lone surrogates are written as `\\udcff`."""
    try:
        write_bytes(path, text.encode(errors="backslashreplace"))
    except OSError as error:
        raise UsageError(
            f"{path}: found a place that cannot be written ({error.strerror}); expected room for "
            "a file; remedy: choose another place"
        ) from None


def write_bytes(path: Path, data: bytes) -> None:
    """Write beside `path`, flush to the disk, rename; raises OSError and leaves what was there.

    A link is followed, as any other writer does; a device or pipe takes the bytes as they are.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
        path.write_bytes(data)
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """A rename has to reach the disk itself, or a power cut could undo it; where that exists."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise

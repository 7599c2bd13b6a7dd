"""Files and folders that are there as a whole or not at all: the only writer of this package."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# What file systems answer that do not know the sync of a folder, or do not let us open one.
NO_FOLDER_SYNC = frozenset(
    {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EACCES}
)
# What file systems answer that have no locks.
NO_LOCKS = frozenset(
    {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF}
)
LONGEST = 200  # of a name that is kept in the temporary one, which must not be too long itself


class LockedError(Exception):
    """Another process is at work in a folder."""


@contextmanager
def replacing(path: Path, *, exclusive: bool = False) -> Iterator[Path]:
    """A name beside `path` to write a file or folder under; it takes the place of `path` when the
    block has succeeded, flushed to the disk. `exclusive` refuses whatever is there.

    A link is followed: what it points to is replaced, and it stays a link. Raises OSError. What was
    written is removed whatever happens, except by a kill: then it stays as a hidden `.tmp` that no
    reader looks at and `sweep` removes.
    """
    if exclusive and os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, "found a file already there; expected none", str(path))
    target = Path(os.path.realpath(path))
    _refuse_device(target)
    temporary = target.with_name(f".{target.name[:LONGEST]}.{os.getpid()}.tmp")
    _remove(temporary)  # what was killed may have had this process's number
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(target)
        sync_folder(target.parent)
    finally:
        _remove(temporary)


def write_bytes(path: Path, data: bytes, *, exclusive: bool = False) -> None:
    """`replacing` with these bytes."""
    with replacing(path, exclusive=exclusive) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8; lone surrogates of a name are written as `\\udcff`."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def sweep(folder: Path) -> None:
    """Remove what killed writers left behind."""
    for leftover in folder.glob(".*.tmp"):
        _remove(leftover)


def _remove(written: Path) -> None:
    if written.is_dir() and not written.is_symlink():
        shutil.rmtree(written, ignore_errors=True)
    else:
        written.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """A rename has to reach the disk itself, or a power cut could undo it; where that exists."""
    try:
        _fsync(folder)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise


@contextmanager
def locked(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """`folder`, which exists, for this process alone; raises LockedError where another has it.

    A file system without locks is said and is no reason to stop.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(str(folder)) from error
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            why = error.strerror or str(error)
            say(f"{folder}: no locks on this file system ({why}); a second process goes unnoticed")
        yield
    finally:
        os.close(descriptor)


def _refuse_device(target: Path) -> None:
    """A device or pipe cannot be replaced, only lost."""
    if target.exists() and not target.is_dir() and not stat.S_ISREG(target.stat().st_mode):
        raise FileExistsError(errno.EEXIST, "found a device or pipe; expected a file", str(target))


def _sync(written: Path) -> None:
    """Flush a file, or every file of a folder, to the disk."""
    if not written.is_dir():
        _fsync(written)
        return
    for part in written.rglob("*"):
        if part.is_file():
            _fsync(part)


def _fsync(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

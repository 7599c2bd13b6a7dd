"""Standard streams that may be closed, full, gone or of another encoding: none is a verdict."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

READER_GONE = "nobody reads it"


class Guard(io.FileIO):
    """A descriptor whose writes never fail: after the first that does, the rest goes nowhere."""

    lost: str | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        """All of `data`, to the stream or, once it is lost, to nowhere; see `lost`."""
        size = memoryview(data).nbytes
        try:
            return size if self.lost else super().write(data) or 0
        except OSError as error:
            gone = error.errno == errno.EPIPE
            self.lost = READER_GONE if gone else error.strerror or str(error)
            return size


def prepare() -> None:
    """Give every closed stream a place, guard those that are written, and let them take any text.

    Descriptors 0 to 2 are taken first, or the next file that is opened would be written into by
    whoever prints. A stream that somebody put in the place of a standard one stays theirs.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False, encoding="utf-8")  # noqa: SIM115
    if sys.stdout is sys.__stdout__:
        sys.stdout = _guarded(1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _guarded(2, sys.stderr)


def lost(stream: TextIO) -> str | None:
    """Why a guarded stream could not be written, told once; None where it could."""
    stream.flush()
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    if not isinstance(raw, Guard) or raw.lost is None:
        return None
    why, raw.lost = raw.lost, None
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, raw.fileno())
    os.close(null)
    return why


def _guarded(number: int, stream: TextIO | None) -> TextIO:
    """The text stream of a descriptor, with the encoding of the one before."""
    encoding = stream.encoding if stream is not None else "utf-8"
    if stream is not None:
        stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(Guard(number, "w", closefd=False)),
        encoding=encoding, errors="backslashreplace", line_buffering=True,
    )  # fmt: skip

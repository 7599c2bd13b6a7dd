"""Work that a fork of this process does while the process goes on: two cores, one answer."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")
_THREADS = Path("/proc/self/task")  # of Linux; elsewhere nothing is forked


@contextmanager
def beside(work: Callable[[], _T], *, forks: bool = True) -> Iterator[Callable[[], _T]]:
    """Begin a work; what is given waits for its result, and may be called once.

    The work may change nothing: where no fork can be made, or its answer is lost, it is done here.
    A process with threads is not forked, for what a thread has locked would stay locked.

    forks  whether the work is worth one, which costs tens of milliseconds where much is held
    """
    if not forks or not _THREADS.is_dir() or len(list(_THREADS.iterdir())) > 1:
        yield work
        return
    answer, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(answer)  # else a pipe that nobody reads would stay open, and full
        _tell(work, told)
    os.close(told)
    with os.fdopen(answer, "rb") as pipe:

        def result() -> _T:
            try:
                found: _T = pickle.loads(pipe.read())
            except (EOFError, pickle.UnpicklingError):
                return work()
            return found

        try:
            yield result
        finally:
            pipe.close()  # who still writes has nobody left to read it
            os.waitpid(child, 0)


def _tell(work: Callable[[], object], told: int) -> None:
    """Only its own parent reads the pipe; whatever goes wrong here is found out there again."""
    with suppress(BaseException):
        data = pickle.dumps(work())
        with os.fdopen(told, "wb") as pipe:
            pipe.write(data)
    os._exit(0)

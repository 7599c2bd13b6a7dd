"""A process that imports what a run's tasks name, once, and forks a worker when one is asked for.

It runs no check. Its forks begin as a new worker does, but for the imports that are done; what
these read belongs to every task of every fork. Where the imports left more than memory (a thread,
a child, an open file, memory that is shared), forks would share that, and none is made (DEC-0320).
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from verify.run.workers.processes import MARK, descendants
from verify.run.workers.source import compiled_from_source
from verify.run.workers.watch import Watch
from verify.run.workers.worker import PACKAGE, attend, mount, settle

MESSAGE = 1 << 20  # bytes of an order: names of modules
_PDEATHSIG = 1  # of prctl
_ENVIRONMENT = 47  # of /proc/self/stat, counted after the name: where it begins and where it ends


def main() -> None:
    """Serve the pack at argv[1] over the socket at argv[2] while process argv[3] keeps it open."""
    root = Path(sys.argv[1])
    _end_with(int(sys.argv[3]))
    server = Server(root, socket.socket(fileno=int(sys.argv[2])))
    settle()
    with compiled_from_source(root):
        while server.answer():
            pass


class Server:
    """Orders are packets of JSON; each answer carries its order's nonce."""

    def __init__(self, root: Path, control: socket.socket) -> None:
        self._root = root
        self._control = control
        self._place = _place_of_mark()
        self._files = _files()
        self._watch = Watch(root)

    def answer(self) -> bool:
        """Do what the next order says; whether there was one."""
        line, fds, _, _ = socket.recv_fds(self._control, MESSAGE, 3)
        if not line:
            return False
        order = json.loads(line)
        if "import" in order:
            answer = self._import(order)
        elif "fork" in order:
            answer = {"pid": self._fork(order["fork"], fds)}
        else:
            answer = {"status": _status(order["wait"])}
        self._control.send(json.dumps({**answer, "nonce": order["nonce"]}).encode())
        return True

    def _import(self, order: dict[str, Any]) -> dict[str, Any]:
        """Modules of the pack, then libraries; who needs one that fails will say so."""
        self._watch.begin(Path(order["evidence_dir"]))
        with suppress(BaseException):
            if PACKAGE not in sys.modules and order["mount"]:
                mount(self._root)
        for name in order["import"]:
            with suppress(BaseException):
                importlib.import_module(name)
        self._watch.keep()
        return {"held": self._held()}

    def _held(self) -> str:
        """What forks would share with each other; empty for nothing."""
        files = sorted(_files() - self._files)
        return (
            "threads" if len(list(Path("/proc/self/task").iterdir())) > 1
            else "children" if list(descendants(os.getpid()))
            else "shared memory" if _shares_memory()
            else f"open files {', '.join(files)}" if files
            else "" if self._place
            else "an environment that cannot be marked"
        )  # fmt: skip

    def _fork(self, mark: str, fds: list[int]) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            self._become_worker(mark, fds)
        for fd in fds:
            os.close(fd)
        return child

    def _become_worker(self, mark: str, fds: list[int]) -> None:
        status = 1
        try:
            os.setsid()
            self._control.close()
            for place, fd in enumerate(fds):
                os.dup2(fd, place)
                os.close(fd)
            ctypes.memmove(self._place, mark.encode("ascii"), len(mark))
            os.environ[MARK] = mark
            attend(self._root, self._watch)
            status = 0
        finally:
            os._exit(status)  # nothing that the first process meant to do at its end


def _end_with(parent: int) -> None:
    """A command that is killed while something is imported leaves nobody who would notice."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has gone already
        os._exit(1)


def _status(pid: int) -> int | None:
    """How a worker ended; None while it lives."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _place_of_mark() -> int:
    """Where in memory /proc/self/environ shows this process's mark; 0 where it cannot be told.

    A fork is given its own there: what it forks is known by it, when the fork itself has gone.
    """
    fields = Path("/proc/self/stat").read_text(errors="replace").rpartition(")")[2].split()
    start, end = map(int, fields[_ENVIRONMENT : _ENVIRONMENT + 2])
    if not 0 < start < end:
        return 0
    wanted = f"{MARK}={os.environ[MARK]}\0".encode()
    found = ctypes.string_at(start, end - start).find(wanted)
    return 0 if found < 0 else start + found + len(MARK) + 1


def _files() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


def _shares_memory() -> bool:
    """Whether something that is mapped can be written and is seen by forks."""
    lines = Path("/proc/self/maps").read_text(errors="replace").splitlines()
    return any(line.split()[1][1::2] == "ws" for line in lines)

"""The pool's side of `verify.run.workers.forkserver`: workers that are forked instead of started.

Where forks are not to be had (another system than Linux, imports that left a thread, a server that
died or hung) there is none, and a worker is started as a process of its own.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from verify.run.spread import POLL_S
from verify.run.workers.meter import Meter
from verify.run.workers.processes import MARK, end

BOOT = (
    "import sys; sys.path.append(sys.argv.pop()); "
    "from verify.run.workers.forkserver import main; main()"
)
LIMIT_S = 120.0  # to import what the tasks name
ORDER_S = 10.0  # to fork, or to tell of a fork; of a server that hangs or was stopped
ANSWER = 1 << 16  # bytes
HOME = str(Path(__file__).parents[3])
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def environment(mark: str, threads: int) -> dict[str, str]:
    """Of a process in which checks run."""
    share = dict.fromkeys(_THREADS, str(threads))
    return {"PYTHONHASHSEED": "0", **share, **os.environ, MARK: mark}


class _GoneError(Exception):
    """The server answers no more."""


class Forked:
    """A worker that is the server's child: what the pool needs of a `Popen`."""

    def __init__(self, server: ForkServer, pid: int, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.pid = pid
        self.stdin = stdin
        self.stdout = stdout
        self._server = server
        self._status: int | None = None

    def poll(self) -> int | None:
        """Its exit status; None while it lives, and for good where the server has gone."""
        if self._status is None:
            self._status = self._server.status(self.pid)
        return self._status

    def wait(self, timeout: float = 60.0) -> int:
        """Its exit status when it has ended; raises TimeoutExpired."""
        ends = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() >= ends or not self._server.lives:
                raise subprocess.TimeoutExpired("worker", timeout)
            time.sleep(POLL_S / 20)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """As `kill` does; its number is its own until the server was asked for its end."""
        os.kill(self.pid, number)


class ForkServer:
    """One for a run, started when modules are first named; `fork` and `status` from any thread."""

    def __init__(self, root: Path, threads: int) -> None:
        self._root = root
        self._threads = threads
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._mark = secrets.token_hex(16)
        self._learned: dict[str, None] = {}
        self._asked: list[str] = []  # the nonces of imports that are not answered yet
        self._meter: Meter | None = None
        self.lives = sys.platform == "linux"
        self.refused = ""  # why it does not fork

    def imports(self, modules: Iterable[str], evidence_dir: str, *, mount: bool = True) -> None:
        """Begin to import, with what was learned; the first fork waits for it.

        mount  also the pack itself; not before its code was digested, or what is judged could be
               older than what the evidence names
        """
        with self._lock, suppress(_GoneError, OSError):
            if self.lives and self._process is None:
                self._process = self._start()
            names = [*modules, *self._learned]
            order = {"import": names, "evidence_dir": evidence_dir, "mount": mount}
            self._asked.append(self._send(order))

    def learn(self, modules: Iterable[str]) -> None:
        """What a worker imported besides: later forks will need it, too."""
        self._learned.update(dict.fromkeys(modules))

    def fork(self, mark: str, log: IO[bytes], given_up: Callable[[], bool]) -> Forked | None:
        """A worker whose standard error is `log`; None where it has to be started instead."""
        with self._lock, suppress(_GoneError, OSError):
            while self._asked and not self.refused:
                self.refused = self._answer(self._asked[0], given_up)["held"]
                del self._asked[0]
                if self.refused:  # it will fork nothing later either
                    self._end()
            if self.lives and not self.refused:
                return self._fork(mark, log)
        return None

    def status(self, pid: int) -> int | None:
        """How a fork ended."""
        with self._lock, suppress(_GoneError, OSError):
            found = self._answer(self._send({"wait": pid}), lambda: False)["status"]
            return None if found is None else int(found)
        return None

    def close(self) -> None:
        """End it, with whatever it started."""
        self._end()
        if self._process is not None:
            self._process.wait()
            self._control.close()

    def _start(self) -> subprocess.Popen[bytes]:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(POLL_S)
        arguments = map(str, (self._root, theirs.fileno(), os.getpid()))
        with theirs, tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", BOOT, *arguments, HOME],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
                env=environment(self._mark, self._threads),
            )
        self._meter = Meter(process.pid)
        return process

    def _fork(self, mark: str, log: IO[bytes]) -> Forked:
        tasks, stdin = os.pipe()
        stdout, answers = os.pipe()
        pipes = os.fdopen(stdin, "wb"), os.fdopen(stdout, "rb")
        try:
            nonce = self._send({"fork": mark}, [tasks, answers, log.fileno()])
            pid = self._answer(nonce, lambda: False)["pid"]
        except BaseException:
            for pipe in pipes:
                pipe.close()
            raise
        finally:
            os.close(tasks)
            os.close(answers)
        return Forked(self, pid, *pipes)

    def _send(self, order: Mapping[str, Any], fds: Iterable[int] = ()) -> str:
        """Its nonce: what pack's code writes to the socket while it is imported is no answer."""
        nonce = secrets.token_hex(16)
        if not self.lives:
            raise _GoneError
        socket.send_fds(self._control, [json.dumps({**order, "nonce": nonce}).encode()], list(fds))
        return nonce

    def _answer(self, nonce: str, given_up: Callable[[], bool]) -> dict[str, Any]:
        """The next answer; a server that gives none, or another one, is ended."""
        limit = LIMIT_S if self._meter else ORDER_S
        while not given_up():
            try:
                line = self._control.recv(ANSWER)
            except TimeoutError:
                if self._meter is None and self._process is not None:
                    self._meter = Meter(self._process.pid)
                if self._meter is not None and self._meter.over(limit):
                    break
                continue
            with suppress(ValueError, AttributeError):
                answer: dict[str, Any] = json.loads(line)
                if answer.get("nonce") == nonce:
                    self._meter = None
                    return answer
            break
        self._end()
        raise _GoneError

    def _end(self) -> None:
        self.lives = False
        if self._process is not None and self._process.poll() is None:
            end(self._process.pid, self._mark)

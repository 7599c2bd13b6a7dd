"""The process of one foreign subject: started, asked within its budgets, survived, ended.

It dies with the thread that started it. Frames pass through unread; `verify.audit.worker.frames`
says what they are.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verify.audit.subject import ForeignSubject
from verify.run.answers import text
from verify.run.workers.meter import Meter
from verify.run.workers.processes import end, held_kb

WORKER = Path(__file__).parent / "worker" / "__main__.py"
SIZES, NONCE = 16, 16
JSON_LIMIT, ARRAYS_LIMIT = 8 << 20, 256 << 20
SAID = 4000  # bytes kept of what the subject writes to standard error
LIVES = 3  # deaths and hangs after which it is not called again
POLL_MS = 100
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES",
        "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What loading and each call may take."""

    call_s: float = 60.0
    load_s: float = 180.0
    memory_mb: int = 4096


class LostSubjectError(Exception):
    """The process is of no more use; `kind` is died, hung, memory or nonsense."""

    def __init__(self, kind: str, said: str) -> None:
        super().__init__(said)
        self.kind = kind


@dataclass(frozen=True)
class Hello:
    """What the subject says of itself: name -> what it takes; where it holds; which code it is."""

    capabilities: dict[str, dict[str, Any]]
    domain: dict[str, Any]
    provenance: dict[str, Any] = field(repr=False)


class Process:
    """The process, started when it is first needed and again after it was lost."""

    def __init__(self, subject: ForeignSubject, known: tuple[str, ...], limits: Limits) -> None:
        self.subject = subject
        self._known = known
        self._limits = limits
        self._work: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._said = bytearray()
        self._lost = 0

    def hello(self) -> Hello:
        """Start it and let it load what it is to serve."""
        self._start()
        order = self.subject.order(self._known, self._limits.memory_mb)
        tree = {"d": {name: _tagged(value) for name, value in order.items()}}
        head = json.dumps({"value": tree, "arrays": []}).encode()
        answer = self._ask(sized(head, b""), self._limits.load_s, None)
        try:
            stated = _untagged(json.loads(answer[SIZES:])["value"])
            if "fault" in stated:
                raise LostSubjectError(stated["fault"], _told(stated))
            return Hello(stated["capabilities"], stated["domain"], stated["provenance"])
        except (KeyError, TypeError, ValueError) as error:
            raise LostSubjectError("nonsense", f"it introduced itself with {error!r}") from None

    def call(self, request: bytes, client: socket.socket) -> bytes:
        """Its answer to a request, or a frame that says why there is none."""
        try:
            if self._lost >= LIVES:
                raise LostSubjectError("gone", f"lost {LIVES} times, and not called again")
            if self._process is None:
                self.hello()
            return self._ask(request, self._limits.call_s, client)
        except LostSubjectError as lost:
            self._lost += lost.kind != "gone"
            self.discard()
            fault = {"d": {"fault": lost.kind, "text": str(lost), "at": {"l": []}}}
            return sized(json.dumps({"value": fault, "arrays": []}).encode(), b"")

    def discard(self) -> None:
        """Kill it with everything that it started."""
        process, self._process = self._process, None
        if process is None:
            return
        end(process.pid, secrets.token_hex(16))
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        if self._work is not None:
            self._work.cleanup()

    def talk(self) -> list[int]:
        """Where it may be talking while nobody asked."""
        open_ = self._process is not None and self._process.stderr is not None
        return [self._process.stderr.fileno()] if open_ else []  # type: ignore[union-attr]

    def listen(self) -> None:
        """Keep the end of what it says on standard error; a closed one ends the process."""
        assert self._process is not None
        assert self._process.stderr is not None
        chunk = os.read(self._process.stderr.fileno(), 1 << 16)
        self._said = (self._said + chunk)[-SAID:]
        if not chunk:
            self.discard()

    def _start(self) -> None:
        # Its own, and new for each start: what it leaves or deletes there is nobody's.
        self._work = tempfile.TemporaryDirectory(prefix="work-", ignore_cleanup_errors=True)
        self._said = bytearray()
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        try:
            self._process = subprocess.Popen(
                [self.subject.python, "-I", str(WORKER)], cwd=self._work.name, env=kept,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                start_new_session=True, bufsize=0,
            )  # fmt: skip
        except OSError as error:
            said = f"{self.subject.python} does not start ({error.strerror})"
            raise LostSubjectError("died", said) from None

    def _ask(self, request: bytes, seconds: float, client: socket.socket | None) -> bytes:
        process = self._process
        assert process is not None
        meter, nonce = Meter(process.pid), secrets.token_bytes(NONCE)
        answer, sent, wanted = bytearray(), 0, NONCE + SIZES
        message = nonce + request
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        while len(answer) < wanted or sent < len(message):
            for ready in self._ready(process, client, writes=sent < len(message)):
                if ready == "in":
                    with suppress(BlockingIOError, BrokenPipeError):
                        sent += os.write(process.stdin.fileno(), message[sent : sent + (1 << 16)])
                elif ready == "out":
                    answer += self._read(process)
                elif ready == "err":
                    self._keep(process)
                elif ready == "client":
                    raise LostSubjectError("hung", "the check that had asked was stopped")
            if len(answer) >= NONCE + SIZES:
                wanted = NONCE + SIZES + frame_size(answer[NONCE:])
            self._hold(process, meter, seconds)
        if bytes(answer[:NONCE]) != nonce or len(answer) > wanted:
            raise LostSubjectError("nonsense", "something else than its answer is on the pipe")
        return bytes(answer[NONCE:])

    def _ready(
        self, process: subprocess.Popen[bytes], client: socket.socket | None, *, writes: bool
    ) -> Iterator[str]:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        names = {process.stdout.fileno(): "out", process.stderr.fileno(): "err"}
        poller = select.poll()
        for one in names:
            poller.register(one, select.POLLIN)
        if writes:
            names[process.stdin.fileno()] = "in"
            poller.register(process.stdin.fileno(), select.POLLOUT)
        if client is not None:
            names[client.fileno()] = "client"
            poller.register(client.fileno(), select.POLLRDHUP)
        yield from (names[number] for number, _ in poller.poll(POLL_MS))

    def _read(self, process: subprocess.Popen[bytes]) -> bytes:
        assert process.stdout is not None
        chunk = os.read(process.stdout.fileno(), 1 << 20)
        if not chunk:
            raise LostSubjectError("died", self._death(process))
        return chunk

    def _keep(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        self._said = (self._said + os.read(process.stderr.fileno(), 1 << 16))[-SAID:]

    def _hold(self, process: subprocess.Popen[bytes], meter: Meter, seconds: float) -> None:
        """Raise where a budget is used up or the process has gone."""
        if process.poll() is not None and not self._waiting(process):
            raise LostSubjectError("died", self._death(process))
        if meter.over(seconds):
            raise LostSubjectError("hung", f"no answer within its budget of {seconds:g} s")
        if held_kb(process.pid) > self._limits.memory_mb << 10:
            raise LostSubjectError("memory", f"more than {self._limits.memory_mb} MB")

    def _waiting(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.stdout is not None
        return bool(select.select([process.stdout], [], [], 0)[0])

    def _death(self, process: subprocess.Popen[bytes]) -> str:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1.0)
        code = process.returncode
        how = "it closed its pipe" if code is None else f"exit status {code}"
        if code is not None and code < 0:
            how = f"signal {-code}"
        lines = [line for line in self._said.decode(errors="replace").splitlines() if line.strip()]
        return text(f"{how}{': ' + lines[-1] if lines else ''}", 300)


def frame_size(sizes: bytes | bytearray) -> int:
    """Bytes after the sizes; raises LostSubjectError for more than a frame may have."""
    head, arrays = (int.from_bytes(sizes[at : at + 8], "big") for at in (0, 8))
    if head > JSON_LIMIT or arrays > ARRAYS_LIMIT:
        raise LostSubjectError("nonsense", f"an answer of {head + arrays:,} bytes")
    return head + arrays


def sized(head: bytes, arrays: bytes) -> bytes:
    return len(head).to_bytes(8, "big") + len(arrays).to_bytes(8, "big") + head + arrays


def _tagged(value: Any) -> Any:
    return {"l": list(value)} if isinstance(value, (list, tuple)) else value


def _untagged(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((tag, inside),) = tree.items()
    if tag == "l":
        return [_untagged(one) for one in inside]
    return {name: _untagged(one) for name, one in inside.items()} if tag == "d" else inside


def _told(stated: dict[str, Any]) -> str:
    at = f" at {stated['at'][-1]}" if stated.get("at") else ""
    return text(f"{stated['text']}{at}", 500)

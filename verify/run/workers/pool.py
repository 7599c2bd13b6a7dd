"""Worker processes with a time budget per task; a worker that hangs or dies is replaced.

Checks and mutants never share a process: a mutant that leaks would otherwise taint evidence
(DEC-0202). The caller makes one pool for each and closes it. One thread waits for each worker, so
events reach the caller's own thread only.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from verify.outcome import Outcome, Reason
from verify.run.answers import text, too_large
from verify.run.results import Verdict
from verify.run.spread import POLL_S, Stop, spread
from verify.run.workers.forks import HOME, Forked, ForkServer, environment
from verify.run.workers.memory import SLACK_KB
from verify.run.workers.meter import Meter
from verify.run.workers.processes import end, held_kb
from verify.run.workers.protocol import LostError, garbled, own, parsed, verdict_of
from verify.run.workers.worker import module_of
from verify.spec.sources import HARNESS, shown

ANSWER_LIMIT = 64 << 20  # bytes of one answer line, mismatch files included
IMPORT_LIMIT_S = 120.0  # to start and to import what a task names, before its own budget
END_S = 60.0  # for the system to bury what was killed
GRACE_S = 2.0  # after a budget, at most: for the worker to write where it is
WHERE_SIGNAL = signal.SIGUSR1  # a worker answers it with its stack
LOG_TAIL = 8000  # bytes of a worker's standard error that are searched for an explanation
LOG_LINES = 8

# The worker's own folder comes last: a pack's modules must not hide behind it, nor it behind them.
_BOOT = (
    "import sys; sys.path.append(sys.argv.pop()); "
    "from verify.run.workers.worker import main; main()"
)
_NOT_THEIRS = (f"{HARNESS}{os.sep}", "<")
_WORKER_FILE = str(Path(__file__).with_name("worker.py"))
_FATAL = "Fatal Python error"
_THREAD = re.compile(r"^(?:Current thread|Thread) 0x.*$", re.MULTILINE)
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<name>.+)$', re.MULTILINE)


Process = subprocess.Popen[bytes] | Forked


@dataclass(frozen=True)
class Task:
    """One execution; `payload` is what the worker reads, `key` is how the caller knows it."""

    key: tuple[str, str | None]  # clause, falsifier's label
    payload: dict[str, Any]
    seconds: float


class Worker:
    """One process and its pipes. `run` belongs to one thread; `close` may come from another.

    server  forks the process where it can; without it, or where not, it is started
    """

    boot = _BOOT

    def __init__(self, root: Path, threads: int, server: ForkServer | None = None) -> None:
        self._root = root
        self._threads = threads
        self._server = server
        self._process: Process | None = None
        self._borrowed_kb = 0
        self._buffer = bytearray()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        self._log_start = 0
        self._lock = threading.Lock()
        self._closed = False
        self._mark = ""
        self._imports: frozenset[str] = frozenset()

    def run(self, task: Task) -> Verdict:
        """Execute a task; every way to go wrong is a verdict."""
        try:
            answer = self._ask(task)
            verdict = verdict_of(answer)
        except LostError as lost:
            self._discard()
            return lost.verdict
        if verdict.basis.imports:  # it tells each file once
            self._imports |= verdict.basis.imports
        verdict = replace(verdict, basis=replace(verdict.basis, imports=self._imports))
        if self._server is not None:
            self._server.learn(answer["touched"]["modules"])
        if answer["left_behind"] or verdict.cause is Reason.MEMORY_BUDGET:
            self._discard()  # what it began, or holds, is of no use to the next check
        return verdict

    @property
    def closed(self) -> bool:
        """Whether it takes no more tasks."""
        return self._closed

    def close(self) -> None:
        """From any thread: kill the process with everything it started, and start no other."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                end(self._process.pid, self._mark)

    def dispose(self) -> None:
        """From the thread that runs it: leave neither process nor open file behind."""
        self.close()
        self._discard()
        self._log.close()

    # -- one task -------------------------------------------------------------------------------

    def _ask(self, task: Task) -> dict[str, Any]:
        """The worker's answer. Starting and importing have a limit of their own, and then a budget
        begins to run: see `verify.run.workers.meter` for what is charged."""
        if self._process is not None and self._spoken():
            self._discard()  # what an earlier check left running writes to the pipe
        process = self._process
        nonce = secrets.token_hex(16)
        if process is None:
            process = self._start()
            ready = self._line(process, task, Meter(process.pid), importing=True)
            self._borrowed_kb = ready.get("borrowed_kb", 0)
        self._log_start = self._log_end()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps({**task.payload, "nonce": nonce}).encode() + b"\n")
            process.stdin.flush()
        except OSError:
            raise self._died(process) from None
        answer = own(self._line(process, task, Meter(process.pid), importing=True), nonce)
        if "loaded" in answer:
            budget_kb = answer["held_kb"] + (task.payload["memory_mb"] << 10)
            meter = Meter(process.pid)
            line = self._line(process, task, meter, importing=False, budget_kb=budget_kb)
            answer = own(line, nonce)
        return answer

    def _spoken(self) -> bool:
        """Whether something that no task asked for is on the pipe."""
        assert self._process is not None
        assert self._process.stdout is not None
        poller = select.poll()
        poller.register(self._process.stdout.fileno(), select.POLLIN)
        return bool(self._buffer or poller.poll(0))

    def _line(
        self,
        process: Process,
        task: Task,
        meter: Meter,
        *,
        importing: bool,
        budget_kb: int | None = None,
    ) -> dict[str, Any]:
        assert process.stdout is not None
        pipe = process.stdout.fileno()
        poller = select.poll()
        poller.register(pipe, select.POLLIN | select.POLLHUP)
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if poller.poll(1000 * POLL_S):
                chunk = os.read(pipe, 1 << 16)
                if not chunk:
                    raise self._died(process)
                self._buffer += chunk
                if len(self._buffer) > ANSWER_LIMIT:
                    raise garbled(f"an answer of more than {ANSWER_LIMIT} bytes")
            elif process.poll() is not None:  # a child it forked still holds the pipe
                raise self._died(process)
            elif meter.over(IMPORT_LIMIT_S if importing else task.seconds):
                raise LostError(self._too_slow(process, task, importing=importing))
            elif budget_kb is not None and self._held_kb(process) > budget_kb + SLACK_KB:
                raise LostError(too_large(task.payload["memory_mb"]))
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return parsed(line)

    def _held_kb(self, process: Process) -> int:
        return held_kb(process.pid, self._borrowed_kb)

    def _start(self) -> Process:
        self._mark = secrets.token_hex(16)
        self._buffer.clear()
        self._imports = frozenset()
        forked = self._server and self._server.fork(self._mark, self._log, lambda: self._closed)
        with self._lock:
            self._process = forked or None  # so that whoever closes ends it
            if self._closed:
                reason = "the run was interrupted"
                raise LostError(Verdict(Outcome.UNKNOWN, reason, Reason.INTERRUPTED))
            self._process = forked or subprocess.Popen(
                [sys.executable, "-P", "-c", self.boot, str(self._root), HOME],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                start_new_session=True,
                env=environment(self._mark, self._threads),
            )
            return self._process

    def _discard(self) -> None:
        """Kill the process and forget it; only its own thread may close the pipes."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        end(process.pid, self._mark)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=END_S)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what could not be written to the dead
                    pipe.close()

    # -- what went wrong ------------------------------------------------------------------------

    def _died(self, process: Process) -> LostError:
        try:
            code: int | None = process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            code = None  # it closed its end of the pipe and lives on
        how = "it closed its pipe" if code is None else _exit_in_words(code)
        tail = [line for line in self._log_tail().splitlines() if line.strip()]
        told = [text(line, 200) for line in tail[-LOG_LINES:]]
        fatal = [text(line, 200) for line in tail if line.startswith(_FATAL)] or told[-1:]
        reason = f"the worker process died ({how}){': ' + fatal[0] if fatal else ''}"
        details = {"stderr": told} if told else {}
        return LostError(Verdict(Outcome.ERROR, reason, Reason.WORKER_DIED, details=details))

    def _too_slow(self, process: Process, task: Task, *, importing: bool) -> Verdict:
        if importing:
            reason = f"importing what the check needs took longer than {IMPORT_LIMIT_S:g} s"
            return Verdict(Outcome.TIMEOUT, reason, Reason.TIME_BUDGET, elapsed_s=IMPORT_LIMIT_S)
        stack = self._stack(process)
        where = f" in {stack[0]}" if stack else ""
        reason = (
            f"stopped{where} after its budget of {task.seconds:g} s; remedy: make the check "
            "faster, or raise budget.seconds of the clause"
        )
        details = {"stack": stack} if stack else {}
        return Verdict(
            Outcome.TIMEOUT, reason, Reason.TIME_BUDGET, details=details, elapsed_s=task.seconds
        )

    def _stack(self, process: Process) -> list[str]:
        """Where the check is when its time is over, innermost first; the worker is asked for it."""
        self._log_start = self._log_end()
        with suppress(OSError):
            process.send_signal(WHERE_SIGNAL)
        ends = time.monotonic() + GRACE_S
        while _WORKER_FILE not in self._log_tail() and time.monotonic() < ends:
            time.sleep(POLL_S / 10)
        threads = _THREAD.split(self._log_tail())
        serving = next((thread for thread in threads if _WORKER_FILE in thread), "")
        frames = [f for f in _FRAME.finditer(serving) if not f["file"].startswith(_NOT_THEIRS)]
        return [
            text(f"{shown(f['file'], self._root)}:{f['line']} {f['name']}")
            for f in frames[:LOG_LINES]
        ]

    def _log_end(self) -> int:
        return os.fstat(self._log.fileno()).st_size

    def _log_tail(self) -> str:
        """The end of what the worker wrote to standard error during this task."""
        start = max(self._log_start, self._log_end() - LOG_TAIL)
        return os.pread(self._log.fileno(), LOG_TAIL, start).decode(errors="replace")


def execute(
    tasks: Iterable[Task], *, root: Path, jobs: int, stop: Stop, server: ForkServer | None = None
) -> Iterator[tuple[Task, Verdict]]:
    """Verdicts as they arrive; each worker takes the next task when it is free.

    server  is told what the tasks name, and forks the workers
    """
    waiting = list(tasks)
    if server is not None and waiting:
        server.imports(named(waiting), waiting[0].payload["evidence_dir"])
    workers = [Worker(root, threads(jobs), server) for _ in range(min(jobs, len(waiting)))]
    yield from spread(waiting, workers, Worker.run, stop)


def threads(jobs: int) -> int:
    """The share of a worker."""
    return max(1, (os.cpu_count() or 1) // max(1, jobs))


def named(tasks: Iterable[Task]) -> list[str]:
    """The pack's modules that some tasks will import, each once."""
    parts = (task.payload.get(part) for task in tasks for part in ("check", "subject", "mutant"))
    return list(dict.fromkeys(module_of(part) for part in parts if part and "module" in part))


def _exit_in_words(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"signal {-code}, {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"

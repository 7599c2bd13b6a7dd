"""Worker processes with a time budget per task; a worker that hangs or dies is replaced.

Checks and mutants never share a process: a mutant that leaks would otherwise taint evidence
(DEC-0202). The caller makes one pool for each and closes it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify.outcome import Outcome, Reason
from verify.run.results import Verdict

ANSWER_LIMIT = 64 << 20  # bytes of one answer line, mismatch files included
IMPORT_LIMIT_S = 120.0  # to start and to import what a task names, before its own budget


@dataclass(frozen=True)
class Task:
    """One execution; `payload` is what the worker reads, `key` is how the caller knows it."""

    key: Any
    payload: dict[str, Any]
    seconds: float


class Worker:
    """One process and its pipes."""

    def __init__(self, root: Path, threads: int) -> None:
        self._root = root
        self._threads = threads
        self._process: asyncio.subprocess.Process | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker

    async def run(self, task: Task) -> Verdict:
        """Execute a task; every way to go wrong is a verdict."""
        process = self._process or await self._start()
        try:
            answer = await self._ask(process, task)
        except TimeoutError:
            await self.stop()
            text = (
                f"stopped after its budget of {task.seconds:g} s; remedy: make the check faster, "
            )
            text += "or raise budget.seconds of the clause"
            return Verdict(Outcome.TIMEOUT, text, Reason.TIME_BUDGET, elapsed_s=task.seconds)
        except (ConnectionError, ValueError):  # a closed pipe, or an answer beyond the limit
            return await self._died()
        return _verdict(answer) if answer else await self._died()

    async def _ask(self, process: asyncio.subprocess.Process, task: Task) -> dict[str, Any]:
        """The worker's answer; empty where it died. Importing has a time limit of its own."""
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(task.payload).encode() + b"\n")
        await process.stdin.drain()
        allowed = IMPORT_LIMIT_S
        while line := await asyncio.wait_for(process.stdout.readline(), allowed):
            answer: dict[str, Any] = json.loads(line)
            if "loaded" not in answer:
                return answer
            allowed = task.seconds
        return {}

    async def stop(self) -> None:
        """Kill the process with everything it started."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        environment = dict(os.environ)
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            environment.setdefault(name, str(self._threads))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "verify.run.worker",
            str(self._root),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
            limit=ANSWER_LIMIT,
            env=environment,
        )
        return self._process

    async def _died(self) -> Verdict:
        process = self._process
        code = await process.wait() if process else None
        await self.stop()
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - 2000))
        tail = self._log.read().decode(errors="replace").strip().splitlines()
        how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
        text = f"the worker process died ({how}){': ' + tail[-1] if tail else ''}"
        return Verdict(Outcome.ERROR, text, Reason.WORKER_DIED)


async def execute(
    tasks: Iterable[Task], *, root: Path, jobs: int
) -> AsyncIterator[tuple[Any, Verdict]]:
    """Verdicts as they arrive; each worker takes the next task when it is free."""
    waiting = asyncio.Queue[Task]()
    for task in tasks:
        waiting.put_nowait(task)
    count = min(jobs, waiting.qsize())
    threads = max(1, (os.cpu_count() or 1) // max(1, jobs))
    done = asyncio.Queue[tuple[Any, Verdict] | BaseException | None]()

    async def serve() -> None:
        worker = Worker(root, threads)
        try:
            while not waiting.empty():
                task = waiting.get_nowait()
                done.put_nowait((task.key, await worker.run(task)))
        except BaseException as error:
            done.put_nowait(error)
            raise
        finally:
            await worker.stop()
            done.put_nowait(None)

    servers = [asyncio.create_task(serve()) for _ in range(count)]
    try:
        while count:
            item = await done.get()
            if item is None:
                count -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item
    finally:
        for server in servers:
            server.cancel()
        await asyncio.gather(*servers, return_exceptions=True)


def _verdict(answer: dict[str, Any]) -> Verdict:
    return Verdict(
        outcome=Outcome(answer["outcome"]),
        reason=answer["reason"],
        cause=Reason(answer["cause"]),
        measured=answer["measured"],
        unit=answer["unit"],
        axis=answer["axis"],
        details=answer["details"],
        files={name: base64.b64decode(data) for name, data in answer["files"].items()},
        elapsed_s=answer["elapsed_s"],
        peak_mb=answer["peak_mb"],
    )

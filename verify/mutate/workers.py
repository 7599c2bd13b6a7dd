"""The pool's side of `verify.mutate.server`: a worker that is given one program after another."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from verify.run.workers.meter import Meter
from verify.run.workers.pool import Process, Task, Worker
from verify.run.workers.protocol import LostError

WORTH_RESTARTING = 100  # modules
_BEGINNING = Task(("", None), {"memory_mb": 0}, 0.0)  # starting is charged to no clause


class Programs(Worker):
    """`turn` begins a program, `run` gives it a task; `lines` are those the last task reached."""

    boot = Worker.boot.replace("verify.run.workers.worker", "verify.mutate.server")

    def __init__(self, root: Path, threads: int, libraries: Sequence[str] = ()) -> None:
        super().__init__(root, threads)
        self.libraries = list(libraries)
        self.touched: Mapping[str, Any] = {}
        self.own: frozenset[str] = frozenset()  # files that the worker itself is made of
        self._order: Mapping[str, Any] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="verify-mutate-"))
        self._turns = 0

    def turn(self, changed: tuple[Path, bytes] | None = None, traced: Sequence[str] = ()) -> None:
        """End the program before, and begin another when its first task comes.

        changed  a file and the text that is compiled instead of it
        traced   folders and files whose lines are told
        """
        self._turns += 1
        self._order = {
            "file": changed and os.path.realpath(changed[0]),
            "text": changed and changed[1].decode(),
            "traced": list(traced),
            "lines": str(self._folder / f"{self._turns}.lines"),
            "place": str(self._folder / f"{self._turns}.json"),
        }
        order = self._order
        process = self._process
        if process is None:
            return
        try:
            self._tell(process, {"end": True})
            if "ended" not in self._next(process):
                raise OSError
            self._tell(process, order)
            self._next(process)
        except (OSError, LostError):
            self._discard()

    def dispose(self) -> None:
        """The files of its programs go as well."""
        super().dispose()
        shutil.rmtree(self._folder, ignore_errors=True)

    def learn(self, names: Sequence[str]) -> None:
        """Libraries that later programs need; many new ones are worth a new beginning."""
        known = set(self.libraries)
        new = [name for name in names if name not in known]
        if len(new) > WORTH_RESTARTING:
            self.libraries += new
            self._discard()

    def _ask(self, task: Task) -> dict[str, Any]:
        answer = super()._ask(task)
        self.touched = answer.get("touched", {})
        return answer

    def _start(self) -> Process:
        process = super()._start()
        self.own = frozenset(self._next(process)["own"])
        with suppress(OSError):  # the dead are noticed by who waits for their answer
            self._tell(process, {"libraries": self.libraries})
            self._tell(process, self._order)
        return process

    def _tell(self, process: Process, line: Mapping[str, Any]) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(line).encode() + b"\n")
        process.stdin.flush()

    def _next(self, process: Process) -> dict[str, Any]:
        return self._line(process, _BEGINNING, Meter(process.pid), importing=True)

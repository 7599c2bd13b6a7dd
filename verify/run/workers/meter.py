"""What a worker has used of its budget: time in which it computed or slept, not in which it waited.

A wall clock charges a check for the other programs of a busy machine. Charged here are the
processor time of the busiest thread of the worker and its children, which is what the check would
take with a core to itself whatever the number of threads, and the time in which all of them slept:
a hang in its sleep ends as one that spins does. Time in which a thread is ready, or waits for the
disk, and gets nothing is charged to nobody. Read from /proc; where there is none, a wall clock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from verify.run.workers.processes import descendants

PROC = Path("/proc")
LONGEST_SLEEP_S = 0.5  # charged between two readings: the reader itself may have been kept waiting
BACKSTOP, BACKSTOP_S = 60.0, 600.0  # budgets of wall clock, and at least so long: a last resort
_WAITING = "RD"  # ready to run, or in the disk's hands
_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True)
class _Thread:
    key: tuple[int, int]  # process, thread
    seconds: float  # of processor time, in all
    state: str


class Meter:
    """Seconds of budget that a process and its children have used since the meter was made."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = {thread.key: thread.seconds for thread in _threads(pid)}
        self._busiest = self._asleep = 0.0
        self._began = self._last = time.monotonic()

    def used(self) -> float:
        """Computed plus slept; wall clock where the system does not tell."""
        now = time.monotonic()
        since, self._last = now - self._last, now
        threads = list(_threads(self._pid))
        if not threads:
            return now - self._began
        spent = (one.seconds - self._before.get(one.key, 0.0) for one in threads)
        self._busiest = max(self._busiest, *spent)
        if not any(one.state in _WAITING for one in threads):
            self._asleep += min(since, LONGEST_SLEEP_S)
        return self._busiest + self._asleep

    def over(self, seconds: float) -> bool:
        """Whether a budget is used up, or the last resort of the wall clock has come."""
        wall = time.monotonic() - self._began
        return self.used() >= seconds or wall >= max(BACKSTOP * seconds, BACKSTOP_S)


def _threads(pid: int) -> Iterator[_Thread]:
    """All threads of a process and of its descendants; nothing where there is no /proc."""
    for process in (pid, *descendants(pid)):
        with suppress(OSError, ValueError, IndexError):  # it ended between two looks
            for thread in (PROC / str(process) / "task").iterdir():
                yield _read(process, thread)


def _read(process: int, thread: Path) -> _Thread:
    """From `stat`: a name in brackets may hold anything, what counts is behind the last one."""
    fields = (thread / "stat").read_text(errors="replace").rpartition(")")[2].split()
    seconds = (int(fields[11]) + int(fields[12])) / _TICK  # utime, stime
    return _Thread((process, int(thread.name)), seconds, fields[0])

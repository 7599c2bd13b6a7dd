"""The memory budget of one check, held from inside its worker.

Three nets, for none of them sees everything. The limit of private memory stops a check that
allocates. The peak of resident memory, looked at when the check is done, sees what had been mapped
before and was only touched by it, and what is shared; so does the pool, which watches the worker
and its children meanwhile. A limit that the check changed is found changed.
"""

from __future__ import annotations

import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from verify.run.workers.processes import status_kb

SLACK_KB = 8 << 10  # the kernel counts resident pages in batches
_SELF = "self"


@dataclass(frozen=True)
class Allowance:
    """What a check may use beyond what was there before it; see `granted`."""

    budget_kb: int
    limits: tuple[int, int]
    resident_kb: int
    files_kb: int
    peak_works: bool

    def settle(self) -> None:
        """Raise MemoryError where the check used more, or changed its limit."""
        if resource.getrlimit(resource.RLIMIT_DATA) != self.limits:
            raise MemoryError("the check changed its limit of memory")
        files = max(0, status_kb(_SELF, "RssFile") - self.files_kb)
        grown = status_kb(_SELF, "VmHWM") - self.resident_kb - files
        if self.peak_works and grown > self.budget_kb + SLACK_KB:
            raise MemoryError("the check used more than its budget")


def granted(budget_mb: int) -> Allowance:
    """Allow private memory to grow by the budget from here (Linux: RLIMIT_DATA covers mmap)."""
    _reset_peak()
    resident = status_kb(_SELF, "VmRSS")
    works = 0 < status_kb(_SELF, "VmHWM") <= resident + SLACK_KB
    limits = _limit(status_kb(_SELF, "VmData") * 1024 + (budget_mb << 20))
    return Allowance(budget_mb << 10, limits, resident, status_kb(_SELF, "RssFile"), works)


def lift() -> None:
    """No limit but the hard one."""
    _limit(resource.getrlimit(resource.RLIMIT_DATA)[1])


def peak_mb() -> float:
    """The peak of this process's resident memory since the last check began."""
    peak_kb = status_kb(_SELF, "VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak_kb / 1024


def _limit(soft: int) -> tuple[int, int]:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY and soft != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    return soft, hard


def _reset_peak() -> None:
    """Start the peak of resident memory anew, where the system can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")

"""The processes of a worker as /proc shows them: what they hold, and how all of them are ended.

A check may fork, and what it forks may leave its session or outlive it. Whatever descends from a
worker, shares its session or carries its mark in the environment belongs to it. Where there is no
/proc, nothing is found, and a worker is ended with its process group alone.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

MARK = "VERIFY_WORKER"
_ROUNDS = 20  # of killing, while what is killed forks
_PAUSES = [0.001] * 50 + [0.01] * 95 + [0.1] * 90  # 10 s for what was killed to be gone
_PROC = Path("/proc")
_PPID, _SESSION = 1, 3  # fields of /proc/PID/stat, counted after the name


def end(leader: int, mark: str) -> None:
    """Kill a worker, which leads its session, and everything that belongs to it; see it gone."""
    for _ in range(_ROUNDS):
        found = _kin(leader, mark)  # asked before the leader dies: orphans lose their parent
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return
        _see_gone(found)


def _see_gone(pids: set[int]) -> None:
    """A killed process lives until a core is free for it, and longer where the system holds it."""
    for pause in _PAUSES:
        if not any(_lives(pid) for pid in pids):
            return
        time.sleep(pause)


def held_kb(pid: int, borrowed_kb: int = 0) -> int:
    """Private and shared memory of a process and its descendants that is really there.

    Pages of files do not count: they are the system's, which takes them back when it needs them.
    borrowed_kb  what the process shares with others than these: see `borrowed_kb`
    """
    family = [pid, *descendants(pid)]
    held = sum(status_kb(one, "RssAnon", "RssShmem") for one in family)
    if len(family) == 1:
        return held
    shares = sum(map(_share_kb, family))
    return min(held, shares + borrowed_kb) if shares else held


def borrowed_kb(pid: int) -> int:
    """What the memory of a process exceeds its share by: a fork has pages in common with others."""
    share = _share_kb(pid)
    return max(0, status_kb(pid, "RssAnon", "RssShmem") - share) if share else 0


def status_kb(pid: int | str, *names: str) -> int:
    """The sum of entries of /proc/PID/status in KiB; 0 where there is none."""
    wanted = {f"{name}:" for name in names}
    lines = (line.split() for line in _lines(_PROC / str(pid) / "status"))
    return sum(int(parts[1]) for parts in lines if parts and parts[0] in wanted)


def _share_kb(pid: int) -> int:
    """The same of one process, pages it shares with others divided among them."""
    lines = (line.split() for line in _lines(_PROC / str(pid) / "smaps_rollup"))
    wanted = ("Pss_Anon:", "Pss_Shmem:")
    return sum(int(parts[1]) for parts in lines if parts and parts[0] in wanted)


def descendants(pid: int) -> Iterator[int]:
    """The living children of a process, theirs, and so on."""
    for child in _children(pid):
        yield child
        yield from descendants(child)


def _children(pid: int) -> list[int]:
    """Of all threads of a process; none of one that ended meanwhile."""
    try:
        found = [_lines(one) for one in (_PROC / str(pid) / "task").glob("*/children")]
    except OSError:
        return []
    return [int(child) for lines in found for line in lines for child in line.split()]


def _kin(leader: int, mark: str) -> set[int]:
    """Living processes, the leader aside, that belong to a worker."""
    stats = {pid: stat for pid in _all() if (stat := _stat(pid))}
    found = {
        pid for pid, stat in stats.items() if int(stat[_SESSION]) == leader or _carries(pid, mark)
    } | {leader}
    while more := {p for p, s in stats.items() if int(s[_PPID]) in found and p not in found}:
        found |= more
    return {pid for pid in found - {leader, os.getpid()} if _lives(pid)}


def _lives(pid: int) -> bool:
    """Whether a process is more than an entry its parent has not asked for yet."""
    return next(iter(_stat(pid)), "X") not in "ZX"


def _all() -> Iterator[int]:
    with suppress(OSError):
        yield from (int(entry.name) for entry in os.scandir(_PROC) if entry.name.isdigit())


def _stat(pid: int) -> list[str]:
    """State, parent, group, session and the rest; the name before them may hold anything."""
    return " ".join(_lines(_PROC / str(pid) / "stat")).rpartition(")")[2].split()


def _carries(pid: int, mark: str) -> bool:
    with suppress(OSError):
        wanted = f"{MARK}={mark}".encode()
        return wanted in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    return False


def _lines(path: Path) -> Iterable[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # it ended meanwhile
        return ()

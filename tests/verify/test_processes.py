"""All that belongs to a worker is gone when its end was asked for, not merely told to go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from verify.run.workers.processes import MARK, end

from .conftest import gone

# The one that left takes a while to die: the system takes 256 MiB back, page by page.
LEAVES = """
import mmap, os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        held = mmap.mmap(-1, 1 << 28, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for at in range(0, len(held), mmap.PAGESIZE):
            held[at] = 1
        with open(sys.argv[1] + ".part", "w") as file:
            file.write(str(os.getpid()))
        os.rename(sys.argv[1] + ".part", sys.argv[1])
        time.sleep(600)
    os._exit(0)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
print("there", flush=True)
time.sleep(600)
"""


def test_what_left_a_worker_is_gone_when_it_was_ended(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    worker = subprocess.Popen(
        [sys.executable, "-c", LEAVES, str(mark)], start_new_session=True,
        stdout=subprocess.PIPE, env={**os.environ, MARK: "this one"},
    )  # fmt: skip
    assert worker.stdout is not None
    with worker, worker.stdout:
        assert worker.stdout.readline() == b"there\n"
        end(worker.pid, "this one")
        assert gone(int(mark.read_text()))

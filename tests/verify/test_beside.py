"""Work in a fork: the same result, the same errors, and nothing left behind."""

from __future__ import annotations

import subprocess
import sys

from .conftest import PATIENCE_S

HEAD = """
import os, signal, sys, threading
from verify.beside import beside

def left():
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return "none"
"""


def told(body: str) -> list[str]:
    """What a program of its own prints: threads of pytest would keep it from being forked."""
    found = subprocess.run(
        [sys.executable, "-c", HEAD + body],
        capture_output=True, text=True, check=True, timeout=PATIENCE_S,
    )  # fmt: skip
    return found.stdout.split()


def test_the_result_is_that_of_another_process_and_none_is_left() -> None:
    body = "with beside(os.getpid) as result: found = result()\nprint(found != os.getpid(), left())"
    assert told(body) == ["True", "none"]


def test_a_work_that_is_not_worth_a_fork_is_done_here() -> None:
    body = "with beside(os.getpid, forks=False) as result: print(result() == os.getpid(), left())"
    assert told(body) == ["True", "none"]


def test_an_error_of_the_work_is_raised_where_the_result_is_asked_for() -> None:
    body = """
try:
    with beside(lambda: 1 / 0) as result: result()
except ZeroDivisionError: print("raised", left())
"""
    assert told(body) == ["raised", "none"]


def test_a_fork_that_is_killed_costs_time_and_no_answer() -> None:
    body = """
me = os.getpid()
def work():
    if os.getpid() != me: os.kill(os.getpid(), signal.SIGKILL)
    return "done"
with beside(work) as result: print(result())
print(left())
"""
    assert told(body) == ["done", "none"]


def test_a_result_that_nobody_asks_for_leaves_no_process() -> None:
    body = "with beside(lambda: 'x' * (1 << 20)) as result: pass\nprint(left())"
    assert told(body) == ["none"]


def test_a_process_with_threads_is_not_forked() -> None:
    body = """
stop = threading.Event()
threading.Thread(target=stop.wait).start()
with beside(os.getpid) as result: print(result() == os.getpid())
stop.set()
"""
    assert told(body) == ["True"]

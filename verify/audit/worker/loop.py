"""The loop: an order, hello, then calls until the pipe ends.

Each way, sixteen bytes that the other side drew come before a frame. What the subject prints goes
to standard error; what it reads is empty.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .frames import TEXT, NonsenseError, exactly, pack, read_frame
from .served import Served
from .source import compile_from_source

NONCE = 16
HERE = Path(__file__).parent


def main() -> None:
    """Take an order, say hello, answer calls until the pipe ends."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    owner = os.getpid()
    _own_orphans()
    compile_from_source()
    served: Served | None = None
    while True:
        try:
            nonce, request = exactly(requests, NONCE), read_frame(requests)
        except EOFError:
            return
        try:
            if served is None:
                _limit(int(request["memory_mb"]))
                served = Served(request)
                answer = pack(served.hello())
            else:
                answer = pack({"value": served.call(request)})
        except BaseException as error:  # SystemExit and its like too
            answer = pack(_fault(error, "raised" if served else "load"))
        if os.getpid() != owner:
            os._exit(1)  # a fork of the subject came back to here
        answers.write(nonce + answer)
        answers.flush()


def _fault(error: BaseException, kind: str) -> dict[str, Any]:
    try:
        words = str(error)
    except BaseException as worse:  # its text is the subject's own code
        words = f"and its text raises {type(worse).__name__}"
    if isinstance(error, NonsenseError):
        kind = "nonsense"
    if isinstance(error, MemoryError) or "can't allocate memory" in words:
        kind = "memory"
    said = f"{type(error).__name__}: {words}"[:TEXT]
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if Path(code.co_filename).parent != HERE:
            frames.append(f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return {"fault": kind, "text": said, "at": frames[-6:]}


def _limit(memory_mb: int) -> None:
    """Private memory may grow by the budget from here (Linux: RLIMIT_DATA covers mmap)."""
    try:
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, hard))
    except (ImportError, ValueError, OSError):
        pass


def _own_orphans() -> None:
    """What the subject forks off stays below this process, so that it ends with it (Linux)."""
    try:
        import ctypes

        system = ctypes.CDLL(None)
        system.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
        system.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    except (ImportError, AttributeError, OSError):
        pass

"""Work spread over workers, a thread waiting for each; results reach the caller's own thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

POLL_S = 0.1


@dataclass
class Stop:
    """A request to end a run early; set by a signal handler, read between results."""

    requested: bool = False


class StoppedError(Exception):
    """The run was asked to end before all tasks were done."""


class Closable(Protocol):
    """What a thread waits for: see `verify.run.workers.pool.Worker`."""

    @property
    def closed(self) -> bool: ...

    def close(self) -> None: ...

    def dispose(self) -> None: ...


_I = TypeVar("_I")
_R = TypeVar("_R")
_W = TypeVar("_W", bound=Closable)


def spread(
    items: Sequence[_I], workers: Sequence[_W], do: Callable[[_W, _I], _R], stop: Stop
) -> Iterator[tuple[_I, _R]]:
    """What workers do with items, as it is done; a thread waits for each, and all are closed."""
    waiting: queue.SimpleQueue[_I] = queue.SimpleQueue()
    for item in items:
        waiting.put(item)
    done: queue.SimpleQueue[tuple[_I, _R] | BaseException] = queue.SimpleQueue()
    threads = [
        threading.Thread(target=_serve, args=(worker, do, waiting, done), daemon=True)
        for worker in workers
    ]
    try:
        for thread in threads:
            thread.start()
        for _ in items:
            yield _next(done, stop)
    finally:
        for worker in workers:
            worker.close()
        for thread in threads:
            thread.join()


def _serve(
    worker: _W,
    do: Callable[[_W, _I], _R],
    waiting: queue.SimpleQueue[_I],
    done: queue.SimpleQueue[tuple[_I, _R] | BaseException],
) -> None:
    try:
        while not worker.closed:
            item = waiting.get_nowait()
            done.put((item, do(worker, item)))
    except queue.Empty:
        pass
    except BaseException as error:  # handed to the thread that waits
        done.put(error)
    finally:
        worker.dispose()


def _next(done: queue.SimpleQueue[tuple[_I, _R] | BaseException], stop: Stop) -> tuple[_I, _R]:
    while not stop.requested:
        with suppress(queue.Empty):
            item = done.get(timeout=POLL_S)
            if isinstance(item, BaseException):
                raise item
            return item
    raise StoppedError

"""Record the named intermediates of a computation, in the order in which they arise.

    with trace.recording() as recorded:
        loss, info = drift_loss(gen, pos)
    recorded["step32/dist"]          # or recorded["dist"]

The names are those of the golden traces (`specs/golden/README.md`, `stages`). The engine calls
`record` at each stage; outside of `recording` that costs one lookup of a context variable, and a
caller that has to compute something only for the trace asks `active` first.

A name is never overwritten. Where a computation runs more than once inside one recording, either
the caller keeps the runs apart with `scope`, or the second value of a name is stored as `name#2`,
the third as `name#3`, and so on; the plain name keeps the first value.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LEADS", "Trace", "active", "record", "recording", "scope"]

# A recorded stage is found with or without one of these in front of its own name.
LEADS = ("step32/", "step/")


class Trace(dict[str, "Tensor"]):
    """Stage name -> detached copy of the tensor, in the order of recording.

    A lookup tries the name as given, then with each of `LEADS` in front: `trace["dist"]` is
    `trace["step32/dist"]`. Iteration yields full names only.
    """

    def resolve(self, name: str) -> str | None:
        """The full recorded name that `name` stands for, or None."""
        candidates = (name, *(lead + name for lead in LEADS))
        return next((full for full in candidates if dict.__contains__(self, full)), None)

    def __missing__(self, name: str) -> Tensor:
        full = self.resolve(name)
        if full is None:
            known = ", ".join(self) or "nothing"
            raise KeyError(f"the trace holds no stage {name!r}; recorded: {known}")
        return self[full]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.resolve(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """The stage called `name`, found as by `trace[name]`, else `default`."""
        full = self.resolve(name)
        return default if full is None else self[full]


class _Recorder(NamedTuple):
    trace: Trace
    prefix: str


_recorder: ContextVar[_Recorder | None] = ContextVar("drift_trace_recorder", default=None)


def active() -> bool:
    """Whether `record` stores anything here."""
    return _recorder.get() is not None


def record(name: str, value: Tensor) -> None:
    """Store a detached copy of `value` as `name`; does nothing outside of `recording`."""
    recorder = _recorder.get()
    if recorder is None:
        return
    full = recorder.prefix + name
    recorder.trace[_unused(recorder.trace, full)] = value.detach().clone()


@contextmanager
def recording() -> Iterator[Trace]:
    """Record every stage that is computed inside the block into a new, empty `Trace`.

    Recordings nest: the inner one takes the stages, the outer one resumes after it. A recording
    belongs to its thread or asyncio task and is not seen by others.
    """
    trace = Trace()
    token = _recorder.set(_Recorder(trace, ""))
    try:
        yield trace
    finally:
        _recorder.reset(token)


@contextmanager
def scope(prefix: str) -> Iterator[None]:
    """Put `prefix/` in front of every name recorded inside the block; scopes nest.

    Does nothing outside of `recording`.
    """
    recorder = _recorder.get()
    if recorder is None:
        yield
        return
    token = _recorder.set(recorder._replace(prefix=f"{recorder.prefix}{prefix}/"))
    try:
        yield
    finally:
        _recorder.reset(token)


def _unused(trace: Trace, name: str) -> str:
    """`name`, or `name#k` with the smallest k >= 2 that is free."""
    if not dict.__contains__(trace, name):
        return name
    k = 2
    while dict.__contains__(trace, f"{name}#{k}"):
        k += 1
    return f"{name}#{k}"

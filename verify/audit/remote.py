"""A foreign subject as a check sees it: functions of arrays, called in another process.

Imported by the workers of a run, which have NumPy; what goes wrong in the stranger's process is a
`SubjectError`, and says on which input.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any

from verify.api import SubjectError
from verify.audit.worker import frames

SHOWN = 4


class RemoteSubject:
    """Capabilities are called by name: `subject.drift_loss_and_gradient(gen=..., pos=...)`."""

    def __init__(self, about: Mapping[str, Any]) -> None:
        self.name: str = about["name"]
        self.domain: Mapping[str, Any] = about["domain"]
        self.takes: Mapping[str, Mapping[str, Any]] = about["capabilities"]
        self.capabilities = frozenset(self.takes)
        self._door: str = about["door"]
        self._socket: socket.socket | None = None

    def __getattr__(self, capability: str) -> Callable[..., Any]:
        if capability.startswith("_") or capability not in self.capabilities:
            raise AttributeError(f"the subject has no capability {capability!r}")
        return lambda **given: self._call(capability, given)

    def _call(self, capability: str, given: Mapping[str, Any]) -> Any:
        """Its answer; arguments that are None are left out: its own default holds."""
        arguments = {name: value for name, value in given.items() if value is not None}
        request = frames.pack({"call": capability, "arguments": arguments})
        try:
            answer = frames.unpack(*self._exchange(request))
        except frames.NonsenseError as error:
            raise SubjectError("nonsense", f"{capability} answered with {error}") from None
        if "fault" in answer:
            raise SubjectError(answer["fault"], _said(capability, answer, arguments))
        return answer["value"]

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    __del__ = close

    def _exchange(self, request: bytes) -> tuple[bytes, bytes]:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.connect(self._door)
        self._socket.sendall(request)
        with self._socket.makefile("rb") as stream:
            sizes = frames.HEAD.unpack(stream.read(frames.HEAD.size))
            return stream.read(sizes[0]), stream.read(sizes[1])


def _said(capability: str, answer: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    at = f" at {answer['at'][-1]}" if answer.get("at") else ""
    given = ", ".join(f"{name} {_shape(value)}" for name, value in list(arguments.items())[:SHOWN])
    verb = {"raised": "raised", "nonsense": "answered with"}.get(answer["fault"], "was lost:")
    return f"{capability} {verb} {answer['text']}{at}; it was given {given}"


def _shape(value: Any) -> str:
    if hasattr(value, "shape"):
        return f"{value.dtype}{list(value.shape)}"
    return f"of {len(value)}" if isinstance(value, (dict, list, tuple)) else repr(value)

"""Owns one foreign subject, and lets the workers of a run call it one at a time.

One thread does everything: it starts the process (which dies with it), hands on requests that come
in on a socket, and holds each call to its budgets.
"""

from __future__ import annotations

import os
import select
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from verify.audit.process import (
    SIZES,
    Hello,
    Limits,
    LostSubjectError,
    Process,
    frame_size,
)
from verify.audit.subject import ForeignSubject
from verify.problems import UsageError

__all__ = ["Hello", "Host", "Limits", "LostSubjectError", "hosted"]


class Host:
    """The subject behind a socket at `door`, from `start` to `close`."""

    def __init__(self, subject: ForeignSubject, known: tuple[str, ...], limits: Limits) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="subject-")
        self.door = str(Path(self._folder.name) / "door")
        self._process = Process(subject, known, limits)
        self._stop_r, self._stop_w = os.pipe()
        self._greeted = threading.Event()
        self._hello: Hello | LostSubjectError | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def start(self) -> Hello:
        """Load the subject; raises UsageError with what it said where that fails."""
        self._thread.start()
        self._greeted.wait()
        if isinstance(self._hello, Hello):
            return self._hello
        self.close()
        raise UsageError(
            f"--subject: found {self._process.subject.name}, which cannot be loaded: "
            f"{self._hello}; expected a module that can be imported; remedy: mend it, or name with "
            "--python the interpreter that has its packages"
        )

    def close(self) -> None:
        """End the subject with everything that it started."""
        with suppress(OSError):
            os.write(self._stop_w, b".")
        self._thread.join()
        self._folder.cleanup()

    def _serve(self) -> None:
        try:
            self._hello = self._process.hello()
        except LostSubjectError as lost:
            self._hello = lost
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.door)
            listener.listen()
            self._greeted.set()
            clients: dict[int, socket.socket] = {}
            while self._round(listener, clients):
                pass
            for client in clients.values():
                client.close()
        self._process.discard()
        os.close(self._stop_r)
        os.close(self._stop_w)

    def _round(self, listener: socket.socket, clients: dict[int, socket.socket]) -> bool:
        """Wait for somebody, and serve all who called; False when it is time to stop."""
        poller = select.poll()
        watched = [listener.fileno(), self._stop_r, *clients, *self._process.talk()]
        for one in watched:
            poller.register(one, select.POLLIN)
        for ready, _ in poller.poll():
            if ready == self._stop_r:
                return False
            if ready == listener.fileno():
                client, _ = listener.accept()
                clients[client.fileno()] = client
            elif ready in clients:
                if not self._answer(clients[ready]):
                    clients.pop(ready).close()
            else:
                self._process.listen()
        return True

    def _answer(self, client: socket.socket) -> bool:
        """One request of one worker; False when it is gone."""
        try:
            client.settimeout(30.0)
            request = _frame(client)
            if request is None:
                return False
            client.sendall(self._process.call(request, client))
        except OSError:
            self._process.discard()  # nobody waits for what it may still be computing
            return False
        return True


@contextmanager
def hosted(subject: ForeignSubject, known: tuple[str, ...], limits: Limits) -> Iterator[Host]:
    """A host that is closed at the end, whatever happens."""
    host = Host(subject, known, limits)
    try:
        yield host
    finally:
        if host._thread.is_alive():
            host.close()


def _frame(client: socket.socket) -> bytes | None:
    """A whole frame of one of the run's own workers; None where it hung up."""
    sizes = _receive(client, SIZES)
    return None if sizes is None else sizes + (_receive(client, frame_size(sizes)) or b"")


def _receive(client: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        chunk = client.recv(min(size - len(data), 1 << 20))
        if not chunk:
            return None
        data += chunk
    return bytes(data)

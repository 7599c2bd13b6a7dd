"""A worker that serves many programs: one process imports the libraries, and forks for each.

A mutant needs a process of its own, and most of a process's time would go into importing the same
libraries again. So the first process imports those and none of the code under test; a fork of it
compiles one file from a changed text - no file on the disk is touched - serves tasks as any worker
does, and ends. A fork may also tell which lines of the code a task reached.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from verify.run.workers.watch import Watch
from verify.run.workers.worker import open_pipes, serve, settle, write

_Trace = Any  # a local trace function: its type names itself


def main() -> None:
    """Serve the pack at argv[1]: each order is one program, with its tasks behind it."""
    root = Path(sys.argv[1])
    tasks, answers = open_pipes()
    settle()
    faulthandler.enable(file=2)
    faulthandler.register(signal.SIGUSR1, file=2)
    write(answers, {"ready": True, "own": sorted(_own_files())})
    while line := tasks.readline():
        order = json.loads(line)
        if "libraries" in order:
            _import_all(order["libraries"])
            continue
        child = os.fork()
        if child == 0:
            _program(order, root, tasks, answers)
        _, status = os.waitpid(child, 0)
        write(answers, {"ended": status})


def _import_all(names: list[str]) -> None:
    """Libraries, in the order in which they were imported before; one that fails is left to it."""
    for name in names:
        with suppress(Exception):
            importlib.import_module(name)


def _program(order: dict[str, Any], root: Path, tasks: TextIO, answers: TextIO) -> None:
    """In the fork: one program until its tasks end."""
    settle()
    watch = Watch(root)
    if order["text"] is not None:
        compile_instead(order["file"], order["text"].encode())
    if order["traced"]:
        watch = Tracing(root, order["traced"])
    write(answers, {"ready": True})
    while line := tasks.readline():
        task = json.loads(line)
        if "end" in task:
            break
        serve(task, root, answers, watch)
    os._exit(0)


def compile_instead(file: str, text: bytes) -> None:
    """Whoever imports `file` from now on gets this text; nothing on the disk is touched."""
    real = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> Any:
        if os.path.realpath(self.path) != file:
            return real(self, fullname)
        return compile(text, self.path, "exec", dont_inherit=True)

    SourceFileLoader.get_code = get_code  # type: ignore[assignment,method-assign]


class Tracing(Watch):
    """Hears also which lines of the code under test were run; processes a check starts are deaf."""

    def __init__(self, root: Path, places: list[str]) -> None:
        super().__init__(root)
        self._places = tuple(places)
        self._lines: dict[str, set[int]] = {}
        threading.settrace(self._called)
        sys.settrace(self._called)

    def answer(self) -> dict[str, Any]:
        """What was touched, the lines among it."""
        lines = {file: sorted(found) for file, found in self._lines.items() if found}
        return {**super().answer(), "lines": lines, "libraries": _libraries(self._places)}

    def _called(self, frame: FrameType, event: str, argument: object) -> _Trace:
        file = frame.f_code.co_filename
        if not file.startswith(self._places):
            return None
        found = self._lines.setdefault(file, set())
        found.add(frame.f_lineno)

        def local(frame: FrameType, event: str, argument: object) -> _Trace:
            found.add(frame.f_lineno)
            return local

        return local


def _own_files() -> set[str]:
    """What this process is made of: a changed text of these would be compiled by nobody."""
    return {
        os.path.realpath(file) for module in list(sys.modules.values()) if (file := _file(module))
    }


def _libraries(places: tuple[str, ...]) -> list[str]:
    """Modules that were imported and are none of the code's, the pack's or the program's own."""
    from verify.run.workers.worker import PACKAGE

    own = (PACKAGE, "__main__", "verify")
    return [
        name
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] not in own and not _file(module).startswith(places)
    ]


def _file(module: object) -> str:
    with suppress(Exception):
        file = getattr(module, "__file__", None)
        return file if isinstance(file, str) else ""
    return ""


def order_of(file: Path | None, text: bytes | None, traced: list[str]) -> Mapping[str, Any]:
    """What begins a program: the code as it is, or with one file's text changed."""
    name = None if file is None else os.path.realpath(file)
    return {"file": name, "text": None if text is None else text.decode(), "traced": traced}

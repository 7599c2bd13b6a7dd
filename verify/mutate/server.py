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
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from verify.mutate.children.sitecustomize import hand_on
from verify.run.workers.source import compiled_from_source
from verify.run.workers.watch import Watch
from verify.run.workers.worker import open_pipes, serve, settle, write


def main() -> None:
    """Serve the pack at argv[1]: each order is one program, with its tasks behind it."""
    root = Path(sys.argv[1])
    tasks, answers = open_pipes()
    settle()
    faulthandler.enable(file=2)
    faulthandler.register(signal.SIGUSR1, file=2)
    write(answers, {"ready": True, "own": sorted(_own_files())})
    with compiled_from_source(root):
        while line := tasks.readline():
            _carry_out(json.loads(line), root, tasks, answers)


def _carry_out(order: dict[str, Any], root: Path, tasks: TextIO, answers: TextIO) -> None:
    if "libraries" in order:
        _import_all(order["libraries"])
        return
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
    hand_on(order)
    watch = Tracing(root, order) if order["traced"] else Watch(root)
    write(answers, {"ready": True})
    while line := tasks.readline():
        task = json.loads(line)
        if "end" in task:
            break
        serve(task, root, answers, watch)
    os._exit(0)


class Tracing(Watch):
    """Tells also which lines of the code under test were run, and which folders were listed.

    Lines are those of this process and of all that it started (`verify.mutate.children`).
    """

    def __init__(self, root: Path, order: Mapping[str, Any]) -> None:
        self._inside = f"{root}{os.sep}"
        self._listed: set[str] = set()
        self._lines = Path(order["lines"])
        self._places = tuple(order["traced"])
        super().__init__(root)

    def answer(self) -> dict[str, Any]:
        """What was touched, lines and listed folders among it."""
        more = {"lines": read_lines(self._lines), "libraries": _libraries(self._places)}
        return {**super().answer(), **more, "listed": sorted(self._listed)}

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        super()._hear(event, args)
        if event in ("os.listdir", "os.scandir") and isinstance(args[0], str):
            folder = os.path.abspath(args[0])  # noqa: PTH100 - follows no link, as names do
            if folder.startswith(self._inside) and not _imports(sys._getframe(1)):
                self._listed.add(folder)


def _imports(frame: FrameType) -> bool:
    """Whether a folder is looked into for a module: whose it is, is told as an import."""
    return frame.f_code.co_filename == "<frozen importlib._bootstrap_external>"


def read_lines(noted: Path) -> dict[str, list[int]]:
    """Lines by file; a line that was cut while it was noted is none."""
    found: dict[str, set[int]] = {}
    for text in noted.read_text(encoding="utf-8", errors="surrogateescape").split("\n"):
        number, _, file = text.partition(" ")
        if number.isdigit() and file:
            found.setdefault(file, set()).add(int(number))
    return {file: sorted(lines) for file, lines in found.items()}


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

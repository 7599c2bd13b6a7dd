"""What a worker imports and reads while it judges: found out, not declared.

An audit hook hears every file that Python opens, every folder that it lists and every process that
it starts; `sys.modules` tells what was imported. What a compiled library opens by itself is not
heard. Standard library, the harness and the caches of either are left out.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Set
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from verify.spec.sources import HARNESS, installed, of_pack, standard

_WRITING = os.O_WRONLY | os.O_RDWR
_CHILDREN = ("subprocess.Popen", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.system")
_SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/var/", "/run/")


class Watch:
    """Listens from the moment it is made; there is no way to stop it."""

    def __init__(self, root: Path) -> None:
        self._folder = root
        self._root = f"{root}{os.sep}"
        self._reports = f"{root / 'reports'}{os.sep}"
        self._started = time.time()
        self._evaluations = ""
        self._told: set[str] = set()
        self._before: set[str] = set()
        self._modules: set[str] = set()
        self._children_before = self._asked_before = False
        self._begin(Path())
        sys.addaudithook(self._hear)

    def _begin(self, evaluations: Path) -> None:
        self._evaluations = f"{evaluations}{os.sep}"
        self._opened: set[str] = set()
        self._written: set[str] = set()
        self.children = self._children_before
        self._of_a_library = True  # whatever was started
        self.asked = self._asked_before  # for evaluation records

    begin = _begin

    def keep(self) -> None:
        """What imports touched so far is told with every task from here on: all rest on it.

        A program that an installed library starts while it is imported (torch asks the linker for
        its libraries) is of the environment, which keys cover; one of the pack's own code is not.
        """
        self._before |= self._reads()
        self._modules.update(sys.modules)
        self._children_before |= self.children and not self._of_a_library
        self._asked_before = self.asked

    def answer(self) -> dict[str, Any]:
        """What this task touched; imports are those that were not told before."""
        imports = sorted(_imported(self._told))
        self._told.update(imports)
        modules = [name for name in list(sys.modules) if name not in self._modules]
        self._modules.update(modules)
        return {
            "imports": imports,
            "modules": modules,
            "reads": sorted((self._before | self._reads()) - self._told),
            "hidden": sorted(self._hidden()),
            "children": self.children,
            "evaluations": self.asked,
        }

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            self._open(*args)
        elif event in _CHILDREN:
            self.children = True
            self._of_a_library &= self._asked_by_a_library()
        elif event in ("os.listdir", "os.scandir") and isinstance(args[0], str):
            self.asked |= f"{_absolute(args[0])}{os.sep}".startswith(self._evaluations)

    def _asked_by_a_library(self) -> bool:
        """Whether the innermost code that is not Python's own is an installed library's."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            file = frame.f_code.co_filename
            harness = file.startswith(f"{HARNESS}{os.sep}")
            if file.startswith(installed()) and not harness:
                return not of_pack(file, self._folder)
            if file.startswith(os.sep) and not file.startswith(left_out()):
                return False
            frame = frame.f_back
        return False

    def _open(self, path: object, mode: object, flags: object) -> None:
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, str):
            return
        writes = isinstance(flags, int) and bool(flags & _WRITING)
        writes |= isinstance(mode, str) and bool(set(mode) & set("wax+"))
        (self._written if writes else self._opened).add(_absolute(path))

    def _reads(self) -> set[str]:
        """Files that were there before, were read and are still there."""
        found = set()
        for path in self._opened - self._written:
            if path.startswith(self._evaluations):
                self.asked = True
            elif self._counts(path) and Path(path).is_file():
                found.add(path)
        return found

    def _counts(self, path: str) -> bool:
        """Whether a file that was opened may be evidence, not a cache or a passing file."""
        if _of_the_environment(path):
            return False
        inside = path.startswith(self._root)
        if self._is_hidden(path):
            return False
        if inside:
            return True
        passing = path.startswith(tempfile.gettempdir()) and not self._older(path)
        return not passing and not path.startswith(_SYSTEM)

    def _is_hidden(self, path: str) -> bool:
        """Caches, mostly, and reports: what one run leaves behind for another."""
        rest = path.removeprefix(self._root)
        return "/." in f"/{rest}" or path.startswith(self._reports)

    def _hidden(self) -> set[str]:
        """Such files of the pack that were read: what is about artefacts may rest on them."""
        return {
            path
            for path in self._opened - self._written
            if path.startswith(self._root) and self._is_hidden(path)
            and not path.startswith(self._evaluations)
            and not _of_the_environment(path) and Path(path).is_file()
        }  # fmt: skip

    def _older(self, path: str) -> bool:
        try:
            return Path(path).stat().st_ctime < self._started
        except OSError:
            return False


def _of_the_environment(path: str) -> bool:
    return path.endswith(".pyc") or path.startswith((*left_out(), *installed()))


def _absolute(path: str) -> str:
    """Not resolved: a link that points elsewhere later is another file."""
    return os.path.abspath(path)  # noqa: PTH100 - pathlib has no way that follows no link


def _imported(told: Set[str]) -> Set[str]:
    """Files of the modules of this process, without those that were told before."""
    files = {_file_of(module) for module in list(sys.modules.values())}
    return {
        file
        for file in files - told
        if file.startswith(os.sep)
        and (file.startswith(installed()) or not file.startswith(left_out()))
        and Path(file).is_file()
    }


def _file_of(module: object) -> str:
    """Where a module came from; what stands in `sys.modules` may be anything."""
    with suppress(Exception):
        file = getattr(module, "__file__", None)
        return file if isinstance(file, str) else ""
    return ""


@cache
def left_out() -> tuple[str, ...]:
    """Folders of files that are known by Python's version or by the harness's digest."""
    return (*standard(), f"{HARNESS}{os.sep}")

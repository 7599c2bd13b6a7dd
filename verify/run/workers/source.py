"""What a worker runs is the text that evidence has digests of, and no compiled file of another.

Python takes a `.pyc` for a module's text when its header names the text's size and the second in
which that was written, or when it says that nobody need look. An edit within the second, or a file
that was put there, would be judged in place of what the evidence names. Installed libraries and
Python's own keep theirs; so does what a check starts as a program of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

from verify.run.workers.watch import left_out
from verify.spec.sources import installed


@contextmanager
def compiled_from_source(root: Path) -> Iterator[None]:
    """Within, modules of the pack at `root` and of whatever is no library."""
    real, belongs = SourceFileLoader.get_code, _belonging(f"{root}{os.sep}")

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        if not belongs(os.path.abspath(self.path)):  # noqa: PTH100 - no link is followed
            return real(self, fullname)
        return self.source_to_code(self.get_data(self.path), self.path)

    SourceFileLoader.get_code = get_code  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        SourceFileLoader.get_code = real  # type: ignore[method-assign]


def _belonging(home: str) -> Callable[[str], bool]:
    libraries = (*installed(), *left_out())
    inner = tuple(folder for folder in libraries if folder.startswith(home))  # its .venv

    def belongs(path: str) -> bool:
        if path.startswith(home):
            return not path.startswith(inner)
        return not path.startswith(libraries)

    return belongs

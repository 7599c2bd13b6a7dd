"""What a program hands on to the processes that it starts: the changed text, and where lines go.

Python imports the `sitecustomize` that it finds on its path when it begins. `hand_on` puts this
folder there for the processes to come, and in each of them this file does what the order says. A
process that is started with `-I`, `-E` or `-S`, or without our environment, runs the code as it is
and unheard. Only the standard library is imported here, before anything else is.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from types import CodeType, FrameType
from typing import Any

ORDER = "VERIFY_MUTATE_ORDER"  # the place of a file
_Trace = Any  # a local trace function: its type names itself


def hand_on(order: Mapping[str, Any]) -> None:
    """Carry out an order here, and in every process that this one starts.

    text    what whoever imports `file` gets instead; None for the code as it is
    traced  folders and files whose lines are noted in the file `lines` as they are run
    place   a file for the order itself
    """
    with open(order["place"], "w", encoding="utf-8") as file:  # noqa: PTH123 - see above
        json.dump(order, file)
    os.environ[ORDER] = order["place"]
    ways = [os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")]  # noqa: PTH120
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, ways))
    _carry_out(order)


def _carry_out(order: Mapping[str, Any]) -> None:
    if order["text"] is not None:
        _compile_instead(order["file"], order["text"].encode())
    if order["traced"]:
        _note_lines(tuple(order["traced"]), order["lines"])


def _compile_instead(file: str, text: bytes) -> None:
    """Whoever imports `file` from now on gets this text; nothing on the disk is touched."""
    real, on_disk = SourceFileLoader.get_code, SourceFileLoader.get_data

    def get_code(self: SourceFileLoader, fullname: str) -> Any:
        if os.path.realpath(self.path) != file:
            return real(self, fullname)
        return compile(text, self.path, "exec", dont_inherit=True)

    def get_data(self: SourceFileLoader, path: str) -> bytes:
        """For who compiles texts without asking, as workers do (`verify.run.workers.source`)."""
        return text if os.path.realpath(path) == file else on_disk(self, path)

    SourceFileLoader.get_code = get_code  # type: ignore[assignment,method-assign]
    SourceFileLoader.get_data = get_data  # type: ignore[assignment,method-assign]


def _note_lines(places: tuple[str, ...], lines: str) -> None:
    """Each line once a process, and at once: a process that is killed has noted what it ran."""
    # Code by its identity -> itself, which keeps that, and its lines that were not run yet: a call
    # of what was run whole, or of other people's code, costs one look.
    left: dict[int, tuple[CodeType, set[int]]] = {}
    out = os.open(lines, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def due(code: CodeType) -> set[int]:
        known = left.get(id(code))
        if known is None:
            wanted = code.co_filename.startswith(places)
            numbers = {one for *_, one in code.co_lines() if one} if wanted else set()
            known = left.setdefault(id(code), (code, numbers))
        return known[1]

    def note(frame: FrameType, missing: set[int]) -> None:
        if frame.f_lineno in missing:
            missing.discard(frame.f_lineno)
            with suppress(OSError):  # the check may have closed what it did not open
                os.write(out, f"{frame.f_lineno} {frame.f_code.co_filename}\n".encode())

    def local(frame: FrameType, event: str, argument: object) -> _Trace:
        missing = due(frame.f_code)
        note(frame, missing)
        frame.f_trace_lines = bool(missing)
        return local

    def called(frame: FrameType, event: str, argument: object) -> _Trace:
        missing = due(frame.f_code)
        if not missing:
            return None
        note(frame, missing)
        return local

    threading.settrace(called)
    sys.settrace(called)


if __name__ == "sitecustomize" and ORDER in os.environ:
    with suppress(OSError, ValueError), open(os.environ[ORDER], encoding="utf-8") as _file:  # noqa: PTH123
        _carry_out(json.load(_file))

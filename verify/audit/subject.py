"""Which foreign implementation is meant: `FILE.py[:name]` or `package.module:name`, and where."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify.problems import UsageError

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z")


@dataclass(frozen=True)
class ForeignSubject:
    """A file or a module, the name in it (empty: the module itself), and its interpreter."""

    name: str
    file: Path | None
    module: str
    attribute: str
    python: str

    def order(self, known: tuple[str, ...], memory_mb: int) -> dict[str, Any]:
        """What its process is told first."""
        return {
            "file": None if self.file is None else str(self.file),
            "module": self.module,
            "name": self.attribute,
            "search": [] if self.file else [str(Path.cwd())],
            "capabilities": known,
            "memory_mb": memory_mb,
        }


def foreign_subject(text: str, python: str | None) -> ForeignSubject | None:
    """What `--subject` means where it is no name of the pack; None where it looks like one."""
    head, _, attribute = text.rpartition(":") if ":" in text else (text, "", "")
    if not head.endswith(".py") and ":" not in text:
        return None
    if attribute and not _NAME.match(attribute):
        raise _refused(text, f"{attribute!r} is no name in Python")
    where = _interpreter(python)
    if head.endswith(".py"):
        path = Path(head)
        if not path.is_file():
            raise _refused(text, f"no file {head}")
        label = f"{path.name}:{attribute}" if attribute else path.name
        return ForeignSubject(label, path.resolve(), "", attribute, where)
    if not _NAME.match(head):
        raise _refused(text, f"{head!r} is no name of a module")
    return ForeignSubject(text, None, head, attribute, where)


def _interpreter(python: str | None) -> str:
    found = sys.executable if python is None else shutil.which(python)
    if found is None:
        raise UsageError(
            f"--python: found no program {python}; expected an interpreter, such as "
            "ENVIRONMENT/bin/python; remedy: correct the path"
        )
    return str(Path(found).absolute())


def _refused(text: str, why: str) -> UsageError:
    return UsageError(
        f"--subject: found {text!r} ({why}); expected FILE.py, FILE.py:name or "
        "package.module:name; remedy: correct it, or see verify list --what subjects"
    )

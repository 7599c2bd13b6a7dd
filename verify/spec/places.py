"""Files of a pack: bounded, UTF-8, and never outside its root, be it by `..` or by a link."""

from __future__ import annotations

import re
from pathlib import Path

from verify.problems import Problem

CONTRACTS = "contracts"  # the folder of a pack that holds its rooms
PLANS = "specs/work-orders"  # what is to be found out: no judgement is about it
HARNESS = Path(__file__).resolve().parents[1]  # the package verify
MAX_BYTES = 1 << 20
_EDITORS = re.compile(r"\.#.*|#.*#|.*~|\..*\.sw[a-z]|\.DS_Store", re.DOTALL)


def hidden(name: str) -> bool:
    """Whether a file's name begins with a dot: no part of a pack, as for a shell's `*`."""
    return name.startswith(".")


def visible(folder: Path, pattern: str) -> list[Path]:
    """What a glob finds in a folder, in order, without what is hidden or lies in hidden folders."""
    found = folder.glob(pattern)
    return sorted(p for p in found if not any(map(hidden, p.relative_to(folder).parts)))


def of_an_editor(name: str) -> bool:
    """Whether a file is a lock, a backup or a swap file that an editor keeps beside its text."""
    return _EDITORS.fullmatch(name) is not None


def inside(root: Path, relative: str) -> Path | None:
    """`root/relative` resolved, or None where it leaves the pack; `root` is resolved already."""
    try:
        path = (root / relative).resolve()
    except (OSError, ValueError, RuntimeError):  # a zero byte, a loop of links
        return None
    return path if path.is_relative_to(root) and not Path(relative).is_absolute() else None


def named(root: Path, relative: str) -> Path | None:
    """A place that a pack names: inside its root, or beside a root that is itself a package.

    An installed pack lies under a name of its own beside the packages it is about; None where the
    place leaves both.
    """
    here = inside(root, relative)
    if here is None or here.exists() or (root.parent / "verify") != HARNESS:
        return here
    return inside(root.parent, relative)


def name_of(path: Path, root: Path) -> str:
    """How such a place is named: by its way from the root, or from the folder around it."""
    home = root if path.is_relative_to(root) else root.parent
    return path.relative_to(home).as_posix()


def foreign(root: Path, label: str) -> Problem | None:
    """The problem with a file of the pack that is in truth a link to somewhere else."""
    if inside(root, label) is not None:
        return None
    found = "a link that leaves the pack"
    return Problem(label, 0, 0, "", found, "a file of the pack", "copy the file into the pack")


def read_text(path: Path, label: str, *, limit: int = MAX_BYTES) -> str | Problem:
    """The text of a file of bounded size, or what is wrong with it."""

    def refuse(found: str, expected: str, remedy: str) -> Problem:
        return Problem(label, 0, 0, "", found, expected, remedy)

    try:
        if not path.is_file():
            return refuse("no such file", "a file", "create it or correct the path")
        size = path.stat().st_size
        if size > limit:
            return refuse(f"{size} bytes", f"at most {limit} bytes", "split the file")
        data = path.read_bytes()
    except OSError as error:
        return refuse(f"an unreadable file ({error.strerror})", "a readable file", "mend its mode")
    if b"\0" in data:
        where = f"a binary file (a zero byte at offset {data.index(0)})"
        return refuse(where, "UTF-8 text", "replace the file")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"a byte that is not UTF-8 at offset {error.start}"
        return refuse(found, "UTF-8 text", "re-encode the file")

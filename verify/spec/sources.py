"""Files that a judgement really rests on, under names that hold on another machine, and digests.

`code:` of a pack says which files its evidence is about; what a check imports or reads besides is
found out while it runs. A file below the pack is named from there, an installed one from the folder
of packages, any other by its way from the pack.
"""

from __future__ import annotations

import errno
import hashlib
import os
import site
import stat
import sys
import sysconfig
import time
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

HARNESS = Path(__file__).parents[1]
SITE = "{site}/"
PACKAGES = ("site-packages", "dist-packages")  # a path file may bring those of another place
GONE = "gone"
CHANGED = "changed during the run"
# A compiled library of an installed package is known by its size and its ends, where the build id
# lies: torch alone brings half a gigabyte of them.
COMPILED = frozenset({".so", ".pyd", ".dylib", ".dll"})
WHOLE = 4 << 20
END = 64 << 10
State = tuple[int, ...]  # device, inode, size, times of content and of the file
RECENT_S = 2.0  # within one tick of the file system's clock two states of a file look alike


@cache
def installed() -> tuple[str, ...]:
    """Folders of installed packages, each with its last separator."""
    found = {sysconfig.get_paths()[name] for name in ("purelib", "platlib")}
    found |= {*site.getsitepackages(), *(path for path in sys.path if Path(path).name in PACKAGES)}
    return tuple(f"{folder}{os.sep}" for folder in sorted(found))


@cache
def standard() -> tuple[str, ...]:
    """Folders of Python's own library, each with its last separator."""
    paths = sysconfig.get_paths()
    return tuple(f"{paths[name]}{os.sep}" for name in ("stdlib", "platstdlib"))


def of_pack(path: str, root: Path) -> bool:
    """Whether a file is the pack's: below its root, in no folder of libraries that lies there too.

    An environment is often kept inside the repository whose pack it serves, and a pack that was
    installed lies inside a folder of packages.
    """
    home = f"{root}{os.sep}"
    libraries = (*installed(), *standard())
    return path.startswith(home) and not path.startswith(
        tuple(folder for folder in libraries if folder.startswith(home))
    )


def shown(path: str, root: Path) -> str:
    """A file's path inside the pack, or its bare name: a reason names no folders of a machine."""
    file = Path(path)
    return file.relative_to(root).as_posix() if of_pack(path, root) else file.name


def name_of(path: str, root: Path) -> str:
    """A file's name in the evidence; `path` is absolute."""
    for folder in installed():
        name = SITE + Path(path[len(folder) :]).as_posix()
        if path.startswith(folder) and place_of(name, root) == path:  # two places may have one name
            return name
    home = f"{root}{os.sep}"
    inner = path.removeprefix(home)  # what `relpath` says of a file below, in a tenth of its time
    below = path.startswith(home) and not inner.startswith(os.sep)
    below = below and os.path.normpath(inner) == inner
    return Path(inner if below else os.path.relpath(path, root)).as_posix()


def place_of(name: str, root: Path) -> str:
    """Where a file of that name is on this machine, whether it is there or not."""
    if not name.startswith(SITE):
        return os.path.normpath(os.path.join(root, name))  # noqa: PTH118 - of thousands of files
    inner = name.removeprefix(SITE)
    places = [folder + inner for folder in installed()]
    return next((place for place in places if os.path.isfile(place)), places[0])  # noqa: PTH113


def digest_of(path: str) -> str:
    """sha256 of a file's bytes; of a large compiled library's size and ends; GONE without one.

    A process reads a file again when the system says that it was changed, or was just now.
    """
    try:
        return _digest(path)
    except OSError:
        return GONE


def digest_now(path: str) -> str:
    """The same, read in any case: what is written through memory may be dated later."""
    try:
        return _read(path)[0]
    except OSError:
        return GONE


def content_digest(path: str) -> str:
    """sha256 of a file's bytes, whatever it is; raises OSError."""
    return _read(path, whole=True)[0] if _sampled(path) else _digest(path)


_SETTLED: dict[tuple[str, State], str] = {}  # of files in a state that they have had for a while


def settled() -> Mapping[tuple[str, State], str]:
    """The digests that this process knows, for one that it was forked from."""
    return _SETTLED


def learn(digests: Mapping[tuple[str, State], str]) -> None:
    """Take them over from a fork."""
    _SETTLED.update(digests)


def _digest(path: str) -> str:
    found = os.stat(path)  # noqa: PTH116 - a run asks for thousands of files, several times
    known = _SETTLED.get((path, state_of(found)))
    if known is not None:
        return known
    digest, state = _read(path)
    recent = time.time() - max(found.st_mtime, found.st_ctime) < RECENT_S
    if state == state_of(found) and not recent:
        _SETTLED[path, state] = digest
    return digest


def state_of(found: os.stat_result) -> State:
    """What is another where a file was changed, or changed and changed back."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _read(path: str, *, whole: bool = False) -> tuple[str, State]:
    """The digest, and the state of the file that was read; raises OSError.

    whole  a large compiled library as well
    """
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as file:  # noqa: PTH123
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for, a device has no end
            raise OSError(errno.EINVAL, "not a file", path)
        if found.st_size <= WHOLE:  # at once: a buffer for each of thousands of files costs more
            digest = hashlib.sha256(file.read())
        elif whole or not _sampled(path):
            digest = hashlib.file_digest(file, "sha256")
        else:
            digest = hashlib.sha256(f"{found.st_size}\0".encode() + file.read(END))
            file.seek(-END, os.SEEK_END)
            digest.update(file.read(END))
    return digest.hexdigest(), state_of(found)


def differing(files: Mapping[str, str], names: Iterable[str], root: Path) -> list[str]:
    """Those of the named files that are not what they were."""
    return [name for name in names if files.get(name) != digest_of(place_of(name, root))]


def _sampled(path: str) -> bool:
    compiled = Path(path).suffix in COMPILED
    return compiled and path.startswith(installed())

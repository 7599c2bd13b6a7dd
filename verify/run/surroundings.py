"""One digest of all that a program started by a check could find around it, as far as git knows it.

What a check imports and reads is heard (`verify.run.workers.watch`); what a program that it starts
reads, or a compiled library by itself, is not. Their judgements are reused only while nothing at
all has changed (DEC-0354): commit, branch, tags, index and settings of the repository, every file
of its working tree, the environment's variables, what lies on the path, and the day.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from verify import clock
from verify.guard.git import call
from verify.problems import UsageError
from verify.run.environment import in_environment
from verify.spec.root import MANIFEST
from verify.spec.sources import digest_of, state_of

UNKNOWN = ""
MOST_BYTES = 1 << 30  # of a working tree; to read more takes longer than to judge again
# Variables of a terminal or a shell, which differ between two calls of the same command.
PASSING = frozenset({"_", "COLUMNS", "LINES", "OLDPWD", "PWD", "SHLVL", "TERM"})


class _StrangeError(Exception):
    """Something of which no digest tells what a program would find."""


class Around(NamedTuple):
    """What lies around a run.

    digest  of names, kinds and contents; UNKNOWN where they cannot be told
    states  of the same files as the system dates them: what was changed and changed back differs
    """

    digest: str
    states: str


NOWHERE = Around(UNKNOWN, "")


def around(root: Path) -> Around:
    """Of the repository around a pack, on this day (UTC); NOWHERE where git does not list the pack,
    or lists folders of others, devices, or more than MOST_BYTES.

    Files that git ignores are left out: reports and environments lie among them. One that Python
    opens is heard.
    """
    if in_environment(root):
        return NOWHERE
    try:
        return _told(root.resolve())
    except (UsageError, OSError, ValueError, _StrangeError):
        return NOWHERE


def _told(root: Path) -> Around:
    asked = ("--path-format=absolute", "--show-toplevel", "--git-common-dir", "HEAD")
    where = call(root, "rev-parse", *asked, "--symbolic-full-name", "HEAD").split(b"\n")
    top, common = (Path(os.fsdecode(one)) for one in where[:2])
    listed = call(
        top, "ls-files", "-t", "--stage", "--cached", "--others", "--exclude-standard", "-z"
    )
    names = sorted({_name(entry) for entry in listed.split(b"\0") if entry})
    if os.fsencode((root / MANIFEST).relative_to(top)) not in names:
        return NOWHERE
    refs = call(top, "for-each-ref", "--format=%(refname) %(objectname)")
    digest, states = hashlib.sha256(), hashlib.sha256()
    for part in (clock.today().isoformat().encode(), *where[2:], refs, listed, *_environment()):
        digest.update(part + b"\0")
    with suppress(FileNotFoundError):
        digest.update((common / "config").read_bytes())
    room = MOST_BYTES
    for name in names:
        path = os.path.join(top, os.fsdecode(name))  # noqa: PTH118 - of thousands of files
        found = _state(path)
        room -= found.st_size if found else 0
        if room < 0:
            return NOWHERE
        digest.update(name + b"\0" + _content(path, found))
        states.update(repr(found and state_of(found)).encode())
    return Around(digest.hexdigest(), states.hexdigest())


def _name(entry: bytes) -> bytes:
    """`H mode object stage<tab>name`, and `? name` of what git does not track."""
    tag, rest = entry[:1], entry[2:]
    return rest if tag == b"?" else rest.partition(b"\t")[2]


def _state(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _content(path: str, found: os.stat_result | None) -> bytes:
    """Kind, permission to run and content; of a link where it points and what is there."""
    if found is None:
        return b"gone"
    if stat.S_ISLNK(found.st_mode):
        to = os.fsencode(os.readlink(path))  # noqa: PTH115
        try:
            reached = os.stat(path)  # noqa: PTH116
        except FileNotFoundError:
            return b"link " + to
        return b"link " + to + b"\0" + _content_of_regular(path, reached)
    return _content_of_regular(path, found)


def _content_of_regular(path: str, found: os.stat_result) -> bytes:
    if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
        raise _StrangeError(path)
    return f"{found.st_mode & 0o111:o} {digest_of(path)}".encode()


def _environment() -> Iterator[bytes]:
    """Variables, and when a folder of the path last got or lost a file."""
    for name, value in sorted(os.environ.items()):
        if name not in PASSING:
            yield os.fsencode(f"{name}={value}")
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        with suppress(OSError):
            yield str(Path(folder).stat().st_mtime_ns).encode()

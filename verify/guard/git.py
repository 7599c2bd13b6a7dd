"""Git asked about commits: plumbing only, no shell, hooks, pagers, network or user's config.

The repository's own config stays; what it could change in an answer or run is overridden. Nothing
is written, not even the index.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from verify.problems import UsageError

TIMEOUT_S = 120.0
LINK, SUBMODULE, ABSENT = "120000", "160000", "000000"
MAX_BLOB = 1 << 20
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_SETTINGS = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.quotePath=false")
_RANGE = re.compile(r"(?P<base>.+?)\.\.(?P<head>.+)", re.S)


@dataclass(frozen=True)
class Change:
    """One entry of a difference: `path` as it was (`old`) and as it is; either may be None."""

    status: str
    old: str | None
    new: str | None
    old_mode: str
    new_mode: str
    blob: str  # of the new side

    @property
    def path(self) -> str:
        """The name it has now, else the one it had."""
        return self.new or self.old or ""


def forks(repository: Path, base: str, head: str) -> list[str]:
    """Where two commits parted: their best common ancestors, more than one after a criss-cross."""
    try:
        return call(repository, "merge-base", "--all", base, head).decode("ascii").split()
    except UsageError:
        raise UsageError(
            f"{base[:10]}..{head[:10]}: found no common ancestor; expected a change that began at "
            "its base; remedy: name another base, or fetch the history (a shallow clone lacks it)"
        ) from None


def base_of(repository: Path) -> tuple[str, str] | None:
    """What HEAD is held against where nobody says: the last tag before it, else its parent.

    (commit, which one that is), or None for a commit without history. Raises UsageError without a
    repository, or without git to ask.
    """
    call(repository, "rev-parse", "--git-dir")
    try:
        parent = _commit(repository, "HEAD^")
    except UsageError:
        return None
    try:
        tag = call(repository, "describe", "--tags", "--abbrev=0", parent).decode().strip()
        return _commit(repository, tag), f"the last tag, {tag}"
    except UsageError:
        return parent, "the first parent, for want of a tag"


def resolve(repository: Path, revisions: str) -> tuple[str, str]:
    """The two commits of `BASE..HEAD`; raises UsageError for anything else."""
    match = _RANGE.fullmatch(revisions)
    if match is None or match["head"].startswith(".") or ".." in match["head"]:
        raise UsageError(
            f"{revisions!r}: found no range of two commits; expected BASE..HEAD, with two dots; "
            "remedy: name both ends, such as origin/main..HEAD"
        )
    return _commit(repository, match["base"]), _commit(repository, match["head"])


def changes(repository: Path, base: str, head: str) -> list[Change]:
    """What differs between the trees of two commits, by path; a rename is one entry."""
    raw = call(
        repository, "diff-tree", "-r", "-z", "--raw", "--no-abbrev", "-M", "--no-relative",
        "--no-ext-diff", "--no-textconv", "--ignore-submodules=none", base, head,
    )  # fmt: skip
    return sorted(_parse(raw), key=lambda change: change.path)


def text_at(repository: Path, commit: str, path: str) -> str | None:
    """A file of a commit as UTF-8, or None where there is none."""
    found = call(repository, "ls-tree", "-z", "--full-tree", commit, "--", path)
    head, _, name = found.rstrip(b"\0").partition(b"\t")
    if _text(name) != path:
        return None
    mode, kind, blob = head.decode("ascii").split()
    if kind != "blob" or mode == LINK:
        raise UsageError(f"{path} at {commit[:10]}: found a {kind} of mode {mode}; expected a file")
    try:
        return blob_of(repository, blob).decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} at {commit[:10]}: found bytes that are not UTF-8") from None


def files_of(repository: Path, commit: str) -> dict[str, str]:
    """Path -> object of every regular file of a commit; links and submodules are none."""
    listed = call(repository, "ls-tree", "-r", "-z", "--full-tree", commit)
    found = {}
    for entry in filter(None, listed.split(b"\0")):
        head, _, name = entry.partition(b"\t")
        mode, _, blob = head.decode("ascii").split()
        if mode not in (LINK, SUBMODULE):
            found[_text(name)] = blob
    return found


def write_out(repository: Path, blobs: Mapping[str, str], root: Path) -> dict[str, bytes]:
    """Objects as files below a folder of their own, and their contents by path."""
    for path in blobs:
        if ".." in path.split("/") or path.startswith("/"):
            raise UsageError(f"{path!r}: found a path that leaves its tree; expected none")
    asked = "".join(f"{blob}\n" for blob in blobs.values()).encode("ascii")
    answer = BytesIO(call(repository, "cat-file", "--batch", given=asked))
    found = {}
    for path in blobs:
        size = int(answer.readline().split()[2])
        found[path] = answer.read(size)
        answer.read(1)
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(found[path])
    return found


def blob_of(repository: Path, blob: str) -> bytes:
    """The contents of a small object."""
    size = int(call(repository, "cat-file", "-s", blob))
    if size > MAX_BLOB:
        raise UsageError(f"object {blob[:10]}: found {size} bytes; expected at most {MAX_BLOB}")
    return call(repository, "cat-file", "blob", blob)


def call(repository: Path, *arguments: str, given: bytes = b"") -> bytes:
    """Standard output of one git command; raises UsageError with what git says."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    settings = [*_SETTINGS, f"safe.directory={repository.resolve()}"]
    command = ["git", "--no-pager", *(part for one in settings for part in ("-c", one))]
    try:
        done = subprocess.run(
            [*command, "-C", str(repository), *arguments],
            env={**kept, **_ENVIRONMENT},
            input=given,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, ValueError) as error:
        raise UsageError(f"git: found {error}; expected git, on the path") from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"git {arguments[0]}: found no answer in {TIMEOUT_S:g} s") from None
    if done.returncode != 0:
        said = " ".join(_text(done.stderr).split())
        raise UsageError(f"{repository}: git {arguments[0]} failed: {said or 'without a word'}")
    return done.stdout


def _commit(repository: Path, revision: str) -> str:
    if revision.startswith("-") or not revision.isprintable():
        raise UsageError(f"{revision!r}: found no revision; expected a commit, branch or tag")
    call(repository, "rev-parse", "--git-dir")  # another message than that for a bad revision
    try:
        wanted = f"{revision}^{{commit}}"
        found = call(repository, "rev-parse", "--verify", "--end-of-options", wanted)
    except UsageError as error:
        raise UsageError(
            f"{revision!r}: found no such commit in {repository}; expected a commit, branch or "
            f"tag; remedy: correct it, or fetch it (a shallow clone lacks older ones) ({error})"
        ) from None
    return found.decode("ascii").split()[-1]


def _parse(raw: bytes) -> Iterator[Change]:
    """`:mode mode blob blob status NUL path NUL`, with two paths for a rename."""
    fields = iter(raw.split(b"\0"))
    for head in fields:
        if not head:
            continue
        old_mode, new_mode, _, blob, status = head.decode("ascii").removeprefix(":").split()
        first = _text(next(fields))
        second = _text(next(fields)) if status[0] in "RC" else first
        old = None if old_mode == ABSENT else first
        new = None if new_mode == ABSENT else second
        yield Change(status[0], old, new, old_mode, new_mode, blob)


def _text(name: bytes) -> str:
    """A path or message; bytes that are not UTF-8 survive as lone surrogates."""
    return name.decode("utf-8", "surrogateescape")

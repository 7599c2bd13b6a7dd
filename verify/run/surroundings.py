"""One digest of all that a program started by a check could find around it, as far as git knows it.

What a check imports and reads is heard (`verify.run.workers.watch`); what a program that it starts
reads, or a compiled library by itself, is not. Their judgements are reused only while nothing at
all has changed (DEC-0354): commit, files of the working tree, day.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from verify import clock
from verify.guard.git import call
from verify.problems import UsageError
from verify.run.environment import in_environment
from verify.spec.sources import digest_of

UNKNOWN = ""


def surroundings(root: Path) -> str:
    """Of the repository around a pack, on this day (UTC); UNKNOWN where git has none.

    Files that git ignores are left out: reports and environments lie among them, and one that
    Python opens is heard.
    """
    if in_environment(root):
        return UNKNOWN
    try:
        top = Path(os.fsdecode(call(root, "rev-parse", "--show-toplevel")).removesuffix("\n"))
        commit = call(root, "rev-parse", "--verify", "HEAD")
        listed = call(top, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    except (UsageError, OSError):
        return UNKNOWN
    digest = hashlib.sha256(clock.today().isoformat().encode() + commit)
    for name in sorted(set(listed.split(b"\0")) - {b""}):
        path = top / os.fsdecode(name)
        if path.is_dir():  # another repository, whose files git does not list here
            return UNKNOWN
        digest.update(name + b"\0" + digest_of(str(path)).encode())
    return digest.hexdigest()

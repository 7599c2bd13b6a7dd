"""A repository with one change, and where each path of it must lie."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from verify.guard import frontier
from verify.guard.model import FRONTIER

RULES = """\
schema: verify/frontier/1
allow: [src/**, contracts/policy/frontier.yaml]
decided:
  - {glob: rules/**, reason: it says what has to hold}
deny:
  - {glob: src/frozen/**, reason: it is frozen}
"""
WIDE = 'schema: verify/frontier/1\nallow: ["**"]\n'
BEFORE = {FRONTIER: RULES, "src/a.py": "one\n" * 9, "src/frozen/b.py": "two\n" * 9,
          "src/frozen/moved.py": "three\n" * 9, "rules/r.yaml": "four\n", "other.py": "five\n",
          "src/gone.py": "six\n" * 9, "away.py": "seven\n" * 9}  # fmt: skip
CHANGE = {  # of the frontier before the change: one that it widens for itself does not count
    FRONTIER: "inside", "src/a.py": "inside", "src/frozen/b.py": "denied",
    "src/frozen/moved.py": "denied", "src/moved.py": "inside", "rules/r.yaml": "denied",
    "other.py": "outside", "src/gone.py": "inside", "away.py": "outside", "src/link": "inside",
    "../etc": "outside", "new.md": "outside",
}  # fmt: skip
_WHO = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")


def change(root: Path) -> dict[str, str]:
    """Path -> side, as the gate has it."""
    git(root, "init", "-q")
    for path, text in BEFORE.items():
        _write(root / path, text)
    base = commit(root)
    for path in ("src/a.py", "src/frozen/b.py", "rules/r.yaml", "other.py", "new.md"):
        _write(root / path, "changed\n")
    (root / "src/frozen/moved.py").rename(root / "src/moved.py")
    for path in ("src/gone.py", "away.py"):
        (root / path).unlink()
    (root / "src/link").symlink_to("../../etc")
    _write(root / FRONTIER, WIDE)
    head = commit(root)
    rules = frontier.frontier_of(root, base, None)
    return {one.path: one.side.value for one in frontier.touched(root, base, head, rules)}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def commit(root: Path) -> str:
    """Everything that is there; the new commit."""
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "change")
    return git(root, "rev-parse", "HEAD").strip()


def git(root: Path, *arguments: str) -> str:
    """What git says, whoever uses it otherwise."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(
        ["git", *_WHO, *arguments], cwd=root, check=True, capture_output=True, env=environment
    )
    return done.stdout.decode()

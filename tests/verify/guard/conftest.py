"""A repository made for one test, with commits that are told as files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.verify.conftest import git

FRONTIER = """\
schema: verify/frontier/1
allow: [src/**, "*.md", contracts/policy/frontier.yaml]
deny:
  - {glob: src/frozen/**, reason: it is frozen}
"""


@dataclass(frozen=True)
class Repository:
    """A git repository below a temporary folder."""

    root: Path

    def git(self, *args: str) -> str:
        return git(self.root, *args)

    def write(self, path: str, text: str) -> Path:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        return place

    def commit(self) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "change")
        return self.git("rev-parse", "HEAD").strip()

    def change(self, path: str, text: str, *, on: str = "") -> str:
        """A commit with this file, on the branch that is checked out or on another."""
        if on:
            self.git("checkout", "-q", on)
        self.write(path, text)
        return self.commit()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    root = tmp_path / "repository"
    root.mkdir()
    made = Repository(root)
    made.git("init", "-q", "-b", "trunk")
    made.write("contracts/policy/frontier.yaml", FRONTIER)
    made.write("src/a.py", "one\n" * 30)
    made.write("src/frozen/b.py", "two\n" * 30)
    made.write("other/c.py", "three\n" * 30)
    made.commit()
    return made

"""The walk of CONTRIBUTING.md, "Add a clause", word for word on a copy of the repository."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
WALK = TEXT[TEXT.index("## Add a clause") : TEXT.index("## Rules for code")]
FILES = re.findall(r"^`(contracts/\S+)`(, at the end)?:\n\n```\w+\n(.*?)^```$", WALK, re.M | re.S)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pack consists of, with the walk's changes made."""
    root = tmp_path_factory.mktemp("walk") / "repository"
    left_out = shutil.ignore_patterns("__pycache__")
    for name in ("contracts", "drift", "specs"):
        shutil.copytree(ROOT / name, root / name, ignore=left_out)
    for place, at_the_end, text in FILES:
        path = root / place
        before = path.read_text(encoding="utf-8") if at_the_end else ""
        assert path.exists() == bool(at_the_end), place
        path.write_text(before + text, encoding="utf-8")
    return root


def verify(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verify", *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_the_walk_touches_one_room() -> None:
    assert len(FILES) == 2
    assert {Path(place).parent.name for place, _, _ in FILES} == {"schedule"}


def test_the_clause_is_green_and_red_under_its_falsifier(copy: Path) -> None:
    assert "sound: " in verify(copy, "lint").stdout
    done = verify(copy, "run", "SCHEDULE-007", "--jobs", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("1/1 evaluated, 0 failed, 0 unknown, falsifiers 1/1")
    told = verify(copy, "explain", "SCHEDULE-007").stdout
    assert "check       schedule.never_above (contracts/schedule/bounds.py:11)" in told
    assert "  from      defaults, line 6: kind" in told

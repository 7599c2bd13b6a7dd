"""The script of CI ends at whatever fails first. Programs that only name themselves stand in."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ("pip", "pytest", "ruff", "mypy", "lint-imports", "verify")
STUB = """#!/bin/sh
echo "$(basename "$0")" >> "{log}"
test "$(basename "$0")" != "{failing}"
"""


def carried_out(folder: Path, failing: str) -> tuple[int, list[str]]:
    """The exit status of the script where one program fails, and the programs it started."""
    log, made = folder / "log", folder / "made"
    made.mkdir()
    for name in ("python3", *PROGRAMS):
        (made / name).write_text(STUB.format(log=log, failing=failing), encoding="utf-8")
        (made / name).chmod(0o755)
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", folder / ".ci/run")
    (folder / ".venv").mkdir()
    (folder / ".venv/bin").symlink_to(made)
    done = subprocess.run(
        ["bash", ".ci/run"], cwd=folder, env={**os.environ, "PATH": f"{made}:{os.environ['PATH']}"}
    )
    return done.returncode, log.read_text(encoding="utf-8").split()


@pytest.mark.parametrize("failing", ["python3", *PROGRAMS])
def test_nothing_is_started_after_what_failed(failing: str, tmp_path: Path) -> None:
    """An environment that could not be made was passed over, and the tests with it."""
    code, started = carried_out(tmp_path, failing)
    assert code != 0
    assert started.count(failing) == 1
    if failing == "mypy":  # types are looked at beside the gates; nothing begins after these
        assert started[-1] in ("mypy", "verify")
        assert started.count("pytest") == 1
    else:
        assert [name for name in started if name != "mypy"][-1] == failing


def test_where_nothing_fails_all_of_it_is_started(tmp_path: Path) -> None:
    code, started = carried_out(tmp_path, "none")
    assert code == 0
    assert set(started) == {"python3", *PROGRAMS}

"""The hook that asks each commit of code for its line in the changelog, or its decision record."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

HOOK = Path(__file__).parents[1] / ".ci" / "tracked"


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (("drift/loss.py",), 1),
        (("verify/report/page/style.css", "README.md"), 1),
        (("drift/loss.py", "docs/CHANGELOG.md"), 1),
        (("drift/loss.py", "specs/decisions/README.md"), 1),
        (("contracts/loss/contract.yaml", "specs/decisions/DEC-0400.md"), 0),
        (("drift/loss.py", "CHANGELOG.md"), 0),
        (("README.md", "tests/test_x.py"), 0),
        ((), 0),
    ],
)
def test_code_is_committed_with_what_is_said_of_it(
    files: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x", encoding="utf-8")
    subprocess.run(["git", "add", "-A"], cwd=tmp_path, check=True)
    done = subprocess.run(["bash", str(HOOK)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert ("expected a line in CHANGELOG.md" in done.stderr) == (code == 1)

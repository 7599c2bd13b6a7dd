"""The environment lies inside the repository, as the README has it: libraries are not the pack."""

from __future__ import annotations

import json
import site
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from verify.commands.runs import sealed_run
from verify.run.environment import repository
from verify.run.workers import pool, worker
from verify.spec import sources

from .conftest import MiniPack, clause, git, newest

REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 120

LIBRARY = """
import ctypes.util

ctypes.util.find_library("surely_none")  # asks a program, as torch does while it is imported

def fails():
    raise RuntimeError("of a library")
"""

CHECKS = """
import odd_library
from verify.api import check

@check("inside.passes")
def passes(ctx):
    return ctx.judge(0.0, "nothing differs", unit="units")

@check("inside.raises")
def raises(ctx):
    odd_library.fails()
"""


@pytest.fixture
def python(mini: MiniPack) -> Path:
    """The interpreter of an environment in `.venv` of the pack, which sees this one's packages."""
    venv.create(mini.root / ".venv", symlinks=True)
    (packages,) = (mini.root / ".venv").glob("lib/python*/site-packages")
    known = [*site.getsitepackages(), *(p for p in sys.path if p.endswith("site-packages"))]
    (packages / "known.pth").write_text("\n".join([*known, str(REPOSITORY)]))
    (packages / "odd_library.py").write_text(LIBRARY)
    mini.write("contracts/bindings/inside.py", CHECKS)
    mini.clauses = [
        clause(1, check="inside.passes"),
        clause(2, check="inside.raises"),
    ]
    mini.save()
    return mini.root / ".venv/bin/python"


def run(python: Path, mini: MiniPack, *, reports: str = "reports") -> list[dict[str, Any]]:
    """The clauses of one cached run of it."""
    subprocess.run(
        [python, "-m", "verify", "run", "--cached", "--no-falsify", "--reports", reports],
        check=False, cwd=mini.root, capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip
    clauses: list[dict[str, Any]] = json.loads(
        (newest(mini.root / reports) / "report.json").read_text()
    )["clauses"]
    return clauses


def test_judgements_are_reused_and_errors_are_placed_in_the_pack(
    python: Path, mini: MiniPack
) -> None:
    first, second = run(python, mini), run(python, mini)
    assert [one["outcome"] for one in first] == ["pass", "error"]
    assert [one["cached"] for one in first] == [False, False]
    assert [one["cached"] for one in second] == [True, False]
    for one in (first[1], second[1]):
        assert "RuntimeError at contracts/bindings/inside.py:10: of a library" in one["reason"]
        assert [frame.split(":")[0] for frame in one["details"]["stack"]] == [
            "contracts/bindings/inside.py",
            "odd_library.py",
        ]


@pytest.mark.parametrize(
    ("path", "theirs"),
    [
        ("/place/pack/engine/loss.py", True),
        ("/place/pack/.venv/lib/site-packages/torch/nn.py", False),
        ("/place/site-packages/torch/nn.py", False),
        ("/place/packed/loss.py", False),
    ],
)
def test_a_library_below_the_pack_is_not_of_it(
    path: str, theirs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = ("/place/pack/.venv/lib/site-packages/", "/place/site-packages/")
    monkeypatch.setattr(sources, "installed", lambda: folders)
    assert sources.of_pack(path, Path("/place/pack")) is theirs


def test_pythons_own_library_below_the_pack_is_not_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment of conda brings it along: errors of json were placed in the pack."""
    monkeypatch.setattr(sources, "standard", lambda: ("/place/pack/env/lib/python3.11/",))
    assert not sources.of_pack(
        "/place/pack/env/lib/python3.11/json/decoder.py", Path("/place/pack")
    )
    assert sources.of_pack("/place/pack/env.py", Path("/place/pack"))


def test_what_a_library_raises_is_no_finding_where_the_code_is_the_whole_folder(
    python: Path, mini: MiniPack
) -> None:
    mini.edit("contracts/pack.yaml", "subject: thing", 'subject: thing\ncode: ["."]')
    found = run(python, mini, reports=str(mini.root.parent / "reports"))[1]
    assert found["outcome"] == "error"
    assert "RuntimeError at contracts/bindings/inside.py:10: of a library" in found["reason"]


def test_a_file_beside_the_harness_is_not_taken_for_a_part_of_it() -> None:
    path = f"{sources.HARNESS}_pack/laws.py"
    with pytest.raises(ZeroDivisionError) as raised:
        exec(compile("1 / 0", path, "exec"))
    task = {"mutant": None, "code": []}
    answer = worker._explain(raised.value, task, sources.HARNESS.parent)
    assert "ZeroDivisionError at verify_pack/laws.py:1: " in answer["reason"]
    assert not path.startswith(pool._NOT_THEIRS)


def test_an_installed_pack_in_somebodys_repository_is_of_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment lies in a repository, and the pack in the environment."""
    packages = tmp_path / ".venv/lib/site-packages"
    (packages / "thing_pack").mkdir(parents=True)
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "one")
    assert repository(packages / "thing_pack")["commit"]
    assert sealed_run._place(packages / "thing_pack") == ".venv/lib/site-packages/thing_pack/"
    monkeypatch.setattr(sources, "installed", lambda: (f"{packages}/",))
    assert repository(packages / "thing_pack") == {"commit": None, "changed_files": None}
    assert sealed_run._place(packages / "thing_pack") == ""
    assert repository(tmp_path)["commit"]


def test_a_pack_among_the_packages_has_its_own_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "installed", lambda: ("/site-packages/",))
    assert sources.of_pack("/site-packages/thing_pack/laws.py", Path("/site-packages/thing_pack"))
    assert not sources.of_pack("/site-packages/torch/nn.py", Path("/site-packages/thing_pack"))

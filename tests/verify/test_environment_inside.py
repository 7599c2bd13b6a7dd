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

from verify.spec import sources

from .conftest import MiniPack, clause, newest

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


def run(python: Path, mini: MiniPack) -> list[dict[str, Any]]:
    """The clauses of one cached run of it."""
    subprocess.run(
        [python, "-m", "verify", "run", "--cached", "--no-falsify"], check=False,
        cwd=mini.root, capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip
    clauses: list[dict[str, Any]] = json.loads(
        (newest(mini.root / "reports") / "report.json").read_text()
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


def test_a_pack_among_the_packages_has_its_own_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "installed", lambda: ("/site-packages/",))
    assert sources.of_pack("/site-packages/thing_pack/laws.py", Path("/site-packages/thing_pack"))
    assert not sources.of_pack("/site-packages/torch/nn.py", Path("/site-packages/thing_pack"))

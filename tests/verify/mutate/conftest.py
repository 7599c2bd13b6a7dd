"""A pack about three functions, of which one is held, one is held in part and one is not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.verify.conftest import MiniPack, clause, new_pack
from verify.mutate import reach

ENGINE = """
    LIMIT = 3

    def total(values):
        found = 0
        for one in values:
            found = found + one
        return found

    def capped(value):
        return LIMIT if value > LIMIT else value

    def waited(left):
        while left > 0:
            left -= 1
        return left

    def unseen(value):
        return value * 2
"""
CHECKS = """
    from engine import counting
    from verify.api import check

    @check("thing.total")
    def total(ctx):
        return ctx.decide(counting.total([1, 2, 3]) == 6, "the sum of three")

    @check("thing.capped")
    def capped(ctx):
        return ctx.decide(counting.capped(5) == 3, "five is capped")

    @check("thing.waited")
    def waited(ctx):
        return ctx.decide(counting.waited(2) == 0, "two steps")
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What hangs is told soon."""
    monkeypatch.setattr(reach, "LEAST_S", 0.5)


@pytest.fixture
def counted(tmp_path: Path) -> MiniPack:
    """See above."""
    pack = new_pack(tmp_path / "pack")
    with (pack.root / "contracts/pack.yaml").open("a") as file:
        file.write("code: [engine]\n")
    pack.write("engine/__init__.py", "")
    pack.write("engine/counting.py", ENGINE)
    pack.write("contracts/bindings/counting.py", CHECKS)
    exact = {"exact": True, "basis": "whole numbers"}
    pack.clauses = [
        clause(number, check=f"thing.{name}", tolerance=exact)
        for number, name in enumerate(("total", "capped", "waited"), 1)
    ]
    return pack.save()

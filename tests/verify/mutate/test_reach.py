"""What each clause runs is found out again only where it may have become something else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.verify.conftest import MiniPack, Result, clause
from verify.mutate.server import read_lines

Cli = Callable[..., Result]
EXACT = {"exact": True, "basis": "whole numbers"}
READING = """
    from pathlib import Path

    from engine import counting
    from verify.api import check

    @check("thing.listed")
    def listed(ctx):
        names = sorted(path.name for path in (ctx.specs_dir / "cases").glob("*.txt"))
        told = [int((ctx.specs_dir / "cases" / name).read_text()) for name in names[:1]]
        return ctx.decide(counting.unseen(told[0]) == 2 * told[0], "twice the first")
"""
OUTSIDE = """
    import subprocess
    import sys

    from verify.api import check

    @check("thing.outside")
    def outside(ctx):
        code = "import os; from engine import counting; os.{end}(counting.unseen(2) != 4)"
        done = subprocess.run([sys.executable, "-c", code], cwd=ctx.specs_dir.parent)
        return ctx.decide(done.returncode == 0, "twice two, elsewhere")
"""
COMPILING = OUTSIDE.replace(
    "from engine",
    "from importlib.machinery import SourceFileLoader as loader; loader.get_code = lambda self, "
    "name: self.source_to_code(self.get_data(self.path), self.path); from engine",
)
FORKING = """
    import os

    from engine import counting
    from verify.api import check

    @check("thing.outside")
    def outside(ctx):
        child = os.fork()
        if child == 0:
            os._exit(counting.unseen(2) != 4)
        return ctx.decide(os.waitpid(child, 0)[1] == 0, "twice two, elsewhere")
"""


@pytest.fixture
def reading(counted: MiniPack) -> MiniPack:
    """A fourth clause, which lists a folder and reads a file of it."""
    counted.write("contracts/bindings/reading.py", READING)
    counted.write("specs/cases/a.txt", "3")
    counted.clauses.append(clause(4, check="thing.listed", tolerance=EXACT))
    return counted.save()


def traced(cli: Cli, pack: MiniPack, reports: Path, *more: object) -> set[str]:
    """Clauses whose lines were found out; the trial itself has no time."""
    done = cli("mutate", "--pack", pack.root, "--reports", reports, "--jobs", 1,
               "--budget", 1e-6, *more)  # fmt: skip
    return set(re.findall(r"^reach \d+/\d+ (\S+) pass$", done.err, re.MULTILINE))


def kept(reports: Path) -> dict[str, Any]:
    (file,) = (reports / "mutation").glob("reach-*.json")
    return dict(json.loads(file.read_text()))


def of(*numbers: int) -> set[str]:
    return {f"THING-{number:03d}" for number in numbers}


def test_only_clauses_that_changed_are_traced_again(
    cli: Cli, reading: MiniPack, tmp_path: Path
) -> None:
    assert traced(cli, reading, tmp_path) == of(1, 2, 3, 4)
    assert traced(cli, reading, tmp_path) == set()
    reading.edit("contracts/bindings/reading.py", "names[:1]", "names[0:1]")
    assert traced(cli, reading, tmp_path) == of(4), "its check"
    reading.clauses[1]["tolerance"] = {**EXACT, "basis": "other words"}
    reading.save()
    assert traced(cli, reading, tmp_path) == of(2), "its definition"
    reading.write("specs/cases/a.txt", "4")
    assert traced(cli, reading, tmp_path) == of(4), "a file that it reads"
    reading.write("specs/cases/b.txt", "5")
    assert traced(cli, reading, tmp_path) == of(4), "a folder that it lists"
    reading.write("contracts/bindings/other.py", "X = 1\n")
    assert traced(cli, reading, tmp_path) == set(), "what nobody imports"
    reading.edit("engine/counting.py", "LIMIT = 3", "LIMIT = 3 + 0")
    assert traced(cli, reading, tmp_path) == of(1, 2, 3, 4), "the code that all of them import"


def test_a_selection_keeps_what_is_known_of_the_others(
    cli: Cli, reading: MiniPack, tmp_path: Path
) -> None:
    assert traced(cli, reading, tmp_path, "THING-001") == of(1)
    assert traced(cli, reading, tmp_path, "THING-002") == of(2)
    assert traced(cli, reading, tmp_path) == of(3, 4)


def test_what_is_stale_goes_and_the_rest_is_written_the_same_way(
    cli: Cli, reading: MiniPack, tmp_path: Path
) -> None:
    traced(cli, reading, tmp_path)
    reading.clauses.pop()
    reading.edit("contracts/bindings/counting.py", "== 6", "== 6 + 0")
    reading.save()
    traced(cli, reading, tmp_path)
    names = [one["clause"] for one in kept(tmp_path)["clauses"]]
    assert names == sorted(of(1, 2, 3))
    traced(cli, reading, tmp_path / "again")

    def timeless(reports: Path) -> list[dict[str, Any]]:
        return [{**one, "seconds": 0} for one in kept(reports)["clauses"]]

    assert timeless(tmp_path) == timeless(tmp_path / "again")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"clauses": [{}]}', '{"clauses": 3}', "null"])
def test_a_file_that_is_none_is_found_out_again(
    cli: Cli, counted: MiniPack, tmp_path: Path, text: str
) -> None:
    traced(cli, counted, tmp_path, "THING-001")
    (file,) = (tmp_path / "mutation").glob("reach-*.json")
    file.write_text(text)
    assert traced(cli, counted, tmp_path, "THING-001") == of(1)
    assert [one["clause"] for one in kept(tmp_path)["clauses"]] == ["THING-001"]


def test_what_broke_is_not_kept(cli: Cli, counted: MiniPack, tmp_path: Path) -> None:
    """It may have been the machine's doing, and would judge nothing for ever."""
    counted.edit("contracts/bindings/counting.py", '    return ctx.decide(counting.waited',
                 '    raise OSError("busy")\n    return ctx.decide(counting.waited')  # fmt: skip
    for _ in range(2):
        done = cli("mutate", "--pack", counted.root, "--reports", tmp_path, "--jobs", 1,
                   "--budget", 1e-6, "THING-003")  # fmt: skip
        assert "reach 1/1 THING-003 error" in done.err


@pytest.mark.parametrize(
    "check",
    [
        OUTSIDE.format(end="sys.exit"),
        OUTSIDE.format(end="_exit"),
        COMPILING.format(end="_exit"),
        FORKING,
    ],
    ids=["started", "ended at once", "compiling by itself", "forked"],
)
def test_what_runs_in_other_processes_is_reached_and_changed_there(
    cli: Cli, counted: MiniPack, tmp_path: Path, check: str
) -> None:
    counted.write("contracts/bindings/outside.py", check.replace("os.sys.exit", "sys.exit").replace(
        "import os; from", "import os, sys; from"))  # fmt: skip
    counted.clauses = [clause(4, check="thing.outside", tolerance=EXACT)]
    counted.save()
    done = cli("mutate", "--pack", counted.root, "--reports", tmp_path, "--jobs", 1)
    assert done.code == 0, done.err
    (file,) = (tmp_path / "mutation").glob("2*.json")
    found = json.loads(file.read_text())
    ends = {one["after"]: one["fate"] for one in found["missed"]}
    assert "return value / 2" not in ends, "2 / 2 is not 4"
    assert ends["return LIMIT if value >= LIMIT else value"] == "unreached"
    assert {one["clause"] for one in found["noticed"]} == {"THING-004"}
    assert found["judged"] == 2


def test_an_end_stands_while_its_judges_do(cli: Cli, counted: MiniPack, tmp_path: Path) -> None:
    def tried() -> list[str]:
        done = cli("mutate", "--pack", counted.root, "--reports", tmp_path, "--jobs", 1,
                   "--files", "engine/*")  # fmt: skip
        return re.findall(r"engine/counting.py:(\d+) ", done.err)

    assert len(tried()) == 14
    counted.write("contracts/bindings/capped.py", """
        from engine import counting
        from verify.api import check

        @check("thing.at_the_limit")
        def at_the_limit(ctx):
            return ctx.decide(counting.capped(3) == 3, "three stays three")
        """)  # fmt: skip
    counted.clauses.append(clause(4, check="thing.at_the_limit", tolerance=EXACT))
    counted.save()
    again = tried()
    assert set(again) == {"1", "10"}, "the lines that the new clause runs"
    assert tried() == []


def test_a_line_that_was_cut_is_none(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("12 /a/b.py\n3 /a/c.py\n12 /a/b.py\n4x /a/c.py\n\n7")
    assert read_lines(tmp_path / "lines") == {"/a/b.py": [12], "/a/c.py": [3]}

"""`verify run --cached`: what nobody hears is reused while nothing at all has changed around it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from verify import clock
from verify.run.surroundings import UNKNOWN, surroundings

from .conftest import MiniPack, Result, clause
from .test_cache import reused, run

Cli = Callable[..., Result]
WHO = ("-c", "user.name=n", "-c", "user.email=e@example.org")
STARTS = """
    import subprocess, sys
    from verify.api import check

    @check("starts.a_program")
    def a_program(ctx):
        ran = not subprocess.call([sys.executable, "-c", ""])
        return ctx.decide(ran and ctx.subject.values["one"] == 1.0, "it ran")

    @check("starts.nothing_there")
    def nothing_there(ctx):
        return ctx.missing("no record; remedy: make one")

    @check("starts.raises")
    def raises(ctx):
        raise RuntimeError
"""


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", *WHO, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def pack(mini: MiniPack, monkeypatch: pytest.MonkeyPatch) -> MiniPack:
    """A pack in a repository of its own; reports lie elsewhere."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setattr(clock, "today", lambda: date(2026, 5, 17))
    mini.write("contracts/bindings/starts.py", STARTS)
    mini.write("notes.txt", "one\n")
    mini.write(".gitignore", "ignored.txt\n/reports\n__pycache__\n")
    git(mini.root, "init", "-q", "-b", "trunk")
    commit(mini.save())
    return mini


def commit(pack: MiniPack) -> None:
    git(pack.root, "add", "-A")
    git(pack.root, "commit", "-q", "--allow-empty", "-m", "change")


CASES = [
    ({"kind": "process"}, 2),
    ({"kind": "artifact"}, 2),
    ({"check": "starts.a_program"}, 2),
    ({"check": "starts.nothing_there"}, 1),
    ({"check": "starts.raises"}, 0),
    ({"kind": "benchmark"}, 0),
]


@pytest.mark.parametrize(("fields", "count"), CASES, ids=[str(case[0]) for case in CASES])
def test_nothing_has_changed(pack: MiniPack, cli: Cli, fields: dict[str, str], count: int) -> None:
    """Documents, artefacts, programs and "no evidence"; an error and a speed are asked again."""
    pack.clauses = [clause(**fields)]
    commit(pack.save())
    first = run(cli, pack)
    second, third = run(cli, pack), run(cli, pack)
    assert (reused(first), reused(second), reused(third)) == (0, count, count)
    assert [one["outcome"] for one in second["clauses"]] == [
        one["outcome"] for one in first["clauses"]
    ]


def write(pack: MiniPack) -> None:
    pack.write("notes.txt", "two\n")


def add(pack: MiniPack) -> None:
    pack.write("another.txt", "one\n")


def delete(pack: MiniPack) -> None:
    (pack.root / "notes.txt").unlink()


def forget(pack: MiniPack) -> None:
    (pack.root / ".git").rename(pack.root.parent / "elsewhere")


def another_repository(pack: MiniPack) -> None:
    """Its files are not listed."""
    git(pack.root, "init", "-q", "inner")
    pack.write("inner/a.txt", "a")
    commit_in = pack.root / "inner"
    git(commit_in, "add", "-A")
    git(commit_in, "commit", "-q", "-m", "one")
    git(pack.root, "add", "inner")


@pytest.mark.parametrize("change", [write, add, delete, commit, forget, another_repository])
@pytest.mark.parametrize("fields", [row[0] for row in CASES[:4]], ids=str)
def test_anything_has_changed(
    pack: MiniPack, cli: Cli, change: Callable[[MiniPack], None], fields: dict[str, str]
) -> None:
    pack.clauses = [clause(**fields)]
    commit(pack.save())
    run(cli, pack)
    change(pack)
    assert reused(run(cli, pack)) == 0


def test_a_program_that_was_started_is_remembered_by_those_that_reuse_the_judgement(
    pack: MiniPack, cli: Cli
) -> None:
    """The second run heard no program; the third must not take its word for it."""
    pack.clauses = [clause(check="starts.a_program")]
    commit(pack.save())
    run(cli, pack)
    assert reused(run(cli, pack)) == 2
    write(pack)
    assert reused(run(cli, pack)) == 0


def test_what_is_heard_does_not_need_it(pack: MiniPack, cli: Cli) -> None:
    run(cli, pack)
    write(pack)
    assert reused(run(cli, pack)) == 2


def test_another_day(pack: MiniPack, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waivers and signatures are dated."""
    pack.clauses = [clause(kind="process")]
    commit(pack.save())
    run(cli, pack)
    monkeypatch.setattr(clock, "today", lambda: date(2026, 5, 18))
    assert reused(run(cli, pack)) == 0


def test_a_file_that_changes_during_the_run(pack: MiniPack, cli: Cli) -> None:
    """What lay around the run was not one thing."""
    pack.write(
        "contracts/bindings/writes.py",
        f"""
        from pathlib import Path
        from verify.api import check

        @check("writes.a_note")
        def a_note(ctx):
            Path({str(pack.root / "notes.txt")!r}).write_text("two")
            return ctx.decide(ctx.subject.values["one"] == 1.0, "written")
        """,
    )
    pack.clauses = [clause(1, kind="process"), clause(2, check="writes.a_note")]
    commit(pack.save())
    run(cli, pack)
    assert reused(run(cli, pack, "THING-001")) == 0


def test_ignored_files_are_left_out_and_without_git_nothing_is_known(
    pack: MiniPack, tmp_path: Path
) -> None:
    before = surroundings(pack.root)
    pack.write("ignored.txt", "x")
    assert surroundings(pack.root) == before != UNKNOWN
    forget(pack)
    assert surroundings(pack.root) == UNKNOWN

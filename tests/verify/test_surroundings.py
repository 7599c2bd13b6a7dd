"""`verify run --cached`: what nobody hears is reused while nothing at all has changed around it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from verify import clock
from verify.run.surroundings import MOST_BYTES, NOWHERE, around

from .conftest import MiniPack, Result, clause, git
from .test_cache import reused, run

Cli = Callable[..., Result]
STARTS = """
    import subprocess, sys
    from pathlib import Path
    from verify.api import check

    @check("starts.a_program")
    def a_program(ctx):
        ran = not subprocess.call([sys.executable, "-c", ""])
        return ctx.decide(ran and ctx.subject.values["one"] == 1.0, "it ran")

    @check("starts.nothing_there")
    def nothing_there(ctx):
        return ctx.missing("no compiler; remedy: put one on the path")

    @check("starts.no_record")
    def no_record(ctx):
        if not ctx.evidence_dir.is_dir() or not list(ctx.evidence_dir.iterdir()):
            return ctx.missing("no record; remedy: make one")

    @check("starts.reads_hidden")
    def reads_hidden(ctx):
        text = (Path(__file__).parents[2] / "reports/other.json").read_text()
        return ctx.decide(text == "{}" and ctx.subject.values["one"] == 1.0, "read")

    @check("starts.raises")
    def raises(ctx):
        raise RuntimeError
"""


@pytest.fixture
def pack(mini: MiniPack, monkeypatch: pytest.MonkeyPatch) -> MiniPack:
    """A pack in a repository of its own; reports lie elsewhere."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setattr(clock, "today", lambda: date(2026, 5, 17))
    mini.write("contracts/bindings/starts.py", STARTS)
    for name in ("notes.txt", "same.txt"):
        mini.write(name, "one\n")
    (mini.root / "link.txt").symlink_to("notes.txt")
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
    ({"check": "starts.no_record"}, 1),
    ({"check": "starts.nothing_there"}, 0),
    ({"check": "starts.raises"}, 0),
    ({"kind": "benchmark"}, 0),
]


@pytest.mark.parametrize(("fields", "count"), CASES, ids=[str(case[0]) for case in CASES])
def test_nothing_has_changed(pack: MiniPack, cli: Cli, fields: dict[str, str], count: int) -> None:
    """Documents, artefacts, programs, and records that are missing, which keys cover; what else is
    missing, an error and a speed are asked again."""
    Path("reports/evaluations").mkdir(parents=True)
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


def may_be_run(pack: MiniPack) -> None:
    (pack.root / "notes.txt").chmod(0o755)


def is_a_link(pack: MiniPack) -> None:
    """To the same bytes."""
    (pack.root / "notes.txt").unlink()
    (pack.root / "notes.txt").symlink_to("same.txt")


def points_elsewhere(pack: MiniPack) -> None:
    (pack.root / "link.txt").unlink()
    (pack.root / "link.txt").symlink_to("same.txt")


def is_a_pipe(pack: MiniPack) -> None:
    """Nobody waits for what it says."""
    (pack.root / "link.txt").unlink()
    os.mkfifo(pack.root / "pipe")
    (pack.root / "link.txt").symlink_to("pipe")


def staged(pack: MiniPack) -> None:
    git(pack.root, "rm", "-q", "--cached", "notes.txt")


def tagged(pack: MiniPack) -> None:
    git(pack.root, "tag", "v1")


def on_another_branch(pack: MiniPack) -> None:
    git(pack.root, "checkout", "-q", "-b", "other")


def configured(pack: MiniPack) -> None:
    git(pack.root, "config", "user.name", "another")


def forget(pack: MiniPack) -> None:
    (pack.root / ".git").rename(pack.root.parent / "elsewhere")


def another_repository(pack: MiniPack) -> None:
    """Its files are not listed."""
    git(pack.root, "init", "-q", "inner")
    pack.write("inner/a.txt", "a")
    git(pack.root / "inner", "add", "-A")
    git(pack.root / "inner", "commit", "-q", "-m", "one")
    git(pack.root, "add", "inner")


def too_much(pack: MiniPack) -> None:
    with pack.write("large.bin", "").open("wb") as file:
        file.truncate(MOST_BYTES + 1)


CHANGES = (write, add, delete, may_be_run, is_a_link, points_elsewhere, is_a_pipe, staged, tagged,
           on_another_branch, configured, commit, forget, another_repository, too_much)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("fields", [{"kind": "process"}, {"check": "starts.a_program"}], ids=str)
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


def test_another_environment(pack: MiniPack, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable, and a program on the path that was not there."""
    pack.clauses = [clause(kind="process")]
    folder = pack.root.parent / "programs"
    folder.mkdir()
    os.utime(folder, (1, 1))
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}{os.pathsep}{folder}")
    commit(pack.save())
    run(cli, pack)
    assert reused(run(cli, pack)) == 2
    (folder / "tool").write_text("")
    assert reused(run(cli, pack)) == 0
    assert reused(run(cli, pack)) == 2
    monkeypatch.setenv("MODE", "other")
    assert reused(run(cli, pack)) == 0


def test_what_is_about_artefacts_rests_on_hidden_files_too(pack: MiniPack, cli: Cli) -> None:
    other = pack.write("reports/other.json", "{}")
    pack.clauses = [clause(check="starts.reads_hidden", kind="artifact")]
    commit(pack.save())
    run(cli, pack)
    assert reused(run(cli, pack)) == 2
    other.write_text("{ }")
    assert reused(run(cli, pack)) == 0


def test_a_pack_that_git_ignores(pack: MiniPack, cli: Cli) -> None:
    """Nothing of it is listed."""
    pack.clauses = [clause(kind="process")]
    git(pack.root, "rm", "-rq", "--cached", ".")
    pack.write(".gitignore", "*\n")
    git(pack.root, "commit", "-q", "--allow-empty", "-m", "nothing")
    pack.save()
    run(cli, pack)
    write(pack)
    assert reused(run(cli, pack)) == 0


def writing(pack: MiniPack, *texts: str) -> MiniPack:
    """A clause about documents, and a check that writes a note of the repository meanwhile."""
    pack.write(
        "contracts/bindings/writes.py",
        f"""
        from pathlib import Path
        from verify.api import check

        @check("writes.a_note")
        def a_note(ctx):
            for text in {texts!r}:
                Path({str(pack.root / "notes.txt")!r}).write_text(text)
            return ctx.decide(ctx.subject.values["one"] == 1.0, "written")
        """,
    )
    pack.clauses = [clause(1, kind="process"), clause(2, check="writes.a_note")]
    return pack.save()


def test_what_was_changed_and_changed_back(pack: MiniPack, cli: Cli) -> None:
    """A program may have looked in between."""
    commit(writing(pack, "two", "one\n"))
    run(cli, pack)
    assert reused(run(cli, pack, "THING-001")) == 0


def test_another_day(pack: MiniPack, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waivers and signatures are dated."""
    pack.clauses = [clause(kind="process")]
    commit(pack.save())
    run(cli, pack)
    monkeypatch.setattr(clock, "today", lambda: date(2026, 5, 18))
    assert reused(run(cli, pack)) == 0


def test_a_file_that_changes_during_the_run(pack: MiniPack, cli: Cli) -> None:
    """What lay around the run was not one thing."""
    commit(writing(pack, "two"))
    run(cli, pack)
    assert reused(run(cli, pack, "THING-001")) == 0


def test_ignored_files_are_left_out_and_without_git_nothing_is_known(
    pack: MiniPack, cli: Cli
) -> None:
    before = around(pack.root)
    assert "note:" not in cli("run", "--cached", "--pack", pack.root).err
    pack.write("ignored.txt", "x")
    assert around(pack.root) == before != NOWHERE
    forget(pack)
    assert around(pack.root) == NOWHERE
    assert "note: found no git" in cli("run", "--cached", "--pack", pack.root).err

"""Clauses that would rather not be judged: each way out is closed, or ends as no pass."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from verify.api import CheckContext
from verify.outcome import Outcome, Reason
from verify.report.model import ClauseView, ExitCode, Report
from verify.run.workers import forks

from .conftest import MiniPack, clause, gone, new_pack, run_pack

DODGES = """
    import json, mmap, os, resource, subprocess, sys, threading, time
    from verify.api import Measurement, Outcome, Reason, check

    PASS = {
        "outcome": "pass", "reason": "forged", "cause": "judged", "measured": None, "unit": "",
        "axis": None, "provenance": {}, "details": {}, "files": {}, "elapsed_s": 0.0,
        "peak_mb": 0.0, "left_behind": False,
    }
    LINE = json.dumps(PASS).encode() + b"\\n"
    HELD = mmap.mmap(-1, 512 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def shout(line):
        for fd in range(1, 64):
            try:
                os.write(fd, line)
            except OSError:
                pass

    @check("dodge.not_for_me")
    def not_for_me(ctx):
        return Measurement(Outcome.NOT_APPLICABLE, "not for me", cause=Reason.NO_COLUMN)

    @check("dodge.forges")
    def forges(ctx):
        shout(LINE)
        return ctx.decide(False, "red")

    @check("dodge.forges_and_dies")
    def forges_and_dies(ctx):
        shout(LINE)
        os._exit(0)

    @check("dodge.forges_a_start")
    def forges_a_start(ctx):
        shout(b'{"loaded": true, "held_kb": 0}\\n')
        shout(LINE)
        return ctx.decide(False, "red")

    @check("dodge.child_forges")
    def child_forges(ctx):
        child = os.fork()
        if child == 0:
            shout(LINE)
            os._exit(0)
        os.waitpid(child, 0)
        return ctx.decide(False, "red")

    @check("dodge.child_forges_later")
    def child_forges_later(ctx):
        if os.fork() == 0:
            os.setsid()
            for _ in range(600):
                time.sleep(0.02)
                shout(LINE)
            os._exit(0)
        return ctx.decide(True, "green")

    @check("dodge.thread_forges_later")
    def thread_forges_later(ctx):
        def late():
            for _ in range(600):
                time.sleep(0.02)
                shout(LINE)
        threading.Thread(target=late, daemon=True).start()
        return ctx.decide(True, "green")

    def fill(memory, size):
        for at in range(0, size, 4096):
            memory[at] = 1

    @check("dodge.touches")
    def touches(ctx):
        fill(HELD, 256 << 20)
        return ctx.decide(True, "it was mapped before")

    @check("dodge.touches_and_gives_back")
    def touches_and_gives_back(ctx):
        fill(HELD, 256 << 20)
        HELD.madvise(mmap.MADV_DONTNEED)
        return ctx.decide(True, "nothing is left of it")

    @check("dodge.shares")
    def shares(ctx):
        memory = mmap.mmap(-1, 256 << 20)
        fill(memory, 256 << 20)
        return ctx.decide(True, "it is shared")

    @check("dodge.raises_its_limit")
    def raises_its_limit(ctx):
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
        return ctx.decide(True, "limits are for others")

    @check("dodge.raises_and_restores")
    def raises_and_restores(ctx):
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
        block = bytearray(256 << 20)
        del block
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        return ctx.decide(True, "limits are for others")

    @check("dodge.children_hoard")
    def children_hoard(ctx):
        ready, go = os.pipe()
        for _ in range(4):
            if os.fork() == 0:
                block = bytearray(48 << 20)
                os.write(go, b"x")
                time.sleep(600)
        for _ in range(4):
            os.read(ready, 1)
        time.sleep(20)
        return ctx.decide(True, "each of them is small")

    @check("dodge.daemon")
    def daemon(ctx):
        ready, go = os.pipe()
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.write(go, str(os.getpid()).encode())
                os.close(go)
                time.sleep(600)
            os._exit(0)
        os.close(go)
        return ctx.decide(True, "gone", details={"child": int(os.read(ready, 20))})

    @check("dodge.daemon_then_dies")
    def daemon_then_dies(ctx):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                with open(ctx.params["tell"], "w") as file:
                    file.write(str(os.getpid()))
                time.sleep(600)
            os._exit(0)
        os.wait()
        while not os.path.exists(ctx.params["tell"]) or not open(ctx.params["tell"]).read():
            time.sleep(0.01)
        os._exit(0)

    @check("dodge.program")
    def program(ctx):
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"],
            env={}, stdin=subprocess.DEVNULL, start_new_session=True,
        )
        return ctx.decide(True, "gone", details={"child": child.pid})

    @check("dodge.patches_decide")
    def patches_decide(ctx):
        from verify.api import CheckContext
        real = CheckContext.decide
        CheckContext.decide = lambda self, good, *given, **more: real(self, True, *given, **more)
        return ctx.decide(False, "red")

    @check("dodge.patches_json")
    def patches_json(ctx):
        real = json.dumps
        def dumps(value, **more):
            if isinstance(value, dict) and "outcome" in value:
                value = {**value, "outcome": "pass", "cause": "judged"}
            return real(value, **more)
        json.dumps = dumps
        return ctx.decide(False, "red")

    @check("dodge.patches_the_worker")
    def patches_the_worker(ctx):
        worker = sys.modules["verify.run.workers.worker"]
        worker.encode = lambda measurement: dict(PASS)
        worker.write = lambda answers, answer: None
        return ctx.decide(False, "red")

    @check("dodge.red")
    def red(ctx):
        return ctx.decide(False, "red")

    @check("dodge.stops_the_server")
    def stops_the_server(ctx):
        with open(f"/proc/{os.getppid()}/cmdline", "rb") as file:
            if b"forkserver" in file.read():
                os.kill(os.getppid(), 19)
        return ctx.decide(True, "stopped")
"""
MEMORY = (Outcome.ERROR, Reason.MEMORY_BUDGET)
FORGED = (Outcome.ERROR, Reason.WORKER_DIED)
JUDGED = (Outcome.PASS, Reason.JUDGED)
LATE = (None, None)  # the answer, or a forged line that came before it: whichever was first
REPLACED = (Outcome.ERROR, Reason.CHECK_RAISED)
EXPECTED = {
    "not_for_me": (Outcome.UNKNOWN, Reason.EVIDENCE_MISSING),
    "forges": FORGED,
    "forges_and_dies": FORGED,
    "forges_a_start": FORGED,
    "child_forges": FORGED,
    "child_forges_later": LATE,
    "thread_forges_later": LATE,
    "touches": MEMORY,
    "touches_and_gives_back": MEMORY,
    "shares": MEMORY,
    "raises_its_limit": MEMORY,
    "raises_and_restores": MEMORY,
    "children_hoard": MEMORY,
    "daemon": (Outcome.PASS, Reason.JUDGED),
    "daemon_then_dies": (Outcome.ERROR, Reason.WORKER_DIED),
    "program": (Outcome.PASS, Reason.JUDGED),
    "patches_decide": REPLACED,
    "patches_json": REPLACED,
    "patches_the_worker": REPLACED,
}
NAMES = list(EXPECTED)
SMALL = {name for name, expected in EXPECTED.items() if expected == MEMORY}


@pytest.fixture(scope="module")
def told_to(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("told") / "pid"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, told_to: Path) -> Report:
    """Each of them, followed by a clause that is sound, in one worker after another."""
    folder = tmp_path_factory.mktemp("dodges")
    pack = new_pack(folder / "pack")
    pack.write("contracts/bindings/dodge.py", DODGES)
    pack.clauses = []
    for number, name in enumerate(NAMES):
        changes: dict[str, Any] = {"check": f"dodge.{name}", "params": {"tell": str(told_to)}}
        changes["budget"] = {"memory_mb": 64} if name in SMALL else {}
        pack.clauses += [clause(2 * number, **changes), clause(2 * number + 1)]
    pack.save()
    return run_pack(pack, folder / "reports", jobs=1, falsify=False).report


@pytest.fixture
def told(report: Report) -> dict[str, ClauseView]:
    return {name: report.clauses[2 * number] for number, name in enumerate(NAMES)}


@pytest.mark.parametrize("name", NAMES)
def test_each_way_out_has_its_outcome(told: dict[str, ClauseView], name: str) -> None:
    expected = EXPECTED[name]
    either = (JUDGED, FORGED) if expected is LATE else (expected,)
    assert (told[name].outcome, told[name].cause) in either, told[name].reason
    assert told[name].reason != "forged"


def test_nobody_else_pays_for_them(report: Report) -> None:
    """A child or thread that writes to the pipe later has no say in what follows."""
    assert [c.id for c in report.clauses[1::2] if c.outcome is not Outcome.PASS] == []


def test_a_forged_answer_is_said_to_be_one(told: dict[str, ClauseView]) -> None:
    assert "something else wrote to its pipe" in told["forges"].reason


@pytest.mark.parametrize("patch", ["patches_decide", "patches_json", "patches_the_worker"])
def test_a_patch_that_is_left_behind_makes_no_other_clause_pass(
    mini: MiniPack, tmp_path: Path, patch: str
) -> None:
    """A `decide` that says yes to all judged what came next in its worker."""
    mini.write("contracts/bindings/dodge.py", DODGES)
    mini.clauses = [clause(1, check=f"dodge.{patch}"), clause(2, check="dodge.red"), clause(3)]
    report = run_pack(mini.save(), tmp_path / "reports", jobs=1, falsify=False).report
    assert [one.outcome.value for one in report.clauses] == ["error", "fail", "pass"]
    assert "the check left " in report.clauses[0].reason


def test_a_server_that_was_stopped_ends_no_run(
    mini: MiniPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped server of forks was waited for without an end."""
    monkeypatch.setattr(forks, "ORDER_S", 0.5)
    mini.write("contracts/bindings/dodge.py", DODGES)
    mini.clauses = [clause(1, check="dodge.stops_the_server"), clause(2, check="dodge.red")]
    mini.clauses += [clause(3, check="dodge.forges_and_dies"), clause(4)]
    report = run_pack(mini.save(), tmp_path / "reports", jobs=1, falsify=False).report
    assert [one.outcome.value for one in report.clauses] == ["pass", "fail", "error", "pass"]


@pytest.mark.parametrize("name", ["daemon", "program"])
def test_what_left_its_session_does_not_outlive_the_run(
    told: dict[str, ClauseView], name: str
) -> None:
    assert gone(told[name].details["child"])


def test_what_lost_its_worker_does_not_outlive_the_run(report: Report, told_to: Path) -> None:
    assert gone(int(told_to.read_text()))


# -- what is not judged ---------------------------------------------------------------------------


def code(pack: MiniPack, tmp_path: Path, **changes: Any) -> ExitCode:
    pack.write("contracts/bindings/dodge.py", DODGES)
    pack.clauses = [clause(1), clause(2, **changes)]
    return ExitCode(run_pack(pack.save(), tmp_path).report.verdict.exit_code)


def test_a_required_blocker_that_excuses_itself_is_not_go(mini: MiniPack, tmp_path: Path) -> None:
    changes = {"check": "dodge.not_for_me", "severity": "blocker"}
    assert code(mini, tmp_path, **changes) is ExitCode.INCOMPLETE


def test_a_check_that_excuses_itself_stays_in_the_score(mini: MiniPack, tmp_path: Path) -> None:
    mini.write("contracts/bindings/dodge.py", DODGES)
    mini.clauses = [clause(1), clause(2, check="dodge.not_for_me")]
    overall = run_pack(mini.save(), tmp_path).report.score.overall
    assert overall.earned < overall.possible
    assert overall.not_applicable == []


def test_what_is_not_required_may_not_apply(mini: MiniPack, tmp_path: Path) -> None:
    changes = {"check": "dodge.not_for_me", "required": False, "severity": "minor"}
    assert code(mini, tmp_path, **changes) is ExitCode.GO


def test_required_rows_of_a_table_without_columns_are_not_go(
    mini: MiniPack, tmp_path: Path
) -> None:
    """Taking the templates out of the manifest takes nothing out of the verdict."""
    row = {"kind": None, "check": None, "sources": None, "falsifiers": None}
    config = {"field": "a", "fact": "book:thing.one"}
    assert code(mini, tmp_path, **row, **config) is ExitCode.INCOMPLETE


@pytest.mark.parametrize("kind", ["golden", "property", "interface"])
def test_a_blocker_about_the_subject_alone_is_required(mini: MiniPack, kind: str) -> None:
    mini.clauses = [clause(1, kind=kind, severity="blocker", required=False)]
    (problem,) = mini.save().problems()
    assert problem.path == "clauses[0].required"
    mini.clauses = [clause(1, kind="metric", axis="proxy", severity="blocker", required=False)]
    assert mini.save().problems() == ()


# -- what a check is told -------------------------------------------------------------------------


def test_nothing_that_a_check_is_given_says_whether_it_is_being_falsified() -> None:
    names = {field.name for field in dataclasses.fields(CheckContext)}
    assert names == {
        "clause_id", "subject", "params", "tolerance", "facts", "specs_dir", "evidence_dir",
        "seed", "examples", "shrink", "trust",
    }  # fmt: skip


def test_a_check_is_given_the_same_with_and_without_a_mutant(
    mini: MiniPack, tmp_path: Path
) -> None:
    """All but the subject: what is red under a mutant is red because of what the subject does."""
    mini.write(
        "contracts/bindings/same.py",
        """
        import dataclasses
        from verify.api import check

        @check("same.context")
        def context(ctx):
            told = [f"{f.name}={getattr(ctx, f.name)!r}" for f in dataclasses.fields(ctx)
                    if f.name != "subject"]
            right = ctx.subject.values["one"] == 1.0
            return ctx.decide(right, " ".join(told))
        """,
    )
    mini.clauses = [clause(check="same.context")]
    found = run_pack(mini.save(), tmp_path).report
    assert found.falsifiers[0].killed
    assert found.falsifiers[0].reason == found.clauses[0].reason

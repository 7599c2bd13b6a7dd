"""Workers forked from a process that has done the imports: what they may share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from verify.outcome import Outcome, Reason
from verify.run.workers import forks

from .conftest import PATIENCE_S, Finished, MiniPack, clause, run_pack

ASKS = """
    import os
    from pathlib import Path
    from verify.api import check

    IMPORTED_IN = os.getpid()
    {body}

    @check("asks.about_itself")
    def about_itself(ctx):
        right = ctx.subject.values["one"] == 1.0
        found = {{"imported": IMPORTED_IN, "me": os.getpid(), "parent": os.getppid()}}
        return ctx.decide(right, "told", details=found)
"""


def asking(pack: MiniPack, body: str = "") -> MiniPack:
    pack.write("contracts/bindings/asks.py", ASKS.format(body=body))
    pack.clauses = [clause(number, check="asks.about_itself") for number in (1, 2)]
    return pack.save()


def details(finished: Finished) -> list[dict[str, Any]]:
    assert {one.outcome for one in finished.report.clauses} == {Outcome.PASS}
    assert all(one.killed for one in finished.report.falsifiers)
    return [{**one.details} for one in finished.report.clauses]


def test_what_tasks_name_is_imported_in_one_process_that_runs_none_of_them(
    mini: MiniPack, tmp_path: Path
) -> None:
    first, second = details(run_pack(asking(mini), tmp_path, jobs=2))
    assert first["imported"] == second["imported"] == first["parent"]
    assert first["imported"] not in (first["me"], second["me"], os.getpid())


@pytest.mark.parametrize(
    "body",
    [
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
        "import mmap; SHARED = mmap.mmap(-1, 4096)",
        "FILE = open(__file__)",
        "import subprocess; CHILD = subprocess.Popen(['sleep', '60'])",
    ],
)
def test_what_forks_would_have_in_common_is_never_forked(
    mini: MiniPack, tmp_path: Path, body: str
) -> None:
    """A thread, shared memory, an open file, a child: workers are started as before."""
    for found in details(run_pack(asking(mini, body), tmp_path)):
        assert (found["imported"], found["parent"]) == (found["me"], os.getpid())


SERVER = "if len(__import__('sys').argv) > 2: "


@pytest.mark.parametrize(
    "body",
    [
        SERVER + "os._exit(3)",
        SERVER + "__import__('time').sleep(600)",
        SERVER + '[os.write(fd, b\'{"held": "", "pid": 1}\') for fd in range(3, 64)'
        " if os.path.exists(f'/proc/self/fd/{fd}') and 'socket' in"
        " os.readlink(f'/proc/self/fd/{fd}')]",
    ],
    ids=["dies", "hangs", "forges"],
)
def test_a_server_that_gives_no_answer_of_its_own_is_done_without(
    mini: MiniPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(forks, "LIMIT_S", 2.0)
    for found in details(run_pack(asking(mini, body), tmp_path)):
        assert (found["imported"], found["parent"]) == (found["me"], os.getpid())


def test_mutants_are_imported_when_no_clause_is_judged_any_more(
    mini: MiniPack, tmp_path: Path
) -> None:
    """Whatever their module does while it is imported cannot taint a pass."""
    asking(mini)
    mini.write(
        "contracts/bindings/taints.py",
        """
        from contextlib import nullcontext
        from verify.api import mutant
        from . import thing

        thing.VALUES["one"] = 7.0

        @mutant("taints.at_once")
        def at_once(subject):
            return nullcontext()
        """,
    )
    mini.clauses = [clause(1, check="asks.about_itself", falsifiers=["taints.at_once"])]
    details(run_pack(mini.save(), tmp_path))


def test_a_server_that_is_killed_takes_one_clause_with_it(mini: MiniPack, tmp_path: Path) -> None:
    mini.write(
        "contracts/bindings/kills.py",
        """
        import os, time
        from verify.api import check

        @check("kills.parent")
        def parent(ctx):
            if len(__import__("sys").argv) > 2:
                os.kill(os.getppid(), 9)
                time.sleep(600)
            return ctx.decide(True, "started, not forked")
        """,
    )
    mini.clauses = [clause(1, check="kills.parent"), clause(2), clause(3, check="kills.parent")]
    found = run_pack(mini.save(), tmp_path, falsify=False).report.clauses
    assert [one.outcome for one in found] == [Outcome.ERROR, Outcome.PASS, Outcome.PASS]
    assert found[0].cause is Reason.WORKER_DIED


def test_what_an_import_read_belongs_to_every_task(mini: MiniPack, tmp_path: Path) -> None:
    """Reuse of an earlier judgement would otherwise miss a change of it."""
    mini.write("notes.txt", "one")
    finished = run_pack(
        asking(mini, "NOTES = Path(__file__).parents[2].joinpath('notes.txt').read_text()"),
        tmp_path,
    )
    lines = (finished.bundle / "evidence.jsonl").read_text().splitlines()
    records = [line for line in lines if '"kind":"clause"' in line or '"kind":"falsifier"' in line]
    assert len(records) == 4
    assert all("notes.txt" in line for line in records)


@pytest.mark.parametrize(
    ("pack", "folder", "told"),
    [
        ("'/pack'", "installed()[0]", False),
        ("Path(installed()[0]).parents[2]", "installed()[0]", False),  # of the README
        ("Path(installed()[0], 'pack')", "installed()[0]", False),  # as it is shipped in a wheel
        ("Path(installed()[0], 'pack')", "installed()[0] + 'pack/'", True),
        ("'/pack'", "'/pack/'", True),
        ("'/pack'", "'/somewhere/else/'", True),
    ],
)
def test_a_program_started_by_an_import_is_the_environments_or_the_packs(
    pack: str, folder: str, told: bool
) -> None:
    """torch asks the linker for its libraries: no reason to judge everything again."""
    asked = f"""
import subprocess, sys
from pathlib import Path
from verify.run.workers.watch import Watch
from verify.spec.sources import installed

watch = Watch(Path({pack}))
program = "import ctypes.util; ctypes.util.find_library('surely_none')"
exec(compile(program, {folder} + "module.py", "exec"))
watch.keep()
watch.begin(Path("/evaluations"))
print(watch.answer()["children"])
"""
    done = subprocess.run(
        [sys.executable, "-c", asked],
        capture_output=True, text=True, check=True, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.stdout == f"{told}\n"


def test_memory_that_was_there_at_the_fork_counts_whoever_shares_it(
    mini: MiniPack, tmp_path: Path
) -> None:
    """Pages that a worker has in common with its server are no room for its children."""
    mini.write(
        "contracts/bindings/hoards.py",
        """
        import os, time
        from verify.api import check

        HELD = bytearray(256 << 20)
        for at in range(0, len(HELD), 4096):
            HELD[at] = 1

        @check("hoards.with_children")
        def with_children(ctx):
            ready, go = os.pipe()
            for _ in range(4):
                if os.fork() == 0:
                    block = bytearray(b"x") * (24 << 20)
                    os.write(go, b"x")
                    time.sleep(600)
            for _ in range(4):
                os.read(ready, 1)
            time.sleep(5)
            return ctx.decide(True, "each of them is small")
        """,
    )
    mini.clauses = [clause(check="hoards.with_children", budget={"memory_mb": 64})]
    (found,) = run_pack(mini.save(), tmp_path, falsify=False).report.clauses
    assert (found.outcome, found.cause) == (Outcome.ERROR, Reason.MEMORY_BUDGET)


def test_what_a_dead_fork_left_is_ended_before_the_next_clause(
    mini: MiniPack, tmp_path: Path
) -> None:
    """It left the session and has no parent: it is known by the mark that its fork was given."""
    mini.write(
        "contracts/bindings/leaves.py",
        """
        import os, time
        from pathlib import Path
        from verify.api import check

        @check("leaves.orphan")
        def orphan(ctx):
            told = Path(ctx.params["tell"])
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    told.write_text(str(os.getpid()))
                    time.sleep(600)
                os._exit(0)
            os.wait()
            while not told.exists() or not told.read_text():
                time.sleep(0.01)
            os._exit(0)

        @check("leaves.nobody")
        def nobody(ctx):
            stat = Path("/proc", Path(ctx.params["tell"]).read_text(), "stat")
            gone = not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] in "ZX"
            return ctx.decide(gone, f"{stat} is gone: {gone}")
        """,
    )
    params = {"tell": str(tmp_path / "pid")}
    mini.clauses = [
        clause(1, check="leaves.orphan", params=params),
        clause(2, check="leaves.nobody", params=params),
    ]
    found = run_pack(mini.save(), tmp_path / "reports", falsify=False).report.clauses
    assert [one.outcome for one in found] == [Outcome.ERROR, Outcome.PASS], found[1].reason

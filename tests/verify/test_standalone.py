"""`verify` as a program of its own: without the engine's libraries, and under signals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from verify.report.bundle import check

from .conftest import PATIENCE_S, MiniPack, clause, eventually_gone

BLOCKER = '''
"""Imported at the start of every interpreter that finds it on PYTHONPATH."""

import sys


class Blocked:
    """The engine and its libraries are not installed here."""

    names = {"torch", "torchvision", "numpy", "scipy", "sklearn", "drift", "hypothesis"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r} (blocked)", name=name)
        return None


sys.meta_path.insert(0, Blocked())
'''


@pytest.fixture
def without_engine(tmp_path: Path) -> dict[str, str]:
    """An environment in which neither torch nor numpy nor drift can be imported, by anyone."""
    folder = tmp_path / "blocker"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BLOCKER)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    for name in ("torch", "numpy", "drift"):
        probe = subprocess.run(
            [sys.executable, "-c", f"import {name}"],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert "(blocked)" in probe.stderr, "the block works"
    return environment


def verify(
    *arguments: object, environment: dict[str, str], cwd: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "verify", *map(str, arguments)],
        env=environment, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip


def test_everything_works_where_torch_and_numpy_are_not_installed(
    without_engine: dict[str, str], tmp_path: Path
) -> None:
    """From an empty folder to a sealed bundle: init, lint, run with workers and mutants, check."""
    home = tmp_path / "home"
    home.mkdir()
    for arguments in (
        ["init"], ["lint"], ["run"], ["list"], ["explain", "LENGTH-001"], ["schema"],
        ["replay", "LENGTH-002", "--mutant", "length.one_way"],
    ):  # fmt: skip
        done = verify(*arguments, environment=without_engine, cwd=home)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    (bundle,) = (home / "reports").iterdir()
    report = check(bundle)
    # What compares arrays is unknown without NumPy, and says so; it is not required.
    assert report.verdict.line == "GO: 4/5 evaluated, 0 failed, 1 unknown, falsifiers 8/8"
    (missing,) = (one for one in report.clauses if one.outcome == "unknown")
    assert (missing.id, missing.cause) == ("LENGTH-005", "dependency_missing")


def test_a_check_that_needs_torch_is_unknown_where_torch_is_missing(
    mini: MiniPack, without_engine: dict[str, str]
) -> None:
    """Missing evidence is not a failure, never a pass, and says what to install."""
    mini.write(
        "contracts/bindings/heavy.py",
        """
        import torch
        from verify.api import check

        @check("heavy.one")
        def one(ctx):
            return ctx.decide(True, "one")
        """,
    )
    mini.clauses = [clause(1), clause(2, check="heavy.one")]
    mini.save()
    done = verify("run", environment=without_engine, cwd=mini.root)
    assert done.returncode == 3, done.stderr
    assert (
        "UNKNOWN THING-002\n    the module torch is not installed; remedy: install" in done.stdout
    )
    assert done.stdout.splitlines()[-1] == (
        "NO-GO: 1/2 evaluated, 0 failed, 1 unknown, falsifiers 1/1"
    )


def test_lint_never_runs_code_of_the_pack(mini: MiniPack, without_engine: dict[str, str]) -> None:
    marker = mini.root / "was-here"
    mini.write(
        "contracts/bindings/trap.py",
        f"""
        from verify.api import check
        open({str(marker)!r}, "w")

        @check("trap.one")
        def one(ctx): ...
        """,
    )
    assert verify("lint", environment=without_engine, cwd=mini.root).returncode == 0
    assert not marker.exists()


# -- signals --------------------------------------------------------------------------------------


@pytest.fixture
def sleepy(mini: MiniPack) -> MiniPack:
    """Two clauses that pass, then one that sleeps for minutes beside a sleeping child."""
    mini.write(
        "contracts/bindings/sleepy.py",
        """
        import os, pathlib, time
        from verify.api import check

        @check("sleepy.one")
        def one(ctx):
            child = os.fork()
            if child == 0:
                time.sleep(300)
            note = pathlib.Path(ctx.params["note"])
            note.with_suffix(".tmp").write_text(f"{os.getpid()} {child}")
            note.with_suffix(".tmp").rename(note)
            time.sleep(300)
        """,
    )
    note = str(mini.root / "note.txt")
    quick = {"seconds": 10}
    mini.clauses = [
        clause(1, budget={"seconds": 3000}),
        clause(2, check="sleepy.one", params={"note": note}, budget={"seconds": 600}),
        clause(3, budget=quick),
    ]
    return mini.save()


def heard() -> None:
    """Signals as an interactive shell leaves them, also where the tests run under nohup."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def start(pack: MiniPack) -> subprocess.Popen[str]:
    """A run with one worker that has reached the sleeping clause."""
    process = subprocess.Popen(
        [sys.executable, "-m", "verify", "run", "--jobs", "1"],
        cwd=pack.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=heard,
    )  # fmt: skip
    deadline = time.monotonic() + PATIENCE_S
    while not (pack.root / "note.txt").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_in_order(sleepy: MiniPack, number: signal.Signals) -> None:
    """What was found is sealed, the rest is accounted for, nothing keeps running."""
    process = start(sleepy)
    pids = [int(word) for word in (sleepy.root / "note.txt").read_text().split()]
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 3, err
    assert "the run was interrupted; what it did not reach is unknown" in out
    (bundle,) = (sleepy.root / "reports").iterdir()
    report = check(bundle)
    assert [(c.outcome, c.cause) for c in report.clauses] == [
        ("pass", "judged"), ("unknown", "interrupted"), ("unknown", "interrupted"),
    ]  # fmt: skip
    assert report.about["interrupted"] is True
    assert eventually_gone(pids)


def test_a_run_that_is_killed_leaves_no_worker_and_no_bundle_that_looks_whole(
    sleepy: MiniPack,
) -> None:
    process = start(sleepy)
    worker = int((sleepy.root / "note.txt").read_text().split()[0])
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    assert eventually_gone([worker])
    assert [path.name.startswith(".partial-") for path in (sleepy.root / "reports").iterdir()] == [
        True
    ]
    child = int((sleepy.root / "note.txt").read_text().split()[1])
    os.kill(child, signal.SIGKILL)  # of the check's own making; not left to sleep


def test_a_reader_that_goes_away_does_not_turn_red_into_green(mini: MiniPack) -> None:
    """`verify run | head -1` keeps the verdict of the run."""
    mini.edit("contracts/bindings/thing.py", '"one": 1.0', '"one": 3.0')
    process = subprocess.Popen(
        [sys.executable, "-m", "verify", "run"],
        cwd=mini.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=PATIENCE_S) == 1
    assert err == ""
    assert len(list((mini.root / "reports").iterdir())) == 1


def test_the_working_directory_may_hold_modules_of_any_name(mini: MiniPack) -> None:
    """A pack beside a file select.py or a folder verify/ is run by the installed harness."""
    for name in ("secrets.py", "yaml.py", "pydantic.py"):
        (mini.root / name).write_text("raise ImportError('shadowed')\n")
    entry = shutil.which("verify", path=str(Path(sys.executable).parent))
    assert entry is not None, "the console script is installed beside the interpreter"
    done = subprocess.run([entry, "run"], cwd=mini.root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_terminal_shows_a_live_bar_and_a_coloured_verdict(mini: MiniPack) -> None:
    """Under a pseudo-terminal: progress while it runs, then the summary with the bar wiped."""
    import pty

    main, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "verify", "run"],
        cwd=mini.root, stdin=other, stdout=other, stderr=other,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"},
    )  # fmt: skip
    os.close(other)
    screen = b""
    while True:
        try:
            chunk = os.read(main, 4096)
        except OSError:  # the other end was closed
            break
        if not chunk:
            break
        screen += chunk
    os.close(main)
    assert process.wait(timeout=PATIENCE_S) == 0
    text = screen.decode()
    assert "clauses" in text
    assert "1/1" in text
    assert "falsifiers" in text
    assert "\x1b[32m\x1b[1mGO:\x1b[0m 1/1 evaluated" in text
    assert "\x1b[?25h" in text, "the cursor is shown again"


def test_no_colour_is_written_where_none_is_wanted(mini: MiniPack) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "verify", "run"], cwd=mini.root, capture_output=True, text=True
    )
    assert "\x1b" not in done.stdout + done.stderr
    (report,) = (mini.root / "reports").glob("*/report.json")
    assert json.loads(report.read_text())["verdict"]["word"] == "GO"

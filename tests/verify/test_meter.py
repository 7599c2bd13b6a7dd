"""What is charged to a budget: time computed or slept, and never what a busy machine withholds."""

from __future__ import annotations

from pathlib import Path

import pytest

from verify.outcome import Outcome, Reason
from verify.run.workers import meter, pool

from .conftest import MiniPack, clause, run_pack

PID = 2**22 + 7  # beyond what the kernel hands out: only the made-up files speak of it


class Clock:
    """A machine with a made-up process and a made-up wall clock."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self._place = 0.0, place
        monkeypatch.setattr(meter, "PROC", place)
        monkeypatch.setattr(meter, "_TICK", 100)
        monkeypatch.setattr(meter.time, "monotonic", lambda: self.now)

    def after(self, wall: float, *threads: tuple[int, float, str]) -> None:
        """So much later, threads (id, processor seconds, state) look like this."""
        self.now += wall
        for thread, seconds, state in threads:
            folder = self._place / str(PID) / "task" / str(thread)
            folder.mkdir(parents=True, exist_ok=True)
            used = f"{round(seconds * 100)} 0"
            stat = f"{thread} (odd) R 9 name) {state} 1 1 1 0 -1 0 0 0 0 0 {used} 0 0 20 0 1 0\n"
            (folder / "stat").write_text(stat)


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(tmp_path, monkeypatch)


def test_a_check_that_waits_for_a_core_is_charged_what_it_computed(clock: Clock) -> None:
    """On a machine with nine programs a core it needs nine times as long, and is no slower."""
    clock.after(0.0, (1, 40.0, "R"))
    found = meter.Meter(PID)
    for second in range(1, 91):
        clock.after(1.0, (1, 40.0 + second / 9, "R"))
        found.used()
    assert found.used() == pytest.approx(10.0)
    assert not found.over(10.5)
    assert found.over(9.5)


def test_a_hang_in_its_sleep_is_charged_the_time_it_slept(clock: Clock) -> None:
    clock.after(0.0, (1, 3.0, "S"))
    found = meter.Meter(PID)
    for _ in range(20):
        clock.after(0.1, (1, 3.0, "S"))
        found.used()
    assert found.used() == pytest.approx(2.0)


def test_several_threads_are_charged_as_the_busiest_of_them(clock: Clock) -> None:
    """How many cores a machine has changes no verdict."""
    clock.after(0.0, (1, 0.0, "R"), (2, 0.0, "R"))
    found = meter.Meter(PID)
    clock.after(5.0, (1, 4.0, "R"), (2, 4.5, "R"), (3, 4.9, "S"))
    assert found.used() == pytest.approx(4.9)


def test_one_that_sleeps_while_another_is_ready_or_reads_the_disk_is_not_asleep(
    clock: Clock,
) -> None:
    clock.after(0.0, (1, 0.0, "S"), (2, 0.0, "D"))
    found = meter.Meter(PID)
    clock.after(9.0, (1, 0.0, "S"), (2, 0.0, "D"))
    clock.after(9.0, (1, 0.0, "S"), (2, 0.0, "R"))
    assert found.used() == 0.0


def test_a_reader_that_was_kept_waiting_charges_no_long_sleep(clock: Clock) -> None:
    clock.after(0.0, (1, 0.0, "S"))
    found = meter.Meter(PID)
    clock.after(3600.0, (1, 0.0, "S"))
    assert found.used() == meter.LONGEST_SLEEP_S


def test_the_wall_clock_is_the_last_resort(clock: Clock) -> None:
    clock.after(0.0, (1, 0.0, "D"))
    found = meter.Meter(PID)
    clock.after(meter.BACKSTOP_S - 1, (1, 0.0, "D"))
    assert not found.over(1.0)
    clock.after(2.0, (1, 0.0, "D"))
    assert found.over(1.0)
    assert not found.over(30.0)


def test_without_proc_the_wall_clock_counts(clock: Clock) -> None:
    found = meter.Meter(PID)
    clock.after(2.5)
    assert found.used() == 2.5


def test_a_hang_of_a_child_ends_with_its_clause(mini: MiniPack, tmp_path: Path) -> None:
    """The worker waits and computes nothing; its child is what the clause computes."""
    mini.write(
        "contracts/bindings/slow.py",
        """
        import subprocess, sys
        from verify.api import check

        @check("slow.child")
        def child(ctx):
            subprocess.run([sys.executable, "-c", "while True: pass"], check=False)
        """,
    )
    mini.clauses = [clause(check="slow.child", budget={"seconds": 0.5})]
    (found,) = run_pack(mini.save(), tmp_path / "r", falsify=False).report.clauses
    assert (found.outcome, found.cause) == (Outcome.TIMEOUT, Reason.TIME_BUDGET)
    assert "after its budget of 0.5 s" in found.reason


def test_imports_do_not_count(
    mini: MiniPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[float] = []
    over = meter.Meter.over

    def noted(self: meter.Meter, seconds: float) -> bool:
        made.append(seconds)
        return over(self, seconds)

    monkeypatch.setattr(pool.Meter, "over", noted)
    mini.edit("contracts/bindings/thing.py", "VALUES =", "import time; time.sleep(1.5)\nVALUES =")
    mini.clauses = [clause(budget={"seconds": 1.0})]
    (found,) = run_pack(mini.save(), tmp_path / "r", falsify=False).report.clauses
    assert found.outcome is Outcome.PASS
    assert pool.IMPORT_LIMIT_S in made

"""What the code under test raises on an input it takes is a finding; another's exception is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from verify.outcome import Outcome, Reason

from .conftest import MiniPack, Result, clause, run_pack

ENGINE = """
    import json

    def raises(value):
        raise IndexError(f"no place {value}")

    def reads(text):
        return json.loads(text)

    def calls(function):
        return function()

    def imports_late():
        from engine import broken
        return broken

    def imports_none():
        import no_such_module_anywhere

    def hoards():
        raise MemoryError

    def leaves():
        raise SystemExit(3)

    def half(value):
        return value / 2
"""
CHECKS = """
    from contextlib import contextmanager
    from unittest.mock import patch

    from engine import work
    from verify.api import check, mutant

    @check("raised.noted")
    def noted(ctx):
        try:
            work.raises(7)
        except IndexError as error:
            error.add_note("on the drawn input 7")
            raise

    @check("raised.through_a_library")
    def through_a_library(ctx):
        return ctx.decide(work.reads("{"), "it reads")

    @check("raised.by_the_check")
    def by_the_check(ctx):
        return ctx.decide(work.half(4)[0] == 2, "half of four")

    @check("raised.wrongly_called")
    def wrongly_called(ctx):
        return ctx.decide(work.half(4, 5) == 2, "half of four")

    @check("raised.called_back")
    def called_back(ctx):
        return ctx.decide(work.calls(lambda: 1 / 0), "called back")

    @check("raised.on_import")
    def on_import(ctx):
        return ctx.decide(work.imports_late(), "it imports")

    @check("raised.no_module")
    def no_module(ctx):
        return ctx.decide(work.imports_none(), "it imports")

    @check("raised.memory")
    def memory(ctx):
        return ctx.decide(work.hoards(), "it hoards")

    @check("raised.exit")
    def leaves(ctx):
        return ctx.decide(work.leaves(), "it leaves")

    @check("raised.half")
    def half(ctx):
        return ctx.decide(work.half(4) == 2, "half of four")

    @mutant("raised.crash")
    @contextmanager
    def crash(subject):
        with patch.object(work, "half", work.raises):
            yield
"""
FOUND = {
    "noted": "the code under test raised IndexError at engine/work.py:4: no place 7; on the drawn",
    "through_a_library": "the code under test raised JSONDecodeError at engine/work.py:7:",
}
NOT_JUDGED = {
    "by_the_check": (Outcome.ERROR, Reason.CHECK_RAISED),
    "wrongly_called": (Outcome.ERROR, Reason.CHECK_RAISED),
    "called_back": (Outcome.ERROR, Reason.CHECK_RAISED),
    "on_import": (Outcome.ERROR, Reason.CHECK_RAISED),
    "no_module": (Outcome.UNKNOWN, Reason.DEPENDENCY_MISSING),
    "memory": (Outcome.ERROR, Reason.MEMORY_BUDGET),
    "exit": (Outcome.ERROR, Reason.CHECK_RAISED),
}
NAMES = (*FOUND, *NOT_JUDGED, "half")


@pytest.fixture
def raising(mini: MiniPack) -> MiniPack:
    with (mini.root / "contracts/pack.yaml").open("a") as file:
        file.write("code: [engine]\n")
    mini.write("engine/__init__.py", "")
    mini.write("engine/work.py", ENGINE)
    mini.write("engine/broken.py", "[][0]")
    mini.write("contracts/bindings/raised.py", CHECKS)
    exact = {"exact": True, "basis": "it raises or it does not"}
    mini.clauses = [
        clause(number, check=f"raised.{name}", tolerance=exact, falsifiers=["raised.crash"])
        for number, name in enumerate(NAMES, 1)
    ]
    return mini.save()


def test_only_what_the_code_raises_when_it_is_called_is_a_finding(
    raising: MiniPack, tmp_path: Path
) -> None:
    report = run_pack(raising, tmp_path / "reports").report
    views = dict(zip(NAMES, sorted(report.clauses, key=lambda view: view.id), strict=True))
    for name, said in FOUND.items():
        assert (views[name].outcome, views[name].cause) == (Outcome.FAIL, Reason.JUDGED), name
        assert views[name].reason.startswith(said), views[name].reason
    for name, ended in NOT_JUDGED.items():
        assert (views[name].outcome, views[name].cause) == ended, views[name].reason


def test_a_crash_under_a_falsifier_is_still_no_verdict(raising: MiniPack, tmp_path: Path) -> None:
    done = run_pack(raising, tmp_path / "reports", only=["THING-010"])
    (run,) = done.evidence.falsifiers
    assert done.report.clauses[0].outcome is Outcome.PASS
    assert (run.verdict.outcome, run.killed) == (Outcome.ERROR, False)


def test_a_replay_says_what_a_run_says(cli: Callable[..., Result], raising: MiniPack) -> None:
    found = cli("replay", "--pack", raising.root, "THING-001")
    assert found.code == 1
    assert f"because   {FOUND['noted']}" in found.out
    broken = cli("replay", "--pack", raising.root, "THING-003")
    assert (broken.code, "THING-003: error" in broken.out) == (3, True)

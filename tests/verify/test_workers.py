"""Checks that misbehave in every way: each ends as one enumerated outcome, and the run goes on."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from verify.outcome import Outcome, Reason
from verify.report.model import ClauseView

from .conftest import Finished, MiniPack, clause, gone, new_pack, run_pack

ODD = """
    import ctypes, os, sys, time
    from verify.api import Measurement, Outcome, check

    @check("odd.killed")
    def killed(ctx):
        print("last words", file=sys.stderr, flush=True)
        os.kill(os.getpid(), 9)

    @check("odd.exits")
    def exits(ctx):
        os._exit(3)

    @check("odd.crashes")
    def crashes(ctx):
        ctypes.string_at(0)

    @check("odd.leaves")
    def leaves(ctx):
        sys.exit("bye")

    @check("odd.hangs")
    def hangs(ctx):
        time.sleep(21600)

    @check("odd.spins")
    def spins(ctx):
        while True:
            pass

    @check("odd.hoards")
    def hoards(ctx):
        blocks = []
        while True:
            blocks.append(bytearray(1 << 20))

    @check("odd.prints")
    def prints(ctx):
        print('{"outcome": "fail"}' * 1000)
        os.write(1, b'{"loaded": true}\\n' * 1000)
        return ctx.decide(True, "printed")

    @check("odd.reads")
    def reads(ctx):
        return ctx.decide(sys.stdin.read() == "" and os.read(0, 10) == b"", "nothing to read")

    @check("odd.number")
    def number(ctx):
        return 42

    @check("odd.nothing")
    def nothing(ctx):
        pass

    @check("odd.great")
    def great(ctx):
        return Measurement("great", "it is")

    @check("odd.says_timeout")
    def says_timeout(ctx):
        return Measurement(Outcome.TIMEOUT, "too slow, I say")

    @check("odd.raises")
    def raises(ctx):
        raise RuntimeError("first line\\nsecond line")

    @check("odd.child_hangs")
    def child_hangs(ctx):
        child = os.fork()
        if child == 0:
            time.sleep(21600)
        return ctx.decide(True, "the child sleeps", details={"child": child})

    @check("odd.child_returns")
    def child_returns(ctx):
        child = os.fork()
        if child == 0:
            return ctx.decide(False, "I am the child")
        os.waitpid(child, 0)
        return ctx.decide(True, "I am the parent")

    @check("odd.child_outlives")
    def child_outlives(ctx):
        if os.fork() == 0:
            time.sleep(21600)
        os._exit(4)

    @check("odd.deep")
    def deep(ctx):
        details = loop = []
        for _ in range(10_000):
            details = [details]
        loop.append(loop)
        return ctx.decide(True, "deep", details={"deep": details, "loop": [loop, loop]})

    @check("odd.nan")
    def nan(ctx):
        return ctx.judge(float("nan"), "not a number", details={"worst": float("-inf")})

    @check("odd.infinite")
    def infinite(ctx):
        return ctx.judge(float("inf"), "too much")

    @check("odd.passes_with_nan")
    def passes_with_nan(ctx):
        return ctx.decide(True, "surely", measured=float("nan"))

    @check("odd.huge")
    def huge(ctx):
        details = {f"key {n}": "x" * 1000 for n in range(10_000)}
        return ctx.decide(False, "x" * 10_000_000, details=details)

    @check("odd.huge_files")
    def huge_files(ctx):
        return ctx.decide(False, "big", files={"big.bin": b"x" * (40 << 20)})

    @check("odd.leaves_folder")
    def leaves_folder(ctx):
        return ctx.decide(False, "files", files={"../../escaped.txt": b"x"})

    @check("odd.ugly_text")
    def ugly_text(ctx):
        return ctx.decide(True, "red \\x1b[31m\\n\\u2028 and \\ud800", unit="m\\x07", measured=0.5)

    @check("odd.array")
    def array(ctx):
        class Array:
            def tolist(self):
                return [1.0, float("nan"), 10**400, {1, 2}]
        class Scalar:
            def tolist(self):
                return 0.25
        return ctx.decide(True, "arrays", measured=Scalar(), details={"a": Array(), 5: Outcome})

    @check("odd.measures_text")
    def measures_text(ctx):
        return ctx.decide(True, "text", measured="much")

    @check("odd.wrong_types")
    def wrong_types(ctx):
        return ctx.decide(True, b"bytes")

    @check("odd.wrong_axis")
    def wrong_axis(ctx):
        return ctx.judge(0.0, "on no axis", axis="vibes")

    @check("odd.needs_module")
    def needs_module(ctx):
        import surely_not_installed.part

    @check("odd.needs_program")
    def needs_program(ctx):
        import subprocess
        subprocess.run(["surely-no-program", "--version"])

    @check("odd.needs_file")
    def needs_file(ctx):
        open("surely-no-file")

    @check("odd.needs_part")
    def needs_part(ctx):
        import json.surely_not_there

    @check("odd.needs_two", needs=("one", "two"))
    def needs_two(ctx):
        return ctx.decide(True, "two")

    @check("odd.closes_stderr")
    def closes_stderr(ctx):
        sys.stderr = sys.stdout = None
        raise ValueError("in silence")

    @check("odd.uncited")
    def uncited(ctx):
        return ctx.decide(True, ctx.fact("blog:thing.one"))

    @check("odd.peeks")
    def peeks(ctx):
        return ctx.decide(True, ctx.spec_file("../../secret").read_text())
"""

EXPECTED = {
    "killed": (Outcome.ERROR, Reason.WORKER_DIED),
    "exits": (Outcome.ERROR, Reason.WORKER_DIED),
    "crashes": (Outcome.ERROR, Reason.WORKER_DIED),
    "leaves": (Outcome.ERROR, Reason.CHECK_RAISED),
    "hangs": (Outcome.TIMEOUT, Reason.TIME_BUDGET),
    "spins": (Outcome.TIMEOUT, Reason.TIME_BUDGET),
    "hoards": (Outcome.ERROR, Reason.MEMORY_BUDGET),
    "prints": (Outcome.PASS, Reason.JUDGED),
    "reads": (Outcome.PASS, Reason.JUDGED),
    "number": (Outcome.ERROR, Reason.CHECK_RAISED),
    "nothing": (Outcome.ERROR, Reason.CHECK_RAISED),
    "great": (Outcome.ERROR, Reason.CHECK_RAISED),
    "says_timeout": (Outcome.ERROR, Reason.CHECK_RAISED),
    "raises": (Outcome.ERROR, Reason.CHECK_RAISED),
    "child_hangs": (Outcome.PASS, Reason.JUDGED),
    "child_returns": (Outcome.PASS, Reason.JUDGED),
    "child_outlives": (Outcome.ERROR, Reason.WORKER_DIED),
    "deep": (Outcome.PASS, Reason.JUDGED),
    "nan": (Outcome.FAIL, Reason.JUDGED),
    "infinite": (Outcome.FAIL, Reason.JUDGED),
    "passes_with_nan": (Outcome.ERROR, Reason.CHECK_RAISED),
    "huge": (Outcome.FAIL, Reason.JUDGED),
    "huge_files": (Outcome.FAIL, Reason.JUDGED),
    "leaves_folder": (Outcome.ERROR, Reason.CHECK_RAISED),
    "ugly_text": (Outcome.PASS, Reason.JUDGED),
    "array": (Outcome.PASS, Reason.JUDGED),
    "measures_text": (Outcome.ERROR, Reason.CHECK_RAISED),
    "wrong_types": (Outcome.ERROR, Reason.CHECK_RAISED),
    "wrong_axis": (Outcome.ERROR, Reason.CHECK_RAISED),
    "needs_module": (Outcome.UNKNOWN, Reason.DEPENDENCY_MISSING),
    "needs_program": (Outcome.UNKNOWN, Reason.DEPENDENCY_MISSING),
    "needs_file": (Outcome.ERROR, Reason.CHECK_RAISED),
    "needs_part": (Outcome.ERROR, Reason.CHECK_RAISED),
    "needs_two": (Outcome.UNKNOWN, Reason.CAPABILITY_MISSING),
    "closes_stderr": (Outcome.ERROR, Reason.CHECK_RAISED),
    "uncited": (Outcome.ERROR, Reason.CHECK_RAISED),
    "peeks": (Outcome.ERROR, Reason.CHECK_RAISED),
}
NAMES = list(EXPECTED)
BUDGETS = {
    "hangs": {"seconds": 0.5},
    "spins": {"seconds": 0.5},
    "hoards": {"memory_mb": 64},
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Finished, float]:
    """All of them in one run by two workers, each followed by a clause that is sound."""
    folder = tmp_path_factory.mktemp("odd")
    pack = new_pack(folder / "pack")
    pack.write("contracts/bindings/odd.py", ODD)
    pack.clauses = []
    for number, name in enumerate(NAMES):
        budget = BUDGETS.get(name, {})
        pack.clauses.append(clause(2 * number, check=f"odd.{name}", budget=budget))
        pack.clauses.append(clause(2 * number + 1))
    pack.save()
    started = time.monotonic()
    finished = run_pack(pack, folder / "reports", jobs=2, falsify=False)
    return finished, time.monotonic() - started


@pytest.fixture
def told(odd: tuple[Finished, float]) -> dict[str, ClauseView]:
    """Clauses of the report by the name of their check."""
    clauses = odd[0].report.clauses
    return {name: clauses[2 * number] for number, name in enumerate(NAMES)}


@pytest.mark.parametrize("name", NAMES)
def test_each_way_to_misbehave_has_its_outcome(told: dict[str, ClauseView], name: str) -> None:
    found = told[name]
    assert (found.outcome, found.cause) == EXPECTED[name], found.reason
    assert found.reason.isprintable()


def test_the_clauses_around_them_all_pass(odd: tuple[Finished, float]) -> None:
    sound = odd[0].report.clauses[1::2]
    assert len(sound) == len(NAMES)
    assert [c.id for c in sound if c.outcome is not Outcome.PASS] == []


def test_nobody_waits_for_what_sleeps(odd: tuple[Finished, float]) -> None:
    """Each of the sleepers would take six hours; the bound is no measure of the machine."""
    assert odd[1] < 6 * 3600


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("killed", "the worker process died (signal 9, SIGKILL): last words"),
        ("exits", "the worker process died (exit status 3)"),
        ("crashes", "Fatal Python error: Segmentation fault"),
        ("leaves", "the check raised SystemExit at contracts/bindings/odd.py:19: bye"),
        ("hangs", "stopped in contracts/bindings/odd.py:23 hangs after its budget of 0.5 s"),
        ("spins", " spins after its budget of 0.5 s; remedy: make the check faster, or raise"),
        ("hoards", "more than its budget of 64 MB; remedy: use less, or raise budget.memory_mb"),
        ("number", "check odd.number returned int, not Measurement"),
        ("nothing", "check odd.nothing returned NoneType, not Measurement"),
        ("great", "the check raised ValueError: 'great' is not a valid Outcome"),
        ("says_timeout", "a check cannot say timeout; it says pass, fail, unknown, not_applicable"),
        ("raises", "the check raised RuntimeError at contracts/bindings/odd.py:64: first line"),
        ("child_outlives", "the worker process died (exit status 4)"),
        ("passes_with_nan", "a pass with a measured value of nan"),
        ("leaves_folder", "'../../escaped.txt' is no plain file name"),
        ("measures_text", "measured is a str, not a number"),
        ("wrong_types", "found a bytes where a text belongs"),
        ("wrong_axis", "'vibes' is not a valid Axis"),
        ("needs_module", "the module surely_not_installed is not installed; remedy: install"),
        ("needs_program", "the program surely-no-program is not installed; remedy: install"),
        ("needs_file", "the check raised FileNotFoundError at contracts/bindings/odd.py"),
        ("needs_part", "the check raised ModuleNotFoundError"),
        ("needs_two", "subject thing lacks two"),
        ("closes_stderr", "the check raised ValueError at contracts/bindings/odd.py"),
        ("uncited", "KeyError at contracts/bindings/odd.py:174: \"THING-070: check asks for"),
        ("uncited", "the clause does not cite; cited: book:thing.one; add it to `sources`"),
        ("peeks", "'../../secret' leaves the folder specs/"),
    ],
)  # fmt: skip
def test_the_reason_says_where_and_what(told: dict[str, ClauseView], name: str, part: str) -> None:
    assert part in told[name].reason


def test_values_that_json_cannot_say_become_text(told: dict[str, ClauseView]) -> None:
    assert told["nan"].measured == "nan"
    assert told["nan"].details == {"worst": "-inf"}
    assert told["infinite"].measured == "inf"
    assert told["array"].measured == 0.25
    assert told["array"].details["a"][:2] == [1.0, "nan"]
    assert told["array"].details["a"][2].startswith("about 2**13")
    assert "5" in told["array"].details


def test_giants_and_cycles_are_cut_and_say_so(told: dict[str, ClauseView]) -> None:
    assert (
        "10130000 bytes" in told["huge"].details["left_out"] or "left_out" in told["huge"].details
    )
    assert len(told["huge"].reason) == 2000
    assert "41943040 bytes" in told["huge_files"].details["files_left_out"]
    assert told["huge_files"].files == []
    assert "(left out)" in json.dumps(told["deep"].details)


def test_a_stack_and_the_last_words_are_kept(told: dict[str, ClauseView]) -> None:
    assert told["raises"].details["stack"][-1] == "contracts/bindings/odd.py:64 raises"
    assert told["hangs"].details["stack"] == ["contracts/bindings/odd.py:23 hangs"]
    assert told["killed"].details["stderr"][-1] == "last words"


def test_a_hanging_child_does_not_outlive_the_run(told: dict[str, ClauseView]) -> None:
    assert gone(told["child_hangs"].details["child"])


def test_peak_memory_is_that_of_the_clause(mini: MiniPack, tmp_path: Path) -> None:
    """A clause that runs after a giant, in the same process, does not inherit its peak."""
    mini.write("contracts/bindings/odd.py", ODD)
    giant = clause(1, check="odd.huge_files", budget={"seconds": 60})
    mini.clauses = [giant, clause(2)]
    first, second = run_pack(mini.save(), tmp_path, falsify=False).report.clauses
    assert first.peak_mb > second.peak_mb + 30

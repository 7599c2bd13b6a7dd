"""The worker that checks of gates share: one, with one thread, and each question once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from verify.outcome import Outcome, Reason
from verify.release import checks
from verify.run.results import Verdict
from verify.spec.model import Budget


class Stub:
    """In the worker's place: what it was made with, what it was asked, whether it was left."""

    made: list[Any]

    def __init__(self, root: Path, *, threads: int) -> None:
        self.about, self.asked, self.gone = (root, threads), list[Any](), 0
        Stub.made.append(self)

    def run(self, task: Any) -> Verdict:
        self.asked.append(task)
        return Verdict(Outcome.PASS, f"answer {len(self.asked)}")

    def dispose(self) -> None:
        self.gone += 1


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Any:
    Stub.made = []
    monkeypatch.setattr(checks, "Worker", Stub)
    monkeypatch.setattr(checks, "lone_task", lambda *given: given)
    known = {("check", "a.b"): "binding of a.b"}
    find = SimpleNamespace(find=lambda kind, name: known.get((kind, name)))
    return SimpleNamespace(root=Path("/there"), bindings=find)


def test_a_question_is_asked_once_whatever_the_order_of_its_parameters(loaded: Any) -> None:
    budget, records = Budget(), Path("records")
    with checks.checks(loaded, records) as run:
        first = run("one", "a.b", {"n": 1, "m": 2}, budget)
        assert run("two", "a.b", {"m": 2, "n": 1}, budget) is first
        assert run("one", "a.b", {"n": 1, "m": 3}, budget).reason == "answer 2"
        (worker,) = Stub.made
        assert worker.gone == 0
    assert (worker.about, worker.gone) == ((Path("/there"), 1), 1)
    assert worker.asked == [
        (loaded, "one", "binding of a.b", {"n": 1, "m": m}, budget, records) for m in (2, 3)
    ]


def test_a_check_that_the_pack_has_not_is_unknown_and_asks_nobody(loaded: Any) -> None:
    with checks.checks(loaded, Path()) as run:
        found = run("one", "a.c", {}, Budget())
    assert found == Verdict(
        Outcome.UNKNOWN, "the pack registers no check a.c", Reason.EVIDENCE_MISSING
    )
    assert Stub.made[0].asked == []

"""A run as a whole: falsifiers, waivers, what counts as complete, interrupts, exit codes."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

from verify.outcome import Outcome, Reason
from verify.report.model import ExitCode
from verify.run.engine import (
    ClauseFinished,
    FalsifierFinished,
    FalsifiersPlanned,
    Options,
    RunFinished,
)
from verify.run.profiles import PROFILES

from .conftest import Finished, MiniPack, clause, run_pack

ANSWERS = """
    from contextlib import contextmanager, nullcontext
    from verify.api import check, mutant

    @check("say.fail")
    def fail(ctx):
        return ctx.decide(False, "it is wrong")

    @check("say.unknown")
    def unknown(ctx):
        return ctx.missing("no weights; remedy: fetch them")

    @check("say.error")
    def error(ctx):
        raise RuntimeError("broken")

    @check("say.pass")
    def good(ctx):
        return ctx.decide(True, "always")

    @mutant("say.breaks")
    @contextmanager
    def breaks(subject):
        raise RuntimeError("the mutant itself is broken")
        yield

    @mutant("say.harmless")
    def harmless(subject):
        return nullcontext()
"""


@pytest.fixture
def saying(mini: MiniPack) -> MiniPack:
    """The mini pack with checks of a fixed answer."""
    mini.write("contracts/bindings/say.py", ANSWERS)
    return mini


def finish(
    pack: MiniPack, tmp_path: Path, *checks: str | dict[str, Any], **options: Any
) -> Finished:
    """Run clauses of these checks; a dict gives more of a clause."""
    pack.clauses = []
    for number, item in enumerate(checks, start=1):
        changes = {"check": f"say.{item}"} if isinstance(item, str) else item
        pack.clauses.append(clause(number, **changes))
    return run_pack(pack.save(), tmp_path, **options)


def outcomes(finished: Finished) -> list[Outcome]:
    return [c.outcome for c in finished.report.clauses]


SOUND: dict[str, Any] = {}


def test_a_sound_pack_is_go(saying: MiniPack, tmp_path: Path) -> None:
    finished = finish(saying, tmp_path, SOUND, SOUND)
    assert finished.report.verdict.line == (
        "GO: 2/2 evaluated, 0 failed, 0 unknown, falsifiers 2/2"
    )
    assert finished.report.verdict.exit_code == ExitCode.GO


def test_a_check_that_cannot_fail_is_caught_by_its_falsifier(
    saying: MiniPack, tmp_path: Path
) -> None:
    finished = finish(saying, tmp_path, "pass")
    assert outcomes(finished) == [Outcome.PASS]
    assert finished.report.verdict.exit_code == ExitCode.FAILED
    assert finished.report.verdict.word == "NO-GO"
    (survivor,) = finished.report.survivors
    assert (survivor.clause, survivor.outcome) == ("THING-001", Outcome.PASS)


@pytest.mark.parametrize("mutant", ["say.breaks", "say.harmless"])
def test_a_mutant_that_crashes_or_does_nothing_has_not_killed(
    saying: MiniPack, tmp_path: Path, mutant: str
) -> None:
    """An exception under a mutant says nothing about the clause: only a fail is a kill."""
    finished = finish(saying, tmp_path, {"falsifiers": [mutant]})
    assert len(finished.report.survivors) == 1
    assert finished.report.verdict.exit_code == ExitCode.FAILED


def test_a_mutant_gets_its_arguments(saying: MiniPack, tmp_path: Path) -> None:
    mutants = [{"thing.two_for_one": {"by": by}} for by in (0.1, 0.6, -3)]
    finished = finish(saying, tmp_path, {"falsifiers": mutants})
    killed = {run.label: run.killed for run in finished.report.falsifiers}
    assert killed == {
        "thing.two_for_one(by=0.1)": False,
        "thing.two_for_one(by=0.6)": True,
        "thing.two_for_one(by=-3)": True,
    }


def test_falsifiers_are_due_for_passing_clauses_only(saying: MiniPack, tmp_path: Path) -> None:
    finished = finish(saying, tmp_path, "fail", "unknown", "error", SOUND)
    assert [run.clause for run in finished.report.falsifiers] == ["THING-004"]
    (planned,) = [e for e in finished.events if isinstance(e, FalsifiersPlanned)]
    assert planned.count == 1


def test_without_falsifiers_a_run_is_incomplete(saying: MiniPack, tmp_path: Path) -> None:
    finished = finish(saying, tmp_path, SOUND, falsify=False)
    assert outcomes(finished) == [Outcome.PASS]
    assert finished.report.verdict.exit_code == ExitCode.INCOMPLETE
    assert finished.report.verdict.line.endswith("falsifiers 0/1")


@pytest.mark.parametrize(
    ("checks", "code"),
    [
        (["fail", "unknown", "error"], ExitCode.FAILED),  # 1 outweighs 3
        (["unknown"], ExitCode.INCOMPLETE),
        (["error"], ExitCode.INCOMPLETE),
        ([SOUND, "unknown"], ExitCode.INCOMPLETE),
        ([SOUND, {"check": "say.unknown", "required": False}], ExitCode.GO),
        ([SOUND, {"check": "say.error", "required": False}], ExitCode.INCOMPLETE),
        ([{"check": "say.unknown", "required": False}], ExitCode.INCOMPLETE),  # nothing evaluated
        ([SOUND, {"check": "say.fail", "required": False}], ExitCode.FAILED),
    ],
)
def test_exit_codes_and_their_precedence(
    saying: MiniPack, tmp_path: Path, checks: list[Any], code: ExitCode
) -> None:
    assert finish(saying, tmp_path, *checks).report.verdict.exit_code == code


def waive(pack: MiniPack, expires: str) -> None:
    waiver = {"clause": "THING-001", "owner": "somebody", "reason": "known", "expires": expires}
    pack.data("contracts/waivers.yaml", {"schema": "verify/waivers/1", "waivers": [waiver]})


def test_a_waived_failure_is_shown_as_such_and_does_not_fail_the_run(
    saying: MiniPack, tmp_path: Path
) -> None:
    waive(saying, "2026-06-30")
    finished = finish(
        saying, tmp_path, "fail", SOUND, began=datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC)
    )
    waived = finished.report.clauses[0]
    assert (waived.outcome, waived.cause) == (Outcome.WAIVED, Reason.WAIVER)
    assert waived.reason == "waived by somebody until 2026-06-30: known (was: it is wrong)"
    assert "1 waived" in finished.report.verdict.line
    assert finished.report.verdict.exit_code == ExitCode.GO


def test_an_expired_waiver_waives_nothing(saying: MiniPack, tmp_path: Path) -> None:
    waive(saying, "2026-06-30")
    finished = finish(saying, tmp_path, "fail", SOUND, began=datetime(2026, 7, 1, tzinfo=UTC))
    failed = finished.report.clauses[0]
    assert failed.outcome is Outcome.FAIL
    assert failed.reason == "it is wrong (its waiver by somebody expired 2026-06-30)"


@pytest.mark.parametrize("check", ["unknown", "error"])
def test_a_waiver_does_not_turn_missing_evidence_into_anything(
    saying: MiniPack, tmp_path: Path, check: str
) -> None:
    waive(saying, "2999-01-01")
    assert outcomes(finish(saying, tmp_path, check, SOUND))[0] is not Outcome.WAIVED


def test_a_capability_the_subject_lacks_is_unknown_not_passed(
    saying: MiniPack, tmp_path: Path
) -> None:
    saying.write(
        "contracts/bindings/poor.py",
        """
        from types import SimpleNamespace
        from verify.api import subject

        @subject("poor")
        def poor():
            return SimpleNamespace(name="poor", capabilities=frozenset())
        """,
    )
    finished = finish(saying, tmp_path, SOUND, subject="poor")
    (found,) = finished.report.clauses
    assert (found.outcome, found.cause) == (Outcome.UNKNOWN, Reason.CAPABILITY_MISSING)
    assert found.reason == "subject poor lacks one"
    assert finished.report.verdict.exit_code == ExitCode.INCOMPLETE


def test_a_mutant_that_leaks_does_not_reach_the_evidence(saying: MiniPack, tmp_path: Path) -> None:
    """Mutants run in other processes than checks, after all of them."""
    saying.edit("contracts/bindings/thing.py", 'subject.values["one"] -= by', "pass")
    finished = finish(saying, tmp_path, *[SOUND] * 4)
    assert outcomes(finished) == [Outcome.PASS] * 4
    kinds = [type(event) for event in finished.events]
    assert kinds.index(FalsifierFinished) > max(
        number for number, kind in enumerate(kinds) if kind is ClauseFinished
    )


def test_profile_seed_and_parameters_reach_the_check(saying: MiniPack, tmp_path: Path) -> None:
    saying.write(
        "contracts/bindings/tell.py",
        """
        from verify.api import check

        @check("tell.all")
        def tell(ctx):
            found = {"seed": ctx.seed, "examples": ctx.examples, "params": dict(ctx.params),
                     "tolerance": ctx.tolerance, "shrink": ctx.shrink,
                     "facts": dict(ctx.facts), "specs": ctx.specs_dir.name}
            return ctx.decide(True, "told", details=found)
        """,
    )
    told = finish(
        saying, tmp_path, {"check": "tell.all", "params": {"a": [1, 2.5]}}, seed=7, profile="quick"
    )
    assert told.report.clauses[0].details == {
        "seed": 7, "examples": 20, "params": {"a": [1, 2.5]}, "tolerance": 0.5,
        "shrink": False, "facts": {"book:thing.one": 1.0}, "specs": "specs",
    }  # fmt: skip
    assert told.report.verdict.falsifiers_killed == 0, "nothing told the check that it was tried"


# -- interrupts -----------------------------------------------------------------------------------


def test_a_stopped_run_accounts_for_every_clause(saying: MiniPack, tmp_path: Path) -> None:
    finished = finish(saying, tmp_path, *[SOUND] * 5, stop_after=3)
    found = finished.report.clauses
    assert [c.outcome for c in found].count(Outcome.PASS) == 2
    undone = [c for c in found if c.outcome is Outcome.UNKNOWN]
    assert [c.cause for c in undone] == [Reason.INTERRUPTED] * 3
    assert finished.report.about["interrupted"] is True
    assert finished.report.verdict.exit_code == ExitCode.INCOMPLETE


def test_a_run_stopped_among_its_falsifiers_supports_no_claim(
    saying: MiniPack, tmp_path: Path
) -> None:
    finished = finish(saying, tmp_path, *[SOUND] * 3, stop_after=6)
    assert outcomes(finished) == [Outcome.PASS] * 3
    assert 0 < len(finished.report.falsifiers) < 3
    assert finished.report.verdict.exit_code == ExitCode.INCOMPLETE
    assert {c.scope for c in finished.claims.values()} == {"denied"}


def test_events_tell_the_whole_story_in_order(saying: MiniPack, tmp_path: Path) -> None:
    events = finish(saying, tmp_path, SOUND, "fail").events
    assert [type(event).__name__ for event in events] == [
        "RunStarted", "ClauseFinished", "ClauseFinished", "FalsifiersPlanned",
        "FalsifierFinished", "RunFinished",
    ]  # fmt: skip
    assert isinstance(events[-1], RunFinished)


def test_a_profile_is_so_many_examples_of_a_law() -> None:
    assert PROFILES == {"quick": 20, "default": 50, "nightly": 2000}


@pytest.mark.parametrize("name", ["run", "audit", "replay", "mutate"])
def test_a_run_without_options_is_that_of_the_commands_without_options(name: str) -> None:
    """Evidence names seed and profile: what is not said means the same from either side."""
    command = import_module(f"verify.commands.runs.{name}_").command
    stated = {one.name: one.get_default(click.Context(command)) for one in command.params}
    options = Options("thing")
    assert (stated["seed"], stated["profile"]) == (options.seed, options.profile) == (0, "default")
    if name in ("run", "audit"):
        assert options.falsify is not bool(stated["no_falsify"])
        assert options.falsify
    assert (options.foreign, options.detection) == (None, None)
    assert (options.jobs, options.evidence_dir) == (2, Path("reports/evaluations"))


def test_profiles_are_numbers_of_examples() -> None:
    assert PROFILES == {"quick": 20, "default": 50, "nightly": 2000}

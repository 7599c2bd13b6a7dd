"""Laws of the score: nothing is averaged away, nothing leaves the denominator unseen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.outcome import Outcome
from verify.report.console import summary
from verify.report.model import ClauseView, FalsifierView
from verify.report.scoring import proven
from verify.score import DEFAULT_WEIGHT, OVERALL, Scored, points_of, score
from verify.spec.model import Clause, Contract, Severity

from .conftest import Finished, MiniPack, Result, clause, run_pack

Cli = Callable[..., Result]
LAWS = settings(max_examples=200)

clauses = st.lists(
    st.builds(
        Scored,
        clause=st.just("X-1"),
        contract=st.sampled_from(["A", "B"]),
        weight=st.integers(1, 1000),
        severity=st.sampled_from(list(Severity)),
        outcome=st.sampled_from(list(Outcome)),
        proven=st.booleans(),
        survivors=st.sampled_from([(), ("mutant",)]),
    ),
    max_size=12,
).map(lambda found: [replace(one, clause=f"{one.contract}-{n}") for n, one in enumerate(found)])
BAD = [outcome for outcome in Outcome if outcome is not Outcome.PASS]


def earned(found: list[Scored]) -> int:
    return score(found).overall.earned


@given(clauses, st.data())
@LAWS
def test_a_clause_that_comes_to_pass_never_lowers_the_score(
    found: list[Scored], data: st.DataObject
) -> None:
    for at, one in enumerate(found):
        better = list(found)
        better[at] = replace(one, outcome=Outcome.PASS, proven=True, survivors=())
        before, after = score(found).overall, score(better).overall
        assert after.earned >= before.earned
        assert set(after.blocked_by) <= set(before.blocked_by)
        if one.outcome is not Outcome.NOT_APPLICABLE:
            assert after.earned * max(before.possible, 1) >= before.earned * max(after.possible, 1)


@given(clauses, st.sampled_from(BAD))
@LAWS
def test_a_clause_that_ceases_to_pass_never_raises_the_score(
    found: list[Scored], bad: Outcome
) -> None:
    for at, one in enumerate(found):
        worse = list(found)
        worse[at] = replace(one, outcome=bad)
        assert earned(worse) <= earned(found)


@given(clauses)
@LAWS
def test_all_points_are_earned_only_where_everything_passed(found: list[Scored]) -> None:
    applicable = [one for one in found if one.outcome is not Outcome.NOT_APPLICABLE]
    for points in (score(found).overall, *score(found).contracts):
        mine = [one for one in applicable if points.name in (OVERALL, one.contract)]
        assert (points.earned == points.possible) == all(one.earns for one in mine)


@given(clauses)
@LAWS
def test_it_is_blocked_exactly_by_failing_blockers(found: list[Scored]) -> None:
    failing = [
        one.clause
        for one in found
        if one.severity is Severity.BLOCKER
        and (one.outcome is Outcome.FAIL or (one.outcome is Outcome.PASS and one.survivors))
    ]
    whole = score(found)
    assert whole.overall.blocked_by == failing
    assert whole.overall.line.startswith("blocked by ") == bool(failing)
    for points in whole.contracts:
        assert points.blocked_by == [name for name in failing if name.startswith(points.name)]


@given(clauses, st.data())
@LAWS
def test_the_denominator_depends_on_no_outcome_but_not_applicable(
    found: list[Scored], data: st.DataObject
) -> None:
    others = [outcome for outcome in Outcome if outcome is not Outcome.NOT_APPLICABLE]
    changed = [
        one
        if one.outcome is Outcome.NOT_APPLICABLE
        else replace(one, outcome=data.draw(st.sampled_from(others)), proven=False)
        for one in found
    ]
    before, after = score(found).overall, score(changed).overall
    assert before.possible == after.possible
    assert before.not_applicable == after.not_applicable
    assert before.possible == sum(
        one.weight for one in found if one.outcome is not Outcome.NOT_APPLICABLE
    )


@given(clauses)
@LAWS
def test_overall_is_the_sum_of_its_contracts_and_the_breakdown_adds_up(found: list[Scored]) -> None:
    whole = score(found)
    for name in ("earned", "possible"):
        of_contracts = sum(getattr(points, name) for points in whole.contracts)
        of_clauses = sum(getattr(entry, name) for entry in whole.entries)
        assert getattr(whole.overall, name) == of_contracts == of_clauses
    assert len(whole.entries) == len(found)


@given(clauses)
@LAWS
def test_the_steps_bring_exactly_what_is_missing_heaviest_first(found: list[Scored]) -> None:
    whole = score(found)
    missing = whole.overall.possible - whole.overall.earned
    assert sum(step.points for step in whole.steps) == missing
    order = [(not step.blocks, -step.points) for step in whole.steps]
    assert order == sorted(order), "what blocks comes first: no points help before it is mended"


@given(clauses)
@LAWS
def test_the_line_never_lacks_its_denominator_and_names_all_that_earned_nothing(
    found: list[Scored],
) -> None:
    line = score(found).overall.line
    points = score(found).overall
    assert re.search(rf"(^|: ){points.earned}/{points.possible} points", line)
    told = line.partition("points")[2].rpartition("not earned")[0]
    counted = sum(int(number) for number in re.findall(r"(\d+) [a-z]", told))
    open_ = [c for c in found if not c.earns and c.outcome is not Outcome.NOT_APPLICABLE]
    assert counted == len(open_)


def test_the_line_reads_as_it_is_meant_to() -> None:
    passed = Scored("A-1", "A", 12, Severity.MAJOR, Outcome.PASS)
    unknown = Scored("A-2", "A", 5, Severity.BLOCKER, Outcome.UNKNOWN)
    failed = Scored("B-1", "B", 5, Severity.BLOCKER, Outcome.FAIL)
    absent = Scored("B-2", "B", 7, Severity.MINOR, Outcome.NOT_APPLICABLE)
    assert score([passed, unknown]).overall.line == "12/17 points, 1 unknown not earned"
    assert score([passed, failed, absent]).overall.line == (
        "blocked by B-1: 12/17 points, 1 failed not earned, 1 not applicable"
    )
    assert score([passed], whole=False).overall.line == "12/12 points, of a part of the pack"
    assert score([absent]).overall.line == "0/0 points, 1 not applicable"
    assert score([]).overall.line == "0/0 points"


def test_a_waived_clause_earns_nothing_and_blocks_nothing() -> None:
    waived = score([Scored("A-1", "A", 5, Severity.BLOCKER, Outcome.WAIVED)]).overall
    assert (waived.earned, waived.possible, waived.blocked_by) == (0, 5, [])


# -- weights --------------------------------------------------------------------------------------


def test_a_clause_without_weight_has_that_of_its_severity_times_its_contracts(
    mini: MiniPack,
) -> None:
    mini.clauses = [clause(n, severity=s) for n, s in enumerate(("blocker", "major", "minor"), 1)]
    mini.clauses.append(clause(4, severity="minor", weight=9))
    (contract,) = mini.save().load().pack.contracts
    expected = [*DEFAULT_WEIGHT.values(), 9]
    assert [points_of(contract, one) for one in contract.clauses] == expected
    tripled = contract.model_copy(update={"weight": 3})
    assert [points_of(tripled, one) for one in contract.clauses] == [3 * n for n in expected]
    assert list(DEFAULT_WEIGHT.values()) == sorted(DEFAULT_WEIGHT.values(), reverse=True)


@pytest.mark.parametrize("weight", [0, -1, 101, 2.5, "5", True])
def test_a_weight_is_a_bounded_positive_number(mini: MiniPack, weight: Any) -> None:
    mini.clauses = [clause(1, weight=weight)]
    (problem,) = mini.save().problems()
    assert problem.path == "clauses[0].weight"


@pytest.mark.parametrize("weight", [0, 11, 1.5])
def test_a_contracts_weight_is_bounded_too(mini: MiniPack, weight: Any) -> None:
    mini.edit("contracts/thing.yaml", "title: A thing\n", f"title: A thing\nweight: {weight}\n")
    (problem,) = mini.problems()
    assert problem.path == "weight"


def test_weights_are_of_the_models_alone() -> None:
    """A default elsewhere could come to differ from the one place it is stated in."""
    assert Clause.model_fields["weight"].default is None
    assert Contract.model_fields["weight"].default == 1


# -- in a report ----------------------------------------------------------------------------------


def test_a_report_holds_score_breakdown_and_steps(sealed: Finished) -> None:
    """Six majors and a minor: one pass, one fail, one unknown, an error, a survivor, a waiver."""
    whole = sealed.report.score
    assert whole.overall.line == (
        "3/16 points, 1 failed, 1 with a falsifier survived, 1 errors, 1 unknown, 1 waived "
        "not earned"
    )
    assert [(e.clause, e.outcome, e.earned, e.possible) for e in whole.entries] == [
        ("THING-001", "pass", 3, 3), ("THING-002", "fail", 0, 3), ("THING-003", "unknown", 0, 3),
        ("THING-004", "error", 0, 1), ("THING-005", "survived", 0, 3),
        ("THING-006", "waived", 0, 3),
    ]  # fmt: skip
    steps = {step.clause: step.command for step in whole.steps}
    assert steps["THING-002"] == "verify run THING-002"
    assert steps["THING-005"] == "verify replay THING-005 --mutant 'thing.two_for_one(by=0.1)'"
    assert list(steps)[-1] == "THING-004", "the lightest last"


def test_every_rendering_shows_the_score_with_its_denominator(sealed: Finished) -> None:
    line = sealed.report.score.overall.line
    texts = {name: (sealed.bundle / name).read_text(encoding="utf-8")
             for name in ("report.md", "report.html", "report.json")}  # fmt: skip
    assert all(line in text for text in texts.values())
    assert f"score {line}\n" in summary(sealed.report, bundle="reports/x")
    assert "| THING | 3/16 |" in texts["report.md"]
    assert (
        "1. THING-002 fail: +3 points, `verify run THING-002`: Count again." in texts["report.md"]
    )
    assert json.loads(texts["report.json"])["score"]["overall"]["possible"] == 16


def test_passes_without_their_falsifiers_earn_nothing(mini: MiniPack, tmp_path: Path) -> None:
    report = run_pack(mini, tmp_path / "reports", falsify=False).report
    assert report.score.overall.line == "0/3 points, 1 without its falsifiers run not earned"


def test_a_contract_of_which_a_part_was_run_says_so(mini: MiniPack, tmp_path: Path) -> None:
    """`3/3 points` of a contract with two clauses would have the wrong denominator."""
    mini.clauses.append(clause(2))
    report = run_pack(mini.save(), tmp_path / "reports", only=["THING-001"]).report
    points = report.score.of("THING")
    assert points is not None
    assert points.line == "3/3 points, of a part of the pack"


def test_a_falsifier_that_did_not_run_is_not_made_up_for_by_one_of_a_like_name() -> None:
    """Labels hold brackets of their own: the lists that they set."""
    labels = ["loss.temperatures(values=[0.1])", "loss.temperatures(values=[0.2])"]
    view = ClauseView.model_construct(falsifiers=labels)

    def runs(*names: str) -> list[FalsifierView]:
        return [FalsifierView.model_construct(label=name, killed=True) for name in names]

    about = {"falsify": True}
    assert proven(view, runs(*labels), about)
    assert not proven(view, runs(labels[0]), about)
    assert proven(view, runs(*(f"{label}[B2]" for label in labels)), about), "one a column"


def test_a_failing_blocker_blocks_a_score_that_is_nearly_whole(
    mini: MiniPack, tmp_path: Path, cli: Cli
) -> None:
    mini.clauses = [clause(n, weight=100) for n in range(1, 6)]
    mini.clauses.append(
        clause(6, severity="blocker", weight=1, check="thing.wrong", statement="It is two.")
    )
    mini.write(
        "contracts/bindings/wrong.py",
        """
        from verify.api import check

        @check("thing.wrong")
        def wrong(ctx):
            return ctx.judge(1.0, "it is one")
        """,
    )
    found = run_pack(mini.save(), tmp_path / "reports")
    assert found.report.score.overall.line.startswith("blocked by THING-006: 500/501 points")
    assert "500/501 blocked" in summary(found.report, bundle=None)
    result = cli("score", "--reports", tmp_path / "reports")
    assert result.code == 1
    assert "THING-006 fail 0/1" in result.out
    assert result.out.splitlines()[-1].startswith("overall: blocked by THING-006: 500/501 points")


# -- verify score ---------------------------------------------------------------------------------


def test_the_command_needs_nothing_but_the_bundle(sealed: Finished, cli: Cli) -> None:
    result = cli("score", sealed.bundle)
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0] == f"bundle {sealed.bundle.name}"
    assert lines[1] == f"THING: {sealed.report.score.overall.line}"
    assert "  THING-003 unknown 0/3" in lines
    assert not any("THING-001" in line for line in lines)
    assert lines[-1] == f"overall: {sealed.report.score.overall.line}"
    assert "  THING-001 pass 3/3" in cli("score", sealed.bundle, "--all").out.splitlines()


def test_one_contract_alone_and_one_that_is_not_there(sealed: Finished, cli: Cli) -> None:
    reports = ("--reports", sealed.bundle.parent)
    assert cli("score", "THING", *reports).out == cli("score", sealed.bundle, "THING").out
    assert "overall" not in cli("score", "THING", *reports).out
    missing = cli("score", "OTHER", *reports)
    assert (missing.code, "expected one of THING" in missing.err) == (3, True)


def test_no_bundle_and_a_damaged_one(sealed: Finished, cli: Cli, tmp_path: Path) -> None:
    import shutil

    assert cli("score").code == 3
    broken = tmp_path / "broken"
    shutil.copytree(sealed.bundle, broken)
    report = broken / "report.json"
    report.write_text(
        report.read_text(encoding="utf-8").replace('"earned": 3', '"earned": 9'), encoding="utf-8"
    )
    assert cli("score", broken).code == 4
    assert cli("score", "a", "b", "c").code == 2

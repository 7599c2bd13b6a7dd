"""All that a verdict says of a claim, in full: tier, axis, reasons in their order, what caps it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from verify.outcome import Axis, Outcome
from verify.run.results import Verdict
from verify.scope import Form, Scope, Tier
from verify.spec.model import Conflict
from verify.spec.outline import Outline

from .signing import backed
from .situations import about, claim, clause, decision, metric, said, verdict

FIGURE = metric(3, Axis.PAPER_EVAL)
BARE = "it names no record that it comes from, so nothing signed bears it out"
UNBORNE = f"THING-003 is measured on paper-eval and counts as proxy: {BARE}"
NONE_PASSES = (Outcome.UNKNOWN, Outcome.ERROR, Outcome.TIMEOUT, Outcome.NOT_APPLICABLE)


def unsigned(outcome: Outcome, axis: Axis, **known: Any) -> Verdict:
    return replace(verdict(outcome, axis, **known), backing=())


# -- numbers that are not there -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("needs", "text"),
    [
        ({}, None),
        ({"axis": "smoke"}, "no number of THING-003 on smoke"),
        ({"axis": "paper-eval"}, "no number of THING-003 on paper-eval"),
        ({"floors": {"samples": 5000}}, "no number of THING-003: at least 5,000 samples"),
        (
            {"axis": "repo-eval", "floors": {"samples": 5000, "seeds": 3}},
            "no number of THING-003 on repo-eval: at least 5,000 samples, at least 3 seeds",
        ),
    ],
)
def test_a_number_that_nobody_judged_is_said_as_it_is_asked_for(
    needs: dict[str, Any], text: str | None
) -> None:
    short = () if text is None else (text,)
    denied = (Scope.DENIED, Tier.NONE, Form.STRICT)
    first = "THING-003 was not selected in this run"
    assert said(about(claim(**needs), [FIGURE], {})) == (*denied, None, (first, *short))
    for outcome in NONE_PASSES:
        on = verdict(outcome, Axis.PAPER_EVAL, samples=50_000, seeds=3)
        found = about(claim(**needs), [FIGURE], {"THING-003": on})
        first = f"THING-003 {outcome}: {outcome}, for a reason"
        assert said(found) == (*denied, Axis.PAPER_EVAL, (first, *short))


@pytest.mark.parametrize(
    ("outcome", "first"),
    [
        (Outcome.PASS, []),
        (Outcome.FAIL, ["THING-003 fail: fail, for a reason"]),
        (Outcome.WAIVED, []),
    ],
)
def test_a_number_that_was_judged_is_said_to_be_short_in_each_thing(
    outcome: Outcome, first: list[str]
) -> None:
    needs = {"axis": "paper-eval", "floors": {"samples": 5000, "seeds": 3}}
    last = ["THING-003 is waived, for a reason"] if outcome is Outcome.WAIVED else []
    on = verdict(outcome, Axis.REPO_EVAL, samples=4999)
    result = about(claim(**needs), [FIGURE], {"THING-003": on})
    where = "THING-003 is stated for paper-eval and measured on repo-eval, not on paper-eval"
    floors = ["THING-003: samples 4,999, at least 5,000 needed",
              "THING-003: seeds unknown, at least 3 needed"]  # fmt: skip
    assert result.reasons == (*first, where, *floors, *last)
    assert (result.scope, result.tier, result.axis) == (Scope.DENIED, Tier.NONE, Axis.REPO_EVAL)
    bare = about(claim(), [FIGURE], {"THING-003": verdict(outcome)})
    nowhere = "THING-003 is stated for paper-eval and measured on no axis, not on smoke"
    assert said(bare)[3:] == (None, (*first, nowhere, *last))


# -- numbers that nothing signed bears out --------------------------------------------------------


@pytest.mark.parametrize(
    ("axis", "also_fails", "expected"),
    [
        (None, False, (Scope.ALLOWED, Tier.C, ())),
        ("proxy", False, (Scope.ALLOWED, Tier.C, (UNBORNE,))),
        ("smoke", False, (Scope.ALLOWED, Tier.C, (UNBORNE,))),
        ("repo-eval", False, (Scope.DENIED, Tier.NONE, (UNBORNE,))),
        ("paper-eval", False, (Scope.DENIED, Tier.NONE, (UNBORNE,))),
        (None, True, (Scope.DENIED, Tier.NONE, ())),
        ("proxy", True, (Scope.DENIED, Tier.NONE, ())),
        ("paper-eval", True, (Scope.DENIED, Tier.NONE, (UNBORNE,))),
    ],
)
def test_an_unsigned_number_is_said_where_it_holds_a_claim_down(
    axis: str | None, also_fails: bool, expected: tuple[Scope, Tier, tuple[str, ...]]
) -> None:
    clauses = [clause(1), FIGURE]
    outcomes = {
        "THING-001": verdict(Outcome.FAIL if also_fails else Outcome.PASS),
        "THING-003": unsigned(Outcome.PASS, Axis.PAPER_EVAL),
    }
    scope, tier, reasons = expected
    fails = ("THING-001 fail: fail, for a reason",) if also_fails else ()
    result = about(claim(axis=axis), clauses, outcomes)
    assert said(result) == (scope, tier, Form.STRICT, Axis.PROXY, (*fails, *reasons))


@pytest.mark.parametrize("axis", [Axis.PAPER_EVAL, Axis.REPO_EVAL, Axis.PROXY, Axis.SMOKE])
@pytest.mark.parametrize("asked", [None, "smoke"])
def test_a_tier_follows_from_where_numbers_were_measured_if_an_axis_is_asked_for(
    asked: str | None, axis: Axis
) -> None:
    result = about(claim(axis=asked), [FIGURE], {"THING-003": verdict(Outcome.PASS, axis)})
    measured = {Axis.PAPER_EVAL: Tier.A, Axis.REPO_EVAL: Tier.B}.get(axis, Tier.C)
    tier = measured if asked else Tier.C
    assert said(result) == (Scope.ALLOWED, tier, Form.STRICT, axis, ())


def test_the_axis_of_a_claim_is_the_weakest_of_all_its_numbers_or_none() -> None:
    clauses = [metric(1, Axis.PROXY), metric(2, Axis.REPO_EVAL), clause(4)]
    outcomes = {
        "THING-001": verdict(Outcome.PASS, Axis.PROXY),
        "THING-002": verdict(Outcome.PASS, Axis.REPO_EVAL),
        "THING-004": verdict(Outcome.PASS),
    }
    result = about(claim(axis="proxy"), clauses, outcomes)
    assert said(result) == (Scope.ALLOWED, Tier.C, Form.STRICT, Axis.PROXY, ())
    del outcomes["THING-001"]
    assert about(claim(axis="proxy"), clauses, outcomes).axis is None


def test_a_record_that_is_signed_by_nobody_known_is_said_with_its_kind() -> None:
    altered = replace(backed("fid"), sha256="b" * 64)
    on = replace(verdict(Outcome.PASS, Axis.PAPER_EVAL), backing=(altered,))
    (reason,) = about(claim(axis="proxy"), [FIGURE], {"THING-003": on}).reasons
    assert reason == (
        "THING-003 is measured on paper-eval and counts as proxy: one.json: changed "
        "(another record than the one that was signed)"
    )


# -- decisions ------------------------------------------------------------------------------------


def conflict(at: int, *affects: str) -> Conflict:
    return Conflict(
        id=f"CONF-00{at}", topic="thing.one", kind="silence", between=("book", "talk"),
        decision=f"DEC-000{at}", affects=affects, summary="s",
    )  # fmt: skip


def test_a_claim_waits_for_what_it_names_what_affects_and_what_caps_it_in_order() -> None:
    """Not for those of other claims; a conflict that it names is said with its decision."""
    written = claim(decisions=["DEC-0004", "DEC-0002"], conflicts=["CONF-003", "CONF-009"])
    records = [
        decision("proposed", name="DEC-0006", caps=["CLAIM-OTHER", "CLAIM-THING"]),
        decision("deferred", name="DEC-0003", caps=["CLAIM-THING"]),
        decision("proposed", name="DEC-0007", caps=["CLAIM-OTHER"]),
        decision("proposed", name="DEC-0005"),
        decision("accepted", name="DEC-0004"),
    ]
    result = about(
        written, [clause(1)], {"THING-001": verdict(Outcome.PASS)}, *records,
        conflicts=(conflict(3, "CLAIM-THING"), conflict(5, "CLAIM-OTHER"),
                   conflict(1, "CLAIM-OTHER", "CLAIM-THING")),
    )  # fmt: skip
    assert result.reasons == (
        "the conflict CONF-009 is not in the pack",
        "DEC-0001 is missing",
        "DEC-0002 is missing",
        "DEC-0003 (T) is deferred, and CONF-003 rests on it",
        "DEC-0006 (T) is proposed",
    )


# -- what no evidence mends -----------------------------------------------------------------------

NO_NUMBER = "none of its clauses measures a number on proxy"
NO_METRIC = "it has floors, and no clause that measures anything"
NO_CLAUSE = "it rests on no clause"
ON_PROXY, WITH_FLOORS = {"axis": "proxy"}, {"floors": {"samples": 5000}}
NOTHING = {"clauses": ["FIELD-*"]}


@pytest.mark.parametrize(
    ("needs", "reasons"),
    [
        (ON_PROXY, (NO_NUMBER,)),
        (WITH_FLOORS, (NO_METRIC,)),
        (ON_PROXY | WITH_FLOORS, (NO_NUMBER, NO_METRIC)),
        (NOTHING | ON_PROXY | WITH_FLOORS, (NO_CLAUSE, NO_NUMBER, NO_METRIC)),
    ],
)
def test_a_form_whose_clauses_measure_nothing_cannot_ask_for_numbers(
    needs: dict[str, Any], reasons: tuple[str, ...]
) -> None:
    result = about(claim(**needs), [clause(1)], {"THING-001": verdict(Outcome.PASS)})
    assert said(result) == (Scope.DENIED, Tier.NONE, Form.STRICT, None, reasons)
    assert (result.unlock, result.capped) == (None, f"no evidence would help: {reasons[0]}")


@pytest.mark.parametrize("asked", [None, "paper", "reference"])
@pytest.mark.parametrize("given", [None, "paper", "reference"])
def test_semantics_differ_only_where_both_are_stated(asked: str | None, given: str | None) -> None:
    item = clause(1, semantics=given)
    wanted = claim().model_copy(update={"semantics": asked})
    result = about(wanted, [item], {"THING-001": verdict(Outcome.PASS)})
    differ = None not in (asked, given) and asked != given
    text = f"THING-001 is evidence about {given} semantics"
    assert result.reasons == ((text,) if differ else ())
    assert result.scope is (Scope.DENIED if differ else Scope.ALLOWED)
    assert result.semantics == asked


OUTLINE = Outline.model_validate_json(json.dumps({
    "schema": "verify/outline/1", "authority": "book", "title": "t", "known_from": "k",
    "items": [
        {"id": "a", "at": "p. 1", "title": "t", "facts": ["thing.one"]},
        {"id": "b", "at": "p. 2", "title": "t",
         "none": {"reason": "informational", "because": "it thanks"}},
    ],
}))  # fmt: skip
LINE = (
    "1 of 2 items of the book are held by a clause that was seen red, 0 of them by measurement; "
    "the others: 1 informational"
)


@pytest.mark.parametrize(
    ("coverage", "reasons"),
    [
        ({}, ()),
        ({"book": 0.5}, ()),
        ({"book": 0.51}, (f"{LINE}; at least 51% needed",)),
        ({"talk": 0.01}, ("there is no outline of talk",)),
        (
            {"talk": 0.5, "book": 1.0},
            ("there is no outline of talk", f"{LINE}; at least 100% needed"),
        ),
    ],
)
def test_a_share_of_a_source_is_asked_of_its_outline(
    coverage: dict[str, float], reasons: tuple[str, ...]
) -> None:
    result = about(claim(coverage=coverage), [clause(1)], {"THING-001": verdict(Outcome.PASS)},
                   outlines=(OUTLINE,))  # fmt: skip
    assert result.reasons == reasons
    assert result.scope is (Scope.DENIED if reasons else Scope.ALLOWED)
    assert result.unlock is None
    if reasons:
        assert result.capped == f"no evidence would help: {reasons[0]}"

"""The two forms of a claim: which is said, what the other adds, and what caps both."""

from __future__ import annotations

from typing import Any

import pytest

from verify.outcome import Axis, Outcome
from verify.scope import Form, Scope, Tier, WaiverNote
from verify.spec.model import Waiver

from .situations import about, claim, clause, metric, said, verdict, with_bounded

FIGURE = metric(3, Axis.PAPER_EVAL)
WAIVERS = tuple(
    Waiver(clause=f"THING-00{at}", owner="owner", reason="known", expires="2999-01-01")
    for at in range(1, 4)
)
TWO_FORMS = with_bounded(claim(axis="paper-eval", floors={"samples": 5000}), axis="repo-eval")
APART = with_bounded(
    claim(clauses=["THING-001", "THING-003"], axis="paper-eval"),
    clauses=["THING-002", "THING-003"], axis="repo-eval",
)  # fmt: skip
NOT_ON = "THING-003 is stated for paper-eval and measured on {}, not on {}".format


def test_a_denial_says_what_the_strict_form_lacks_and_what_the_other_lacks_besides() -> None:
    clauses = [clause(1), FIGURE]
    outcomes = {
        "THING-001": verdict(Outcome.FAIL),
        "THING-003": verdict(Outcome.PASS, Axis.PROXY, samples=10),
    }
    assert said(about(TWO_FORMS, clauses, outcomes)) == (
        Scope.DENIED, Tier.NONE, Form.STRICT, Axis.PROXY,
        (
            "THING-001 fail: fail, for a reason",
            NOT_ON("proxy", "paper-eval"),
            "THING-003: samples 10, at least 5,000 needed",
            f"bounded form: {NOT_ON('proxy', 'repo-eval')}",
        ),
    )  # fmt: skip


def test_a_bounded_form_that_is_said_names_its_conditions_and_what_the_strict_one_lacks() -> None:
    clauses = [clause(1), FIGURE]
    outcomes = {
        "THING-001": verdict(Outcome.WAIVED),
        "THING-003": verdict(Outcome.PASS, Axis.REPO_EVAL, samples=5000),
    }
    assert said(about(TWO_FORMS, clauses, outcomes)) == (
        Scope.CONDITIONAL, Tier.C, Form.BOUNDED, Axis.REPO_EVAL,
        (
            "THING-001 is waived, for a reason",
            f"strict form: {NOT_ON('repo-eval', 'paper-eval')}",
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("axis", "noted", "form"),
    [
        (Axis.PAPER_EVAL, ("THING-001",), Form.STRICT),
        (Axis.REPO_EVAL, ("THING-002",), Form.BOUNDED),
        (Axis.PROXY, ("THING-001", "THING-002"), Form.STRICT),
    ],
)
def test_waivers_are_noted_of_the_form_that_is_said_and_of_both_where_none_is(
    axis: Axis, noted: tuple[str, ...], form: Form
) -> None:
    clauses = [clause(1), clause(2), FIGURE]
    outcomes = {
        "THING-001": verdict(Outcome.WAIVED), "THING-002": verdict(Outcome.WAIVED),
        "THING-003": verdict(Outcome.PASS, axis),
    }  # fmt: skip
    result = about(APART, clauses, outcomes, waivers=WAIVERS)
    assert result.waivers == tuple(
        WaiverNote(name, "owner", "known", "2999-01-01") for name in noted
    )
    assert result.form is form


@pytest.mark.parametrize(
    ("strict", "bounded", "ceiling"),
    [
        ("paper-eval", "paper-eval", Tier.B), ("paper-eval", "repo-eval", Tier.B),
        ("paper-eval", "proxy", Tier.C), ("paper-eval", None, Tier.C),
        ("repo-eval", "paper-eval", Tier.C), ("proxy", "paper-eval", Tier.C),
        (None, "paper-eval", Tier.C),
    ],
)  # fmt: skip
def test_a_bounded_form_stays_below_what_the_strict_one_asks_for(
    strict: str | None, bounded: str | None, ceiling: Tier
) -> None:
    both = with_bounded(
        claim(clauses=["THING-001", "THING-003"], axis=strict),
        clauses=["THING-003"], axis=bounded,
    )  # fmt: skip
    outcomes = {"THING-003": verdict(Outcome.PASS, Axis.PAPER_EVAL)}
    result = about(both, [clause(1), FIGURE], outcomes)
    assert (result.form, result.tier) == (Form.BOUNDED, ceiling)
    assert (result.passed, result.needed) == (1, 1)


# -- why nothing raises it ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "stated", "capped"),
    [
        (claim(), Axis.PROXY, "it names no axis for a number, so it is at most tier C"),
        (claim(axis="proxy"), Axis.PROXY,
         "its numbers are stated for proxy, so it is at most tier C"),
        (claim(axis="proxy"), Axis.REPO_EVAL,
         "its numbers are stated for repo-eval, so it is at most tier B"),
        (claim(axis="proxy"), Axis.PAPER_EVAL,
         "its numbers are stated for paper-eval, so it is at most tier A"),
        (with_bounded(claim(axis="proxy", coverage={"talk": 1.0}), axis="proxy"), Axis.PROXY,
         "tier C is the most that its forms can carry"),
        (with_bounded(claim(axis="paper-eval", coverage={"talk": 1.0}), axis="repo-eval"),
         Axis.PAPER_EVAL, "tier B is the most that its forms can carry"),
        (with_bounded(claim(coverage={"talk": 1.0})), Axis.PROXY,
         "it names no axis for a number, so it is at most tier C"),
    ],
)  # fmt: skip
def test_a_claim_that_nothing_raises_says_what_caps_it(
    written: Any, stated: Axis, capped: str
) -> None:
    items, outcomes = [metric(3, stated)], {"THING-003": verdict(Outcome.PASS, stated)}
    result = about(written, items, outcomes)
    assert (result.scope, result.unlock, result.capped) == (Scope.ALLOWED, None, capped)


def test_all_axes_that_numbers_are_stated_for_are_said_once() -> None:
    axes = (Axis.REPO_EVAL, Axis.PROXY, Axis.PAPER_EVAL, Axis.REPO_EVAL)
    items = [metric(at, axis) for at, axis in enumerate(axes, 1)]
    outcomes = {item.id: verdict(Outcome.PASS, item.axis) for item in items}
    result = about(claim(axis="smoke"), items, outcomes)
    stated = "paper-eval, proxy, repo-eval"
    assert (result.scope, result.tier) == (Scope.ALLOWED, Tier.C)
    assert result.capped == f"its numbers are stated for {stated}, so it is at most tier C"


def test_what_no_evidence_mends_caps_a_denial_wherever_it_stands_among_its_reasons() -> None:
    written = claim(coverage={"talk": 1.0})
    result = about(written, [clause(1)], {"THING-001": verdict(Outcome.FAIL)})
    none = "there is no outline of talk"
    assert result.reasons == ("THING-001 fail: fail, for a reason", none)
    assert (result.unlock, result.capped) == (None, f"no evidence would help: {none}")


# -- which way up is named ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strict", "bounded", "named", "form"),
    [
        (["THING-001", "THING-002"], ["THING-001"], ["THING-001"], Form.BOUNDED),
        (["THING-001"], ["THING-001", "THING-002"], ["THING-001"], Form.STRICT),
        (["THING-002"], ["THING-001"], ["THING-002"], Form.STRICT),
    ],
    ids=["fewer for the bounded", "fewer for the strict", "as many"],
)
def test_of_ways_to_one_tier_the_shortest_is_named_and_of_these_the_better(
    strict: list[str], bounded: list[str], named: list[str], form: Form
) -> None:
    both = with_bounded(claim(clauses=strict), clauses=bounded)
    found = about(both, [clause(1), clause(2)], {}).unlock
    assert found is not None
    assert [leaf.name for leaf in found.leaves] == named
    assert (found.tier, found.scope, found.form) == (Tier.C, Scope.ALLOWED, form)


def test_a_claim_that_something_raises_is_not_said_to_be_capped() -> None:
    result = about(claim(axis="proxy"), [FIGURE], {"THING-003": verdict(Outcome.PASS, Axis.PROXY)})
    assert result.unlock is not None
    assert result.capped == ""

"""Forms, floors, conflicts and the way up: one case for each rule of the solver."""

from __future__ import annotations

from dataclasses import replace

import pytest

from verify.outcome import Axis, Outcome
from verify.run.results import Verdict
from verify.scope import ClaimVerdict, Floors, Form, Scope, Tier
from verify.scope.forms import questions
from verify.scope.unlock import unlock
from verify.spec.model import Claim, Conflict, Pack, Waiver

from .situations import (
    about,
    claim,
    clause,
    commands,
    decision,
    evidence,
    metric,
    only,
    pack_of,
    verdict,
    ways,
    with_bounded,
)

FIGURE = (clause(1), metric(3, Axis.PAPER_EVAL))
DIGEST = "a" * 64


def figure_claim() -> Claim:
    strict = claim(axis="paper-eval", floors={"samples": 50_000, "seeds": 3})
    return with_bounded(strict, axis="repo-eval", floors={"samples": 5000})


def with_number(axis: Axis, **known: int) -> dict[str, object]:
    return {
        "THING-001": verdict(Outcome.PASS),
        "THING-003": verdict(Outcome.PASS, axis, **known),
    }


@pytest.mark.parametrize(
    ("axis", "known", "tier", "form"),
    [
        (Axis.PAPER_EVAL, {"samples": 50_000, "seeds": 3}, Tier.A, Form.STRICT),
        (Axis.PAPER_EVAL, {"samples": 50_000}, Tier.B, Form.BOUNDED),
        (Axis.PAPER_EVAL, {"samples": 5000, "seeds": 3}, Tier.B, Form.BOUNDED),
        (Axis.REPO_EVAL, {"samples": 50_000, "seeds": 3}, Tier.B, Form.BOUNDED),
        (Axis.REPO_EVAL, {"samples": 4999, "seeds": 3}, Tier.NONE, Form.STRICT),
        (Axis.REPO_EVAL, {}, Tier.NONE, Form.STRICT),
        (Axis.PROXY, {"samples": 50_000, "seeds": 3}, Tier.NONE, Form.STRICT),
    ],
)
def test_the_best_form_that_its_number_supports_is_said_at_its_own_tier(
    axis: Axis, known: dict[str, int], tier: Tier, form: Form
) -> None:
    found = evidence(FIGURE, with_number(axis, **known))  # type: ignore[arg-type]
    result = only(pack_of(FIGURE, [figure_claim()]), found)
    assert (result.tier, result.form) == (tier, form)
    assert ("nearly right" in result.sentence) is (form is Form.BOUNDED)


def test_a_waiver_lowers_a_bounded_form_below_its_own_tier() -> None:
    outcomes = with_number(Axis.REPO_EVAL, samples=5000) | {"THING-001": verdict(Outcome.WAIVED)}
    found = evidence(FIGURE, outcomes)  # type: ignore[arg-type]
    result = only(pack_of(FIGURE, [figure_claim()]), found)
    assert (result.tier, result.scope, result.form) == (Tier.C, Scope.CONDITIONAL, Form.BOUNDED)
    assert ways(result) == [("waiver", "THING-001")]
    assert result.unlock is not None
    assert result.unlock.tier is Tier.B


def test_a_waiver_is_noted_with_owner_reason_and_last_day() -> None:
    outcomes = {"THING-001": verdict(Outcome.WAIVED)}
    waiver = Waiver(clause="THING-001", owner="owner", reason="known", expires="2999-01-01")
    pack = pack_of(FIGURE[:1], [claim()], waivers=(waiver,))
    (note,) = only(pack, evidence(FIGURE[:1], outcomes)).waivers
    assert (note.clause, note.owner, note.reason, note.expires) == (
        "THING-001", "owner", "known", "2999-01-01",
    )  # fmt: skip


def test_where_no_tier_is_above_lifting_the_waiver_is_the_way_up() -> None:
    outcomes = {"THING-001": verdict(Outcome.WAIVED)}
    result = only(pack_of(FIGURE[:1], [claim()]), evidence(FIGURE[:1], outcomes))
    assert (result.scope, result.tier) == (Scope.CONDITIONAL, Tier.C)
    assert ways(result) == [("waiver", "THING-001")]
    assert result.unlock is not None
    assert (result.unlock.scope, result.unlock.tier) == (Scope.ALLOWED, Tier.C)


def test_a_change_after_which_a_claim_stands_as_before_is_no_way_up() -> None:
    claims, found = [claim()], evidence(FIGURE[:1], {"THING-001": verdict(Outcome.FAIL)})
    pack = pack_of(FIGURE[:1], claims)
    now, asked = only(pack, found), questions(claims[0], pack)
    for after, is_one in ((replace(now, scope=Scope.ALLOWED, tier=Tier.C), True), (now, False)):
        raised = unlock(now, asked, pack, found, lambda pack, evidence, after=after: after)
        assert (raised is not None) is is_one


@pytest.mark.parametrize(
    ("measured", "tier", "above", "axis"),
    [
        (Axis.SMOKE, Tier.C, Tier.B, Axis.REPO_EVAL),
        (Axis.PROXY, Tier.C, Tier.B, Axis.REPO_EVAL),
        (Axis.REPO_EVAL, Tier.B, Tier.A, Axis.PAPER_EVAL),
    ],
)
def test_a_claim_is_raised_by_one_tier_and_not_by_two(
    measured: Axis, tier: Tier, above: Tier, axis: Axis
) -> None:
    clauses = (metric(3, Axis.PAPER_EVAL),)
    found = evidence(clauses, {"THING-003": verdict(Outcome.PASS, measured)})
    result = only(pack_of(clauses, [claim(axis="smoke")]), found)
    assert result.tier is tier
    assert result.unlock is not None
    assert result.unlock.tier is above
    (leaf,) = result.unlock.leaves
    assert (leaf.kind, leaf.name, leaf.axis) == ("evidence", "THING-003", axis)


def test_a_clause_that_is_stated_for_a_proxy_is_the_end_of_the_way() -> None:
    clauses = (metric(3, Axis.PROXY),)
    found = evidence(clauses, {"THING-003": verdict(Outcome.PASS, Axis.PAPER_EVAL)})
    result = only(pack_of(clauses, [claim(axis="proxy")]), found)
    assert (result.tier, result.unlock) == (Tier.C, None)
    assert result.capped == "its numbers are stated for proxy, so it is at most tier C"


def test_a_number_is_asked_for_with_its_floors_and_its_command() -> None:
    wanted = claim(
        axis="paper-eval", floors={"samples": 50_000, "extractor_sha256": DIGEST},
        produce="measure --count {samples} --extractor {extractor_sha256}",
    )  # fmt: skip
    result = only(pack_of(FIGURE, [wanted]), evidence(FIGURE, {"THING-001": verdict(Outcome.PASS)}))
    assert ways(result) == [("evidence", "THING-003")]
    assert commands(result) == [
        f"measure --count 50000 --extractor {DIGEST}; verify sign RECORD; verify run THING-003"
    ]
    assert result.unlock is not None
    (leaf,) = result.unlock.leaves
    assert leaf.floors.asked() == {"samples": 50_000, "extractor_sha256": DIGEST}
    assert "at least 50,000 samples, extractor sha256 aaaaaaaaaaaa..." in leaf.text


def conflicted(status: str, *, conflicts: tuple[Conflict, ...]) -> Pack:
    return pack_of(
        FIGURE[:1], [claim(conflicts=["CONF-001"])], decision(status), conflicts=conflicts
    )


CONFLICT = Conflict(
    id="CONF-001", topic="thing.one", kind="silence", between=("book", "talk"),
    decision="DEC-0001", summary="s",
)  # fmt: skip


@pytest.mark.parametrize("status", ["accepted", "deferred"])
def test_a_claim_that_names_a_conflict_waits_for_its_decision(status: str) -> None:
    pack = conflicted(status, conflicts=(CONFLICT,))
    result = only(pack, evidence(FIGURE[:1], {"THING-001": verdict(Outcome.PASS)}))
    if status == "accepted":
        assert result.scope is Scope.ALLOWED
    else:
        assert result.reasons == ("DEC-0001 (T) is deferred, and CONF-001 rests on it",)
        assert ways(result) == [("decision", "DEC-0001")]


def test_a_conflict_that_the_pack_does_not_have_cannot_be_settled() -> None:
    pack = conflicted("accepted", conflicts=())
    result = only(pack, evidence(FIGURE[:1], {"THING-001": verdict(Outcome.PASS)}))
    assert result.reasons == ("the conflict CONF-001 is not in the pack",)
    assert result.unlock is None
    assert "no evidence would help" in result.capped


def test_a_number_that_no_clause_is_stated_for_cannot_be_had() -> None:
    clauses = (metric(3, Axis.PROXY),)
    found = evidence(clauses, {"THING-003": verdict(Outcome.PASS, Axis.PAPER_EVAL)})
    result = only(pack_of(clauses, [claim(axis="repo-eval")]), found)
    text = "THING-003 is stated for proxy and measured on paper-eval, not on repo-eval"
    assert (result.reasons, result.unlock) == ((text,), None)
    assert result.capped == f"no evidence would help: {text}"


def test_a_leaf_that_only_the_other_form_needs_is_not_named() -> None:
    """The bounded form is nearer in tier and needs more: one leaf carries the strict one past."""
    clauses = (clause(1), clause(2), metric(3, Axis.PAPER_EVAL))
    strict = claim(clauses=["THING-001", "THING-003"], axis="paper-eval")
    pack = pack_of(clauses, [with_bounded(strict, axis="repo-eval")])
    found = evidence(clauses, {"THING-003": verdict(Outcome.PASS, Axis.PAPER_EVAL)})
    result = only(pack, found)
    assert ways(result) == [("clause", "THING-001")]
    assert result.unlock is not None
    assert (result.unlock.tier, result.unlock.form) == (Tier.A, Form.STRICT)


def test_several_leaves_are_all_named_and_decisions_once() -> None:
    wanted = claim(decisions=["DEC-0001"])
    clauses = (clause(1), clause(2))
    pack = pack_of(clauses, [wanted], decision("deferred", caps=["CLAIM-THING"]))
    found = evidence(clauses, {"THING-001": verdict(Outcome.PASS)}, survivors=["THING-001"])
    result = only(pack, found)
    assert ways(result) == [
        ("clause", "THING-002"), ("falsifier", "THING-001"), ("decision", "DEC-0001"),
    ]  # fmt: skip


def test_evidence_about_another_subject_has_to_be_had_again_for_ours() -> None:
    unnamed = claim().model_copy(update={"sentence": "Ours is right."})
    clauses = (clause(1),)
    other = evidence(clauses, {"THING-001": verdict(Outcome.PASS)}, subject="other")
    result = only(pack_of(clauses, [unnamed]), other)
    assert ways(result) == [("subject", "thing")]
    assert commands(result) == ["verify run claim:CLAIM-THING --subject thing"]


def test_commands_are_about_the_subject_that_the_evidence_is_about() -> None:
    clauses = (clause(1),)
    other = evidence(clauses, {"THING-001": verdict(Outcome.FAIL)}, subject="other")
    result = only(pack_of(clauses, [claim()]), other)
    assert commands(result) == ["verify run THING-001 --subject other"]
    assert result.subject == "other"


def test_a_tier_above_is_the_way_up_before_a_condition_that_falls() -> None:
    outcomes = {
        "THING-001": verdict(Outcome.WAIVED), "THING-003": verdict(Outcome.PASS, Axis.PROXY)
    }  # fmt: skip
    result = only(pack_of(FIGURE, [claim(axis="proxy")]), evidence(FIGURE, outcomes))
    assert (result.scope, result.tier) == (Scope.CONDITIONAL, Tier.C)
    assert result.unlock is not None
    assert result.unlock.tier is Tier.B


def test_a_form_that_names_an_axis_is_not_capped_for_naming_none() -> None:
    clauses = (metric(3, Axis.PROXY),)
    found = evidence(clauses, {"THING-003": verdict(Outcome.PASS, Axis.PROXY)})
    both = with_bounded(claim(axis="proxy"), axis=None)
    result = only(pack_of(clauses, [both]), found)
    assert (result.form, result.tier, result.unlock) == (Form.STRICT, Tier.C, None)
    assert result.capped == "its numbers are stated for proxy, so it is at most tier C"


# -- which sets are tried -------------------------------------------------------------------------


UNSIGNED = replace(verdict(Outcome.WAIVED, Axis.PAPER_EVAL), backing=())


def raised(result: ClaimVerdict) -> tuple[object, ...]:
    found = result.unlock
    assert found is not None
    return found.tier, found.scope, found.form, ways(result)


def test_a_waiver_is_kept_where_the_next_tier_is_reached_with_it() -> None:
    items = [clause(1), clause(2), metric(3, Axis.PAPER_EVAL)]
    outcomes = {
        "THING-001": verdict(Outcome.WAIVED), "THING-002": verdict(Outcome.FAIL),
        "THING-003": verdict(Outcome.PASS, Axis.PAPER_EVAL),
    }  # fmt: skip
    assert raised(about(claim(axis="paper-eval"), items, outcomes)) == (
        Tier.B, Scope.CONDITIONAL, Form.STRICT, [("clause", "THING-002")],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("number", "ways_up"),
    [
        (verdict(Outcome.WAIVED, Axis.PROXY), [("evidence", "THING-003")]),
        (UNSIGNED, [("signature", "THING-003")]),
        (verdict(Outcome.WAIVED, Axis.REPO_EVAL), [("waiver", "THING-003")]),
    ],
    ids=["measured anew", "signed", "stands"],
)
def test_a_waiver_goes_with_the_clause_that_is_measured_anew(
    number: Verdict, ways_up: list[tuple[str, str]]
) -> None:
    item = metric(3, Axis.REPO_EVAL)
    result = about(claim(axis="repo-eval"), [item], {"THING-003": number})
    assert ways(result) == ways_up


def test_of_two_waivers_the_one_whose_clause_is_measured_anew_is_no_step() -> None:
    items = [clause(1), metric(3, Axis.REPO_EVAL)]
    outcomes = {
        "THING-001": verdict(Outcome.WAIVED), "THING-003": verdict(Outcome.WAIVED, Axis.PROXY),
    }  # fmt: skip
    assert raised(about(claim(axis="proxy"), items, outcomes)) == (
        Tier.B, Scope.ALLOWED, Form.STRICT,
        [("waiver", "THING-001"), ("evidence", "THING-003")],
    )  # fmt: skip


def test_a_waiver_and_a_signature_of_one_clause_are_two_steps() -> None:
    both = with_bounded(claim(axis="repo-eval"), axis="smoke")
    result = about(both, [metric(3, Axis.REPO_EVAL)], {"THING-003": UNSIGNED})
    assert (result.scope, result.tier, result.form) == (Scope.CONDITIONAL, Tier.C, Form.BOUNDED)
    assert ways(result) == [("waiver", "THING-003"), ("signature", "THING-003")]
    assert result.unlock is not None
    assert (result.unlock.tier, result.unlock.form) == (Tier.B, Form.STRICT)


def test_a_form_that_no_evidence_carries_names_no_leaf_for_the_other() -> None:
    """The strict form would ask for more, and be denied all the same."""
    strict = claim(axis="paper-eval", floors={"samples": 50_000}, coverage={"talk": 1.0})
    both = with_bounded(strict, axis="repo-eval", floors={"samples": 5000})
    found = about(both, FIGURE[1:], {}).unlock
    assert found is not None
    (one,) = found.leaves
    assert (one.axis, one.floors) == (Axis.REPO_EVAL, Floors(samples=5000))

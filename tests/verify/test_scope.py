"""What may be claimed: one case for each reason to allow, lower or deny."""

from __future__ import annotations

from dataclasses import replace

import pytest

from verify.outcome import Axis, Outcome
from verify.run.results import FalsifierRun, Verdict
from verify.scope import Evidence, Scope, Tier
from verify.spec.model import Conflict
from verify.spec.rules.claims import SENTENCE_WORDS

from .conftest import config
from .situations import (
    claim,
    clause,
    commands,
    decision,
    evidence,
    metric,
    only,
    pack_of,
    resolved,
    verdict,
    ways,
)

ALL_PASS = {"THING-001": verdict(Outcome.PASS), "THING-002": verdict(Outcome.PASS)}
TWO = (clause(1), clause(2))


def test_a_claim_on_parity_alone_is_tier_c() -> None:
    result = only(pack_of(TWO, [claim()]), evidence(TWO, ALL_PASS))
    assert (result.scope, result.tier) == (Scope.ALLOWED, Tier.C)
    assert result.sentence == "The thing is right: 2 of 2, worst none."
    assert (result.reasons, result.unlock) == ((), None)
    assert result.capped == "it names no axis for a number, so it is at most tier C"


def test_nothing_evaluated_supports_nothing() -> None:
    result = only(pack_of(TWO, [claim()]), evidence(TWO, {}))
    assert result.scope is Scope.DENIED
    assert commands(result) == ["verify run THING-001", "verify run THING-002"]


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.FAIL, "THING-002 fail: fail, for a reason"),
        (Outcome.UNKNOWN, "THING-002 unknown: unknown, for a reason"),
        (Outcome.ERROR, "THING-002 error: error, for a reason"),
        (Outcome.NOT_APPLICABLE, "THING-002 not_applicable: not_applicable, for a reason"),
    ],
)
def test_a_denial_names_the_clause_and_how_to_mend_it(outcome: Outcome, reason: str) -> None:
    found = evidence(TWO, {**ALL_PASS, "THING-002": verdict(outcome)})
    result = only(pack_of(TWO, [claim()]), found)
    assert result.reasons == (reason,)
    assert ways(result) == [("clause", "THING-002")]
    assert result.unlock is not None
    assert "Count again." in result.unlock.leaves[0].text


def test_a_waiver_makes_a_claim_conditional_and_lowers_its_tier() -> None:
    clauses = (clause(1), metric(3, Axis.PAPER_EVAL))
    outcomes = {
        "THING-001": verdict(Outcome.WAIVED),
        "THING-003": verdict(Outcome.PASS, Axis.PAPER_EVAL),
    }
    result = only(pack_of(clauses, [claim(axis="paper-eval")]), evidence(clauses, outcomes))
    assert (result.scope, result.tier) == (Scope.CONDITIONAL, Tier.B)
    assert result.reasons == ("THING-001 is waived, for a reason",)


@pytest.mark.parametrize(
    ("stated", "measured", "tier"),
    [
        (Axis.PAPER_EVAL, Axis.PAPER_EVAL, Tier.A), (Axis.PAPER_EVAL, Axis.REPO_EVAL, None),
        (Axis.PAPER_EVAL, Axis.PROXY, None), (Axis.PROXY, Axis.PAPER_EVAL, None),
        (Axis.PAPER_EVAL, None, None),
    ],
)  # fmt: skip
def test_a_paper_claim_needs_the_paper_axis_stated_and_measured(
    stated: Axis, measured: Axis | None, tier: Tier | None
) -> None:
    clauses = (metric(1, stated),)
    outcomes = {"THING-001": verdict(Outcome.PASS, measured)}
    result = only(pack_of(clauses, [claim(axis="paper-eval")]), evidence(clauses, outcomes))
    if tier is None:
        text = f"THING-001 is stated for {stated} and measured on {measured or 'no axis'}"
        assert result.reasons == (f"{text}, not on paper-eval",)
        assert bool(result.unlock) is (stated is Axis.PAPER_EVAL)
    else:
        assert (result.scope, result.tier) == (Scope.ALLOWED, tier)


def test_a_claim_without_an_axis_is_not_raised_by_a_number_on_one() -> None:
    clauses = (metric(1, Axis.PAPER_EVAL),)
    outcomes = {"THING-001": verdict(Outcome.PASS, Axis.PAPER_EVAL)}
    assert only(pack_of(clauses, [claim()]), evidence(clauses, outcomes)).tier is Tier.C


def test_a_claim_whose_patterns_match_nothing_is_denied() -> None:
    result = only(pack_of(TWO, [claim(clauses=["FIELD-*"])]), evidence(TWO, ALL_PASS))
    assert result.scope is Scope.DENIED
    assert result.reasons == ("it rests on no clause",)
    assert (result.unlock, result.capped) == (None, "no evidence would help: it rests on no clause")


def test_a_surviving_falsifier_denies() -> None:
    found = evidence(TWO, ALL_PASS, survivors=["THING-001"])
    result = only(pack_of(TWO, [claim()]), found)
    assert result.reasons == ("THING-001 stayed pass under its falsifier thing.two_for_one",)
    assert ways(result) == [("falsifier", "THING-001")]
    assert result.unlock is not None
    assert "red under thing.two_for_one" in result.unlock.leaves[0].text


def test_a_falsifier_that_was_not_tried_denies() -> None:
    found = evidence(TWO, ALL_PASS)
    fewer = replace(found, falsifiers=found.falsifiers[1:])
    result = only(pack_of(TWO, [claim()]), fewer)
    assert result.reasons == ("falsifiers of THING-001 did not run: thing.two_for_one",)


def test_native_falsifiers_count_by_the_label_before_their_column() -> None:
    row = resolved(config(field="a"))
    red = Verdict(Outcome.FAIL, "red")
    run = FalsifierRun("THING-001", "config.changed[B]", red)
    found = Evidence((row,), {"THING-001": verdict(Outcome.PASS)}, (run,), "thing")
    assert only(pack_of((row,), [claim()]), found).scope is Scope.ALLOWED


@pytest.mark.parametrize(
    ("status", "allowed"),
    [("accepted", True), ("closed", True), ("proposed", False), ("deferred", False),
     ("superseded", False)],
)  # fmt: skip
@pytest.mark.parametrize("how", ["needs", "caps", "conflict"])
def test_an_unsettled_decision_holds_a_claim_back(how: str, status: str, allowed: bool) -> None:
    wanted = claim(decisions=["DEC-0001"]) if how == "needs" else claim()
    record = decision(status, caps=["CLAIM-THING"] if how == "caps" else [])
    conflict = Conflict(
        id="CONF-001", topic="thing.one", kind="silence", between=("book", "talk"),
        decision="DEC-0001", affects=("CLAIM-THING",) if how == "conflict" else (), summary="s",
    )  # fmt: skip
    pack = pack_of(TWO, [wanted], record, conflicts=(conflict,))
    result = only(pack, evidence(TWO, ALL_PASS))
    assert (result.scope is Scope.ALLOWED) is allowed
    if not allowed:
        assert result.reasons == (f"DEC-0001 (T) is {status}",)
        assert ways(result) == [("decision", "DEC-0001")]
        assert "specs/decisions/DEC-0001.md" in commands(result)[0]


def test_a_decision_that_is_missing_holds_a_claim_back() -> None:
    pack = pack_of(TWO, [claim(decisions=["DEC-0001"])])
    assert only(pack, evidence(TWO, ALL_PASS)).reasons == ("DEC-0001 is missing",)


def test_evidence_about_other_semantics_denies() -> None:
    clauses = (clause(1, semantics="paper"),)
    wanted = claim().model_copy(update={"semantics": "reference"})
    found = evidence(clauses, {"THING-001": verdict(Outcome.PASS)})
    result = only(pack_of(clauses, [wanted]), found)
    assert result.reasons == ("THING-001 is evidence about paper semantics",)


def test_evidence_about_another_subject_supports_only_sentences_that_name_it() -> None:
    other = evidence(TWO, ALL_PASS, subject="other")
    named = only(pack_of(TWO, [claim()]), other)
    assert named.sentence == "The other is right: 2 of 2, worst none."
    unnamed = claim().model_copy(update={"sentence": "Ours is right."})
    result = only(pack_of(TWO, [unnamed]), other)
    assert result.reasons == ("the evidence is about other, the sentence about thing",)


def test_every_word_that_lint_allows_is_filled_in() -> None:
    sentence = " ".join(f"{{{word}}}" for word in sorted(SENTENCE_WORDS))
    wanted = claim(axis="proxy").model_copy(update={"sentence": sentence})
    clauses = (clause(1), metric(2, Axis.PROXY))
    known = {"samples": 5000, "seeds": 3, "steps": 20_000, "images_seen": 640_000}
    number = replace(verdict(Outcome.PASS, Axis.PROXY, **known), measured=0.25, unit="units")
    outcomes = {"THING-001": verdict(Outcome.PASS), "THING-002": number}
    result = only(pack_of(clauses, [wanted]), evidence(clauses, outcomes))
    words = "proxy none 640,000 0.25 units 2 2 5,000 3 reference 20,000 thing 0.5"
    assert result.sentence == words

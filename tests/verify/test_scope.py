"""The scope solver: more evidence never lowers a claim, a failure never raises one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, assume, find, given, settings
from hypothesis import strategies as st

from verify import scope
from verify.outcome import Axis, Outcome, Reason
from verify.run.results import FalsifierRun, Verdict
from verify.scope import ClaimVerdict, Evidence, Scope, Tier, solve
from verify.spec.model import Claim, Clause, Conflict, Decision, Manifest, Pack
from verify.spec.rules_claims import SENTENCE_WORDS

from .conftest import claim as raw_claim
from .conftest import clause as raw_clause

FAST = settings(max_examples=150, deadline=None, database=None, derandomize=True)
TIERS = [Tier.NONE, Tier.C, Tier.B, Tier.A]
SCOPES = [Scope.DENIED, Scope.CONDITIONAL, Scope.ALLOWED]
RED = FalsifierRun("", "", Verdict(Outcome.FAIL, "red"))


def clause(number: int, **changes: Any) -> Clause:
    return Clause.model_validate_json(_json(raw_clause(number, **changes)))


def metric(number: int, axis: Axis) -> Clause:
    return clause(number, kind="metric", axis=str(axis))


def claim(**needs: Any) -> Claim:
    return Claim.model_validate_json(_json(raw_claim(**needs)))


def decision(status: str, *, caps: Iterable[str] = (), name: str = "DEC-0001") -> Decision:
    whole = {"id": name, "title": "T", "status": status, "date": "2026-01-01", "caps": list(caps)}
    return Decision.model_validate_json(_json(whole))


def _json(value: Any) -> str:
    return json.dumps(value)


def pack_of(
    clauses: Iterable[Clause], claims: Iterable[Claim], *decisions: Decision, **more: Any
) -> Pack:
    contract = more.pop("contracts", ())
    manifest = Manifest.model_validate_json(
        '{"schema": "verify/pack/1", "pack": "p", "title": "t", "subject": "thing"}'
    )
    empty: dict[str, Any] = {
        "waivers": (), "authorities": (), "topics": {}, "conflicts": (), **more
    }  # fmt: skip
    return Pack.model_construct(
        manifest=manifest,
        contracts=contract or (_Contract(tuple(clauses)),),
        claims=tuple(claims),
        decisions=decisions,
        **empty,
    )


class _Contract:
    """All that the solver asks of a contract."""

    def __init__(self, clauses: tuple[Clause, ...]) -> None:
        self.clauses = clauses


def verdict(outcome: Outcome, axis: Axis | None = None) -> Verdict:
    cause = Reason.WAIVER if outcome is Outcome.WAIVED else Reason.JUDGED
    return Verdict(outcome, f"{outcome}, for a reason", cause, axis=axis)


def evidence(
    clauses: Iterable[Clause], outcomes: dict[str, Verdict], *, survivors: Iterable[str] = (),
    untried: Iterable[str] = (), subject: str = "thing",
) -> Evidence:  # fmt: skip
    """Every falsifier of every passing clause ran and killed, but for those listed."""
    runs = [
        FalsifierRun(
            c.id, f.label, Verdict(Outcome.FAIL if c.id not in survivors else Outcome.PASS, "")
        )
        for c in clauses
        for f in c.falsifiers
        if c.id in outcomes and outcomes[c.id].outcome is Outcome.PASS and c.id not in untried
    ]
    return Evidence(tuple(clauses), outcomes, tuple(runs), subject)


def only(pack: Pack, found: Evidence) -> ClaimVerdict:
    (result,) = solve(pack, found)
    return result


def rank(result: ClaimVerdict) -> tuple[int, int]:
    return SCOPES.index(result.scope), TIERS.index(result.tier)


CLAUSES = (clause(1), clause(2), metric(3, Axis.PAPER_EVAL), metric(4, Axis.PROXY))
IDS = [c.id for c in CLAUSES]
# Passes are frequent, or nearly every claim would be denied and the laws would say little.
OUTCOMES = st.sampled_from([Outcome.PASS] * 12 + [Outcome.WAIVED] * 3 + list(Outcome))
AXES = st.sampled_from([None, *Axis, Axis.PAPER_EVAL, Axis.PROXY])
VERDICTS = st.fixed_dictionaries(
    {}, optional={name: st.builds(verdict, OUTCOMES, AXES) for name in IDS}
)
CLAIMS = st.builds(
    claim,
    clauses=st.lists(st.sampled_from([*IDS, "THING-*"]), min_size=1, max_size=3, unique=True),
    axis=st.sampled_from([None, *map(str, Axis)]),
    decisions=st.sampled_from([[], ["DEC-0001"]]),
)
DECISIONS = st.sampled_from(["accepted"] * 4 + ["proposed", "superseded", "closed", "deferred"])
SITUATIONS = st.fixed_dictionaries(
    {
        "claim": CLAIMS,
        "verdicts": VERDICTS,
        "survivors": st.sets(st.sampled_from(IDS), max_size=1),
        "untried": st.sampled_from([(), (), (), *((name,) for name in IDS)]),
        "status": DECISIONS,
    }
)


def solved(situation: dict[str, Any], **changes: Any) -> ClaimVerdict:
    now = {**situation, **changes}
    pack = pack_of(CLAUSES, [now["claim"]], decision(now["status"]))
    found = evidence(CLAUSES, now["verdicts"], survivors=now["survivors"], untried=now["untried"])
    return only(pack, found)


def needed(situation: dict[str, Any]) -> list[Clause]:
    return list(scope.needed_by(situation["claim"], CLAUSES))


# -- laws -----------------------------------------------------------------------------------------


REACHABLE = [
    (Scope.ALLOWED, Tier.A), (Scope.ALLOWED, Tier.C), (Scope.CONDITIONAL, Tier.C),
    (Scope.DENIED, Tier.NONE),
]  # fmt: skip


@pytest.mark.parametrize("wanted", REACHABLE)
def test_the_laws_below_are_about_something(wanted: tuple[Scope, Tier]) -> None:
    """Claims of every kind are among the situations drawn."""
    quick = settings(FAST, max_examples=5000, phases=[Phase.generate])
    found = find(SITUATIONS, lambda s: _result(s) == wanted, settings=quick)
    assert _result(found) == wanted


def _result(situation: dict[str, Any]) -> tuple[Scope, Tier]:
    result = solved(situation)
    return result.scope, result.tier


@FAST
@given(SITUATIONS, st.sampled_from(IDS), AXES)
def test_one_more_pass_never_lowers_a_claim(
    situation: dict[str, Any], name: str, axis: Axis | None
) -> None:
    """An outcome becomes a pass, on the same axis, that its falsifiers could turn red."""
    before = situation["verdicts"].get(name)
    kept = before.axis if before is not None else axis
    better = {**situation["verdicts"], name: verdict(Outcome.PASS, kept)}
    survivors = situation["survivors"] - {name}
    untried = set(situation["untried"]) - {name}
    after = solved(situation, verdicts=better, survivors=survivors, untried=untried)
    assert rank(after) >= rank(solved(situation))


@FAST
@given(SITUATIONS, st.sampled_from(IDS), st.sampled_from([o for o in Outcome if o != "pass"]))
def test_a_pass_turned_into_anything_else_never_raises_a_claim(
    situation: dict[str, Any], name: str, outcome: Outcome
) -> None:
    """But for a waiver: that is somebody's word, and no falsifier is asked about it."""
    unproven = name in situation["survivors"] or name in situation["untried"]
    assume(outcome is not Outcome.WAIVED or not unproven)
    axis = situation["verdicts"].get(name, verdict(Outcome.PASS)).axis
    good = {**situation["verdicts"], name: verdict(Outcome.PASS, axis)}
    bad = {**situation["verdicts"], name: verdict(outcome, axis)}
    assert rank(solved(situation, verdicts=bad)) <= rank(solved(situation, verdicts=good))


@FAST
@given(SITUATIONS)
def test_a_claim_is_never_better_than_its_evidence(situation: dict[str, Any]) -> None:
    result = solved(situation)
    found = {c.id: situation["verdicts"].get(c.id) for c in needed(situation)}
    outcomes = {v.outcome if v else None for v in found.values()}
    if result.scope is not Scope.DENIED:
        assert outcomes <= {Outcome.PASS, Outcome.WAIVED}, "unknown is never a pass"
        passing = {name for name, v in found.items() if v and v.outcome is Outcome.PASS}
        assert not passing & set(situation["untried"]), "an untried falsifier denies"
        assert not passing & situation["survivors"], "a survivor denies"
        assert result.sentence
    if result.scope is Scope.ALLOWED:
        assert outcomes == {Outcome.PASS}
    if result.scope is Scope.DENIED:
        assert (result.tier, result.sentence) == (Tier.NONE, "")
        assert result.reasons, "a denial has a reason"
        assert result.unlock, "and a way out"


@FAST
@given(SITUATIONS)
def test_a_tier_is_no_better_than_the_weakest_axis_it_rests_on(situation: dict[str, Any]) -> None:
    result = solved(situation)
    for item in needed(situation):
        if item.axis is not None and result.scope is not Scope.DENIED:
            measured = situation["verdicts"][item.id].axis
            weakest = min(
                TIERS.index(scope.TIER_OF_AXIS[axis]) for axis in (item.axis, measured) if axis
            )
            assert TIERS.index(result.tier) <= weakest


@FAST
@given(SITUATIONS)
def test_the_solver_is_a_function_of_its_arguments(situation: dict[str, Any]) -> None:
    assert solved(situation) == solved(situation)


@FAST
@given(SITUATIONS)
def test_removing_a_needed_leaf_takes_an_allowed_claim_away(situation: dict[str, Any]) -> None:
    if solved(situation).scope is Scope.ALLOWED:
        for item in needed(situation):
            rest = {name: v for name, v in situation["verdicts"].items() if name != item.id}
            result = solved(situation, verdicts=rest)
            assert result.scope is Scope.DENIED
            assert any(f"{item.id} was not selected" in reason for reason in result.reasons)


# -- cases ----------------------------------------------------------------------------------------


ALL_PASS = {"THING-001": verdict(Outcome.PASS), "THING-002": verdict(Outcome.PASS)}
TWO = (clause(1), clause(2))


def test_a_claim_on_parity_alone_is_tier_c() -> None:
    result = only(pack_of(TWO, [claim()]), evidence(TWO, ALL_PASS))
    assert (result.scope, result.tier) == (Scope.ALLOWED, Tier.C)
    assert result.sentence == "The thing is right: 2 of 2, worst none."
    assert (result.reasons, result.unlock) == ((), ())


def test_nothing_evaluated_supports_nothing() -> None:
    result = only(pack_of(TWO, [claim()]), evidence(TWO, {}))
    assert result.scope is Scope.DENIED
    assert result.unlock == ("verify run THING-001", "verify run THING-002")


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
    assert result.unlock == ("verify run THING-002: Count again.",)


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
        assert result.reasons == ("no passing number on the axis paper-eval",)
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


def test_a_surviving_falsifier_denies() -> None:
    found = evidence(TWO, ALL_PASS, survivors=["THING-001"])
    result = only(pack_of(TWO, [claim()]), found)
    assert result.reasons == ("THING-001 stayed pass under its falsifier thing.two_for_one",)
    assert result.unlock == ("sharpen the check of THING-001",)


def test_a_falsifier_that_was_not_tried_denies() -> None:
    found = evidence(TWO, ALL_PASS)
    fewer = replace(found, falsifiers=found.falsifiers[1:])
    result = only(pack_of(TWO, [claim()]), fewer)
    assert result.reasons == ("falsifiers of THING-001 did not run: thing.two_for_one",)


def test_native_falsifiers_count_by_the_label_before_their_column() -> None:
    config = clause(
        1, kind="config", check=None, field="a", fact="book:thing.one",
        falsifiers=[{"mutant": "config.changed"}],
    )  # fmt: skip
    run = FalsifierRun("THING-001", "config.changed[B]", RED.verdict)
    found = Evidence((config,), {"THING-001": verdict(Outcome.PASS)}, (run,), "thing")
    assert only(pack_of((config,), [claim()]), found).scope is Scope.ALLOWED


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
        assert result.unlock == ("settle DEC-0001",)


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
    wanted = claim().model_copy(update={"sentence": sentence})
    outcomes = {"THING-001": replace(verdict(Outcome.PASS), measured=0.25), "THING-002": verdict(
        Outcome.PASS)}  # fmt: skip
    result = only(pack_of(TWO, [wanted]), evidence(TWO, outcomes))
    assert result.sentence == "2 2 reference thing 0.5"

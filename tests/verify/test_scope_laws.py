"""The scope solver: more evidence never lowers a claim, a failure never raises one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase, assume, find, given, settings
from hypothesis import strategies as st

from verify import scope
from verify.outcome import Axis, Outcome
from verify.scope import ClaimVerdict, Scope, Tier
from verify.spec.model import Clause

from .situations import claim, clause, decision, evidence, metric, only, pack_of, verdict

FAST = settings(max_examples=150, deadline=None, database=None, derandomize=True)
TIERS = [Tier.NONE, Tier.C, Tier.B, Tier.A]
SCOPES = [Scope.DENIED, Scope.CONDITIONAL, Scope.ALLOWED]


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

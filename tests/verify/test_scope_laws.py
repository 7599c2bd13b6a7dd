"""The scope solver: more evidence never lowers a claim, a failure never raises one."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, find, given, settings
from hypothesis import strategies as st

from verify.outcome import Axis, Outcome
from verify.provenance import Provenance
from verify.scope import (
    TIER_OF_AXIS,
    ClaimVerdict,
    Evidence,
    Form,
    Scope,
    Tier,
    rank,
    with_leaves,
)
from verify.scope.forms import questions
from verify.scope.solver import verdict as verdict_of
from verify.spec.model import Claim, Clause, Conflict, DecisionStatus, Needs, Pack, Waiver
from verify.spec.select import named_by

from .situations import (
    claim,
    clause,
    decision,
    evidence,
    metric,
    only,
    pack_of,
    verdict,
    with_bounded,
)

TIERS = [Tier.NONE, Tier.C, Tier.B, Tier.A]
DIGEST = "a" * 64
CLAUSES = (
    clause(1), clause(2),
    metric(3, Axis.PAPER_EVAL), metric(4, Axis.PROXY), metric(5, Axis.REPO_EVAL),
)  # fmt: skip
IDS = [c.id for c in CLAUSES]
CONFLICT = Conflict(
    id="CONF-001", topic="thing.one", kind="silence", between=("book", "talk"),
    decision="DEC-0002", summary="s",
)  # fmt: skip
WAIVERS = tuple(
    Waiver(clause=name, owner="owner", reason="known", expires="2999-01-01") for name in IDS
)

# Passes are frequent, or nearly every claim would be denied and the laws would say little.
OUTCOMES = st.sampled_from([Outcome.PASS] * 14 + [Outcome.WAIVED] * 3 + list(Outcome))
AXES = st.sampled_from([None, *Axis, *[Axis.PAPER_EVAL] * 4, Axis.PROXY, Axis.REPO_EVAL])
KNOWN = st.fixed_dictionaries(
    {},
    optional={
        "samples": st.sampled_from([50_000, 50_000, 5000]),
        "seeds": st.sampled_from([3, 3, 1]),
        "extractor_sha256": st.sampled_from([DIGEST, DIGEST, DIGEST, "b" * 64]),
    },
)
VERDICTS = st.fixed_dictionaries(
    {},
    optional={
        name: st.builds(lambda o, a, k: verdict(o, a, **k), OUTCOMES, AXES, KNOWN) for name in IDS
    },
)
FLOORS = st.sampled_from(
    [{}, {}, {"samples": 5000}, {"samples": 50_000, "seeds": 3}, {"extractor_sha256": DIGEST}]
)
NEEDS: dict[str, Any] = {
    "clauses": st.lists(st.sampled_from([*IDS, IDS[2], "THING-*"]), min_size=1, max_size=3,
                        unique=True),
    "axis": st.sampled_from([None, "repo-eval", "proxy", "smoke", *["paper-eval"] * 3]),
    "decisions": st.sampled_from([[], [], ["DEC-0001"]]),
    "conflicts": st.sampled_from([[], [], ["CONF-001"]]),
    "floors": FLOORS,
}  # fmt: skip
STRICT = st.builds(claim, **NEEDS)
BOUNDED = st.builds(with_bounded, STRICT, **{**NEEDS, "axis": st.sampled_from(
    [None, "repo-eval", "repo-eval", "proxy", "paper-eval"])})  # fmt: skip
STATUSES = st.sampled_from(["accepted"] * 5 + ["proposed", "superseded", "closed", "deferred"])
SITUATIONS = st.fixed_dictionaries(
    {
        "claim": STRICT | BOUNDED,
        "verdicts": VERDICTS,
        "survivors": st.sets(st.sampled_from(IDS), max_size=1),
        "untried": st.sampled_from([(), (), (), *((name,) for name in IDS)]),
        "statuses": st.tuples(STATUSES, STATUSES),
        "names_subject": st.sampled_from([True, True, True, False]),
        "subject": st.sampled_from(["thing", "thing", "thing", "other"]),
    }
)
LAW = settings(suppress_health_check=[HealthCheck.too_slow])


def stated(situation: dict[str, Any]) -> Claim:
    """The claim, which may speak of the pack's own subject only."""
    found: Claim = situation["claim"]
    if situation["names_subject"]:
        return found
    return found.model_copy(update={"sentence": "Ours is right."})


def placed(situation: dict[str, Any]) -> tuple[Pack, Evidence]:
    records = [
        decision(status, name=f"DEC-000{at}") for at, status in enumerate(situation["statuses"], 1)
    ]
    pack = pack_of(CLAUSES, [stated(situation)], *records, conflicts=(CONFLICT,), waivers=WAIVERS)
    found = evidence(
        CLAUSES, situation["verdicts"], survivors=situation["survivors"],
        untried=situation["untried"], subject=situation["subject"],
    )  # fmt: skip
    return pack, found


def solved(situation: dict[str, Any], **changes: Any) -> ClaimVerdict:
    return only(*placed({**situation, **changes}))


def quickly(pack: Pack, found: Evidence) -> ClaimVerdict:
    """The verdict without its unlock set."""
    (stated,) = pack.claims
    return verdict_of(questions(stated, pack), pack, found)


def strength(result: ClaimVerdict) -> tuple[int, int, int]:
    return rank(result.tier, result.scope, result.form)


def needs(situation: dict[str, Any], form: Form) -> Needs:
    found: Claim = situation["claim"]
    if form is Form.STRICT:
        return found.needs
    assert found.bounded is not None
    return found.bounded.needs


def needed(situation: dict[str, Any], form: Form) -> list[Clause]:
    return list(named_by(needs(situation, form).clauses, CLAUSES))


# -- the situations drawn -------------------------------------------------------------------------


REACHABLE = [
    (Scope.ALLOWED, Tier.A, Form.STRICT), (Scope.ALLOWED, Tier.C, Form.STRICT),
    (Scope.CONDITIONAL, Tier.C, Form.STRICT), (Scope.ALLOWED, Tier.B, Form.BOUNDED),
    (Scope.DENIED, Tier.NONE, Form.STRICT),
]  # fmt: skip


def _dear(wanted: tuple[Scope, Tier, Form]) -> bool:
    return wanted[2] is Form.BOUNDED  # searched for longest


@pytest.mark.parametrize(
    "wanted",
    [pytest.param(one, marks=pytest.mark.nightly if _dear(one) else ()) for one in REACHABLE],
    ids=str,
)
def test_the_laws_below_are_about_something(wanted: tuple[Scope, Tier, Form]) -> None:
    """Claims of every kind are among the situations drawn."""

    def hit(situation: dict[str, Any]) -> bool:
        result = quickly(*placed(situation))
        return (result.scope, result.tier, result.form) == wanted

    quick = settings(LAW, max_examples=5000, phases=[Phase.generate])
    assert hit(find(SITUATIONS, hit, settings=quick))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_unlock_sets_of_several_leaves_are_among_them(count: int) -> None:
    def hit(situation: dict[str, Any]) -> bool:
        result = solved(situation)
        return result.unlock is not None and len(result.unlock.leaves) == count

    quick = settings(LAW, max_examples=5000, phases=[Phase.generate])
    assert hit(find(SITUATIONS, hit, settings=quick))


# -- monotone -------------------------------------------------------------------------------------


@LAW
@given(SITUATIONS, st.sampled_from(IDS), AXES)
def test_one_more_pass_never_lowers_a_claim(
    situation: dict[str, Any], name: str, axis: Axis | None
) -> None:
    """An outcome becomes a pass, on the same axis, that its falsifiers could turn red."""
    before = situation["verdicts"].get(name)
    after = replace(before or verdict(Outcome.PASS, axis), outcome=Outcome.PASS)
    better = {**situation["verdicts"], name: after}
    survivors = situation["survivors"] - {name}
    untried = set(situation["untried"]) - {name}
    result = solved(situation, verdicts=better, survivors=survivors, untried=untried)
    assert strength(result) >= strength(solved(situation))


@LAW
@given(SITUATIONS, st.sampled_from(IDS), st.sampled_from([o for o in Outcome if o != "pass"]))
def test_a_pass_turned_into_anything_else_never_raises_a_claim(
    situation: dict[str, Any], name: str, outcome: Outcome
) -> None:
    """But for a waiver: that is somebody's word, and no falsifier is asked about it."""
    unproven = name in situation["survivors"] or name in situation["untried"]
    assume(outcome is not Outcome.WAIVED or not unproven)
    kept = situation["verdicts"].get(name, verdict(Outcome.PASS))
    good = {**situation["verdicts"], name: replace(kept, outcome=Outcome.PASS)}
    bad = {**situation["verdicts"], name: replace(kept, outcome=outcome)}
    before, after = solved(situation, verdicts=good), solved(situation, verdicts=bad)
    assert strength(after) <= strength(before)


@LAW
@given(SITUATIONS, st.sampled_from(IDS), st.sampled_from(Axis), KNOWN)
def test_a_better_number_never_lowers_a_claim(
    situation: dict[str, Any], name: str, axis: Axis, known: dict[str, Any]
) -> None:
    before = situation["verdicts"].get(name, verdict(Outcome.PASS))
    held = before.provenance
    strongest = min([axis, Axis(before.axis)] if before.axis else [axis], key=list(Axis).index)
    more = Provenance(
        samples=max(held.samples or 0, known.get("samples", 0)),
        seeds=max(held.seeds or 0, known.get("seeds", 0)),
        extractor_sha256=DIGEST,
    )
    found = {**situation["verdicts"], name: before}
    better = {**found, name: replace(before, axis=strongest, provenance=more)}
    after = solved(situation, verdicts=better)
    assert strength(after) >= strength(solved(situation, verdicts=found))


@LAW
@given(SITUATIONS)
def test_a_settled_decision_never_lowers_and_an_open_one_never_raises_a_claim(
    situation: dict[str, Any],
) -> None:
    closed = solved(situation, statuses=("accepted", "closed"))
    opened = solved(situation, statuses=("deferred", "proposed"))
    assert strength(opened) <= strength(solved(situation)) <= strength(closed)


# -- no claim without evidence --------------------------------------------------------------------


@LAW
@given(SITUATIONS)
def test_nothing_evaluated_supports_nothing(situation: dict[str, Any]) -> None:
    assert solved(situation, verdicts={}).scope is Scope.DENIED


@LAW
@given(SITUATIONS)
def test_a_claim_is_never_better_than_its_evidence(situation: dict[str, Any]) -> None:
    result = solved(situation)
    found = {c.id: situation["verdicts"].get(c.id) for c in needed(situation, result.form)}
    outcomes = {v.outcome if v else None for v in found.values()}
    if result.scope is not Scope.DENIED:
        assert outcomes <= {Outcome.PASS, Outcome.WAIVED}, "unknown is never a pass"
        passing = {name for name, v in found.items() if v and v.outcome is Outcome.PASS}
        assert not passing & set(situation["untried"]), "an untried falsifier denies"
        assert not passing & situation["survivors"], "a survivor denies"
        assert result.sentence
        assert result.tier is not Tier.NONE
    if result.scope is Scope.ALLOWED:
        assert outcomes == {Outcome.PASS}
        assert result.waivers == ()
    if result.scope is Scope.DENIED:
        assert (result.tier, result.sentence, result.form) == (Tier.NONE, "", Form.STRICT)
        assert result.reasons, "a denial has a reason"
        assert result.unlock or result.capped, "and a way out, or why there is none"


@LAW
@given(SITUATIONS, st.sampled_from(IDS))
def test_an_unknown_clause_supports_no_form_that_needs_it(
    situation: dict[str, Any], name: str
) -> None:
    unknown = {**situation["verdicts"], name: verdict(Outcome.UNKNOWN, Axis.PAPER_EVAL)}
    result = solved(situation, verdicts=unknown)
    if result.scope is not Scope.DENIED:
        assert name not in {c.id for c in needed(situation, result.form)}


@LAW
@given(SITUATIONS)
def test_a_tier_is_no_better_than_the_weakest_axis_it_rests_on(situation: dict[str, Any]) -> None:
    result = solved(situation)
    for item in needed(situation, result.form):
        if item.axis is not None and result.scope is not Scope.DENIED:
            axis = situation["verdicts"][item.id].axis
            axes = [item.axis, Axis(axis)] if axis else []
            weakest = min(TIERS.index(TIER_OF_AXIS[one]) for one in axes)
            assert TIERS.index(result.tier) <= weakest


@LAW
@given(SITUATIONS)
def test_a_form_that_is_said_keeps_its_floors_and_what_is_unknown_keeps_none(
    situation: dict[str, Any],
) -> None:
    result = solved(situation)
    if result.scope is not Scope.DENIED:
        asked = needs(situation, result.form).floors
        for item in needed(situation, result.form):
            if item.axis is not None:
                held = situation["verdicts"][item.id].provenance
                assert asked.samples is None or (held.samples or 0) >= asked.samples
                assert asked.seeds is None or (held.seeds or 0) >= asked.seeds
                digests = (None, held.extractor_sha256)
                assert asked.extractor_sha256 in digests


@LAW
@given(SITUATIONS)
def test_a_bounded_form_never_renders_as_the_strict_one_nor_carries_as_far(
    situation: dict[str, Any],
) -> None:
    result = solved(situation)
    strict = solved(situation, claim=situation["claim"].model_copy(update={"bounded": None}))
    if result.form is Form.BOUNDED:
        assert "nearly right" in result.sentence
        assert result.tier is not Tier.A
        assert strength(strict) < strength(result)
    else:
        assert "nearly right" not in result.sentence
        assert (result.sentence, result.tier) == (strict.sentence, strict.tier)


# -- leaves ---------------------------------------------------------------------------------------


@LAW
@given(SITUATIONS)
def test_the_solver_is_a_function_of_its_arguments(situation: dict[str, Any]) -> None:
    assert solved(situation) == solved(situation)


@LAW
@given(SITUATIONS)
def test_removing_a_needed_leaf_changes_the_verdict(situation: dict[str, Any]) -> None:
    before = solved(situation)
    if before.scope is not Scope.DENIED:
        pack, found = placed(situation)
        for item in needed(situation, before.form):
            rest = {name: v for name, v in found.verdicts.items() if name != item.id}
            assert strength(quickly(pack, replace(found, verdicts=rest))) < strength(before)
        for name in needs(situation, before.form).decisions:
            opened = tuple(
                d.model_copy(update={"status": DecisionStatus.DEFERRED}) if d.id == name else d
                for d in pack.decisions
            )
            after = quickly(pack.model_copy(update={"decisions": opened}), found)
            assert strength(after) < strength(before)


@LAW
@given(SITUATIONS)
def test_an_unlock_set_is_sufficient_and_no_leaf_of_it_can_be_left_out(
    situation: dict[str, Any],
) -> None:
    result = solved(situation)
    if result.unlock is None:
        return
    place, leaves = placed(situation), result.unlock.leaves
    after = quickly(*with_leaves(leaves, *place))
    assert (after.tier, after.scope, after.form) == (
        result.unlock.tier, result.unlock.scope, result.unlock.form,
    )  # fmt: skip
    assert strength(after) > strength(result)
    higher = TIERS.index(after.tier) > TIERS.index(result.tier)
    for leaf in leaves:
        rest = [one for one in leaves if one is not leaf]
        without = quickly(*with_leaves(rest, *place))
        assert without.tier is result.tier or not higher
        assert higher or strength(without) <= strength(result)


def perfect(name: str, pack: Pack, found: Evidence) -> tuple[Pack, Evidence]:
    """One clause, decision or subject as good as it can be: what no leaf can surpass."""
    if name == "subject":
        return pack, replace(found, subject="thing")
    if name.startswith("DEC"):
        accepted = tuple(
            d.model_copy(update={"status": DecisionStatus.ACCEPTED}) if d.id == name else d
            for d in pack.decisions
        )
        return pack.model_copy(update={"decisions": accepted}), found
    best = verdict(Outcome.PASS, Axis.PAPER_EVAL, samples=50_000, seeds=3, extractor_sha256=DIGEST)
    proven = evidence([c for c in CLAUSES if c.id == name], {name: best}).falsifiers
    others = tuple(run for run in found.falsifiers if run.clause != name)
    verdicts = {**found.verdicts, name: best}
    return pack, replace(found, verdicts=verdicts, falsifiers=(*others, *proven))


PERFECT = [*IDS, "DEC-0001", "DEC-0002", "subject"]


@LAW
@given(SITUATIONS)
def test_where_no_leaf_is_named_nothing_at_all_would_raise_the_claim(
    situation: dict[str, Any],
) -> None:
    result = solved(situation)
    if result.unlock is None:
        pack, found = placed(situation)
        for name in PERFECT:
            pack, found = perfect(name, pack, found)
        assert strength(quickly(pack, found)) <= strength(result)


@LAW
@given(SITUATIONS)
def test_no_fewer_things_would_raise_the_claim_to_the_same_tier(situation: dict[str, Any]) -> None:
    """Tried out: every smaller choice of things made perfect."""
    result = solved(situation)
    if result.unlock is None or result.unlock.tier is result.tier:
        return
    touched = {"subject" if leaf.kind == "subject" else leaf.name for leaf in result.unlock.leaves}
    for count in range(1, len(touched)):
        for chosen in combinations(PERFECT, count):
            pack, found = placed(situation)
            for name in chosen:
                pack, found = perfect(name, pack, found)
            assert quickly(pack, found).tier is not result.unlock.tier

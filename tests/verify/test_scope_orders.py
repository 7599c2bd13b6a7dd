"""Tiers, axes and evidence by themselves: what is weaker, what counts where, what was tried."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations_with_replacement
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from verify.outcome import Axis, Outcome
from verify.run.results import FalsifierRun, Verdict
from verify.scope import ClaimVerdict, Evidence, Form, Leaf, Scope, Tier, Unlock, WaiverNote, rank
from verify.scope.coverage import Standing
from verify.scope.forms import standing
from verify.scope.tiers import lowered, stronger_axes, weakest_axis, weakest_tier

from .signing import backed, trust
from .situations import clause, evidence, metric, verdict

PAPER, REPO, PROXY, SMOKE, EXTERNAL = Axis
BARE = "it names no record that it comes from, so nothing signed bears it out"


@pytest.mark.parametrize(("order", "weakest"), [(Tier, weakest_tier), (Axis, weakest_axis)])
def test_the_weakest_is_the_last_of_the_order_wherever_it_stands(order: Any, weakest: Any) -> None:
    whole = list(order)
    for strong, weak in combinations_with_replacement(whole, 2):
        assert weakest([strong, weak]) is weakest([weak, strong]) is weak
    assert weakest(iter(whole)) is whole[-1]
    assert weakest(whole[:1]) is whole[0]


@pytest.mark.parametrize(
    ("axis", "above"),
    [(PAPER, []), (REPO, [PAPER]), (PROXY, [REPO, PAPER]), (SMOKE, [PROXY, REPO, PAPER])],
)
def test_the_axes_above_one_begin_with_the_nearest(axis: Axis, above: list[Axis]) -> None:
    assert stronger_axes(axis) == above


def test_a_tier_is_lowered_by_one_and_not_below_the_pipeline() -> None:
    assert [lowered(tier) for tier in Tier] == [Tier.B, Tier.C, Tier.C, Tier.NONE]


def test_a_verdict_ranks_by_its_tier_then_its_conditions_then_its_form() -> None:
    ranked = [rank(t, s, f) for t in Tier for s in Scope for f in (Form.STRICT, Form.BOUNDED)]
    assert ranked == sorted(ranked, reverse=True)
    assert len(set(ranked)) == len(ranked)


# -- where a number counts ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "measured", "bare", "signed"),
    [
        (PAPER, PAPER, PROXY, PAPER),
        (PAPER, REPO, PROXY, REPO),
        (REPO, PAPER, PROXY, REPO),
        (PAPER, PROXY, PROXY, PROXY),
        (PROXY, PAPER, PROXY, PROXY),
        (REPO, PROXY, PROXY, PROXY),
        (PROXY, REPO, PROXY, PROXY),
        (PAPER, SMOKE, SMOKE, SMOKE),
        (PAPER, EXTERNAL, EXTERNAL, EXTERNAL),
    ],
)
def test_a_number_counts_on_the_weaker_axis_and_unsigned_as_a_proxy(
    stated: Axis, measured: Axis, bare: Axis, signed: Axis
) -> None:
    item, strong = metric(3, stated), signed in (PAPER, REPO)
    number = replace(verdict(Outcome.PASS, measured), backing=())
    unsigned = evidence([item], {item.id: number})
    assert unsigned.measured_axis(item) is signed
    assert unsigned.axis(item) is bare
    assert unsigned.unsigned(item) == (BARE if strong else "")
    for found in (
        evidence([item], {item.id: replace(number, backing=(backed("fid"),))}),
        unsigned.supposing(item.id),
    ):
        assert found.axis(item) is found.measured_axis(item) is signed
        assert found.unsigned(item) == ""
    assert unsigned.supposing("THING-009").axis(item) is bare


def test_what_was_not_measured_or_is_stated_for_no_axis_counts_nowhere() -> None:
    item, plain = metric(3, PAPER), clause(1)
    outcomes = {"THING-001": verdict(Outcome.PASS, PAPER)}
    found = evidence([item, plain], outcomes)
    for one in (item, plain):
        assert found.measured_axis(one) is None
        assert found.axis(one) is None
        assert found.unsigned(one) == ""
    assert evidence([item], {item.id: verdict(Outcome.PASS)}).measured_axis(item) is None


# -- falsifiers -----------------------------------------------------------------------------------


def run(number: int, label: str, outcome: Outcome = Outcome.FAIL) -> FalsifierRun:
    return FalsifierRun(f"THING-00{number}", label, Verdict(outcome, ""))


class Counted(tuple[FalsifierRun, ...]):
    """Falsifiers that know how often they were gone through."""

    times = 0

    def __iter__(self) -> Iterator[FalsifierRun]:
        self.times += 1
        return super().__iter__()


def test_what_changes_no_falsifier_does_not_sort_them_again() -> None:
    runs = Counted([run(1, "a"), run(2, "b")])
    found = Evidence((), {}, runs, "thing", trust())
    assert found.runs("THING-001") == (runs[0],)
    later = found.supposing("THING-001").judging("THING-002", verdict(Outcome.PASS))
    assert later.supposing("THING-002").runs("THING-002") == (runs[1],)
    assert runs.times == 1


def test_what_is_supposed_adds_up_and_leaves_the_rest_as_it_was() -> None:
    item = clause(1)
    found = evidence([item], {item.id: verdict(Outcome.FAIL)})
    passed = verdict(Outcome.PASS)
    both = found.supposing("one").supposing("two")
    assert both == replace(found, supposed=frozenset({"one", "two"}))
    assert both.judging(item.id, passed) == replace(both, verdicts={item.id: passed})
    assert found.judging("THING-002", passed).verdicts == {
        item.id: verdict(Outcome.FAIL), "THING-002": passed,
    }  # fmt: skip
    assert found.supposed == frozenset()


def test_falsifiers_that_are_tried_replace_those_of_their_clause_alone() -> None:
    kept, old, survivor, new = run(2, "a"), run(1, "a"), run(1, "b", Outcome.PASS), run(1, "c")
    found = Evidence((), {}, (old, kept, survivor), "thing", trust())
    assert found.survivors("THING-001") == (survivor,)
    after = found.trying("THING-001", [new])
    assert after.runs("THING-001") == (new,)
    assert after.runs("THING-002") == (kept,)
    assert sorted(after.falsifiers, key=lambda one: one.clause) == [new, kept]
    assert after.survivors("THING-001") == ()
    assert found.trying("THING-001", []).falsifiers == (kept,)
    assert found.runs("THING-003") == found.survivors("THING-003") == ()


def test_a_clause_stands_where_it_passed_and_all_its_falsifiers_ran_and_turned_it_red() -> None:
    clauses = [clause(at) for at in range(1, 6)] + [metric(6, PROXY)]
    outcomes = {one.id: verdict(Outcome.PASS) for one in clauses}
    outcomes["THING-004"] = verdict(Outcome.FAIL)
    outcomes["THING-005"] = verdict(Outcome.WAIVED)
    found = evidence(clauses, outcomes, survivors=["THING-002"], untried=["THING-003"])
    cited = {"book:thing.one": [one.id for one in clauses]}
    ran = replace(found, falsifiers=(*found.falsifiers, run(4, "thing.two_for_one")))
    assert standing(ran) == standing(found)
    assert standing(found) == Standing(cited, {"THING-001", "THING-006"}, {"THING-006"})


# -- read again -----------------------------------------------------------------------------------

LEAF = {"kind": "clause", "name": "THING-001", "text": "t", "command": "c"}
NOTE = {"clause": "THING-001", "owner": "owner", "reason": "known", "expires": "2999-01-01"}
UNLOCK = {"tier": "C", "scope": "allowed", "form": "strict", "leaves": [LEAF]}
VERDICT = {
    "claim": "CLAIM-THING", "title": "t", "scope": "denied", "tier": "none", "form": "strict",
    "sentence": "", "semantics": None, "subject": "thing", "axis": None, "reasons": ["r"],
    "waivers": [NOTE], "unlock": UNLOCK, "capped": "", "passed": 0, "needed": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "whole"), [(Leaf, LEAF), (WaiverNote, NOTE), (Unlock, UNLOCK), (ClaimVerdict, VERDICT)]
)
def test_what_is_read_again_has_the_keys_it_is_known_by_and_no_others(
    kind: type, whole: dict[str, Any]
) -> None:
    reader: TypeAdapter[Any] = TypeAdapter(kind)
    assert isinstance(reader.validate_python(whole), kind)
    with pytest.raises(ValidationError, match="more"):
        reader.validate_python({**whole, "more": 1})

"""Leaves in full, and the situation that each of them leads to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from verify.outcome import Axis, Outcome, Reason
from verify.run.results import FalsifierRun, Verdict
from verify.scope import Evidence, Floors, Leaf, LeafKind, Scope, Tier, with_leaves
from verify.scope.leaves import Leaves
from verify.spec.model import Claim, DecisionStatus, Needs

from .signing import backed
from .situations import (
    about,
    claim,
    clause,
    decision,
    evidence,
    metric,
    only,
    pack_of,
    verdict,
    ways,
)

FIGURE = metric(3, Axis.PAPER_EVAL)
PASS = verdict(Outcome.PASS)
RED = Verdict(Outcome.FAIL, "the falsifier turned it red")
RUN = "verify run THING-003"


def leaves(written: Claim, items: list[Any], outcomes: dict[str, Verdict], **more: Any
           ) -> tuple[Leaf, ...]:  # fmt: skip
    found = about(written, items, outcomes, **more).unlock
    assert found is not None
    return found.leaves


# -- what a leaf says, and the command that changes it --------------------------------------------


@pytest.mark.parametrize(
    ("needs", "text", "command", "axis"),
    [
        ({"axis": "proxy"}, "on proxy", RUN, Axis.PROXY),
        ({"axis": "smoke"}, "on smoke", RUN, Axis.SMOKE),
        ({"axis": "repo-eval"}, "on repo-eval", f"verify sign RECORD; {RUN}", Axis.REPO_EVAL),
        (
            {"axis": "proxy", "floors": {"seeds": 3}},
            "on proxy, at least 3 seeds", RUN, Axis.PROXY,
        ),
        (
            {"floors": {"samples": 5000}},
            "on paper-eval, at least 5,000 samples", f"verify sign RECORD; {RUN}", Axis.PAPER_EVAL,
        ),
        (
            {"axis": "paper-eval", "floors": {"samples": 50}, "produce": "draw {samples} {seeds}"},
            "on paper-eval, at least 50 samples",
            f"draw 50 {{seeds}}; verify sign RECORD; {RUN}", Axis.PAPER_EVAL,
        ),
        ({"axis": "smoke", "produce": "draw"}, "on smoke", f"draw; {RUN}", Axis.SMOKE),
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", [None, verdict(Outcome.UNKNOWN)])
def test_a_number_is_asked_for_on_its_axis_with_its_floors_its_remedy_and_its_command(
    needs: dict[str, Any], text: str, command: str, axis: Axis, before: Verdict | None
) -> None:
    outcomes = {} if before is None else {"THING-003": before}
    (leaf,) = leaves(claim(**needs), [FIGURE], outcomes)
    text = f"THING-003 needs a number {text}: Count again."
    floors = Floors(**needs.get("floors", {}))
    wanted = Leaf(LeafKind.EVIDENCE, "THING-003", text, command, "", axis, floors)
    assert leaf == wanted


@pytest.mark.parametrize(
    ("outcome", "wanted"),
    [
        (None, (LeafKind.CLAUSE, "THING-001 has to pass: Count again.")),
        (Outcome.FAIL, (LeafKind.CLAUSE, "THING-001 has to pass: Count again.")),
        (Outcome.WAIVED,
         (LeafKind.WAIVER, "THING-001 has to pass without its waiver: Count again.")),
    ],
)  # fmt: skip
def test_a_clause_has_to_pass_and_its_waiver_has_to_go(
    outcome: Outcome | None, wanted: tuple[LeafKind, str]
) -> None:
    outcomes = {} if outcome is None else {"THING-001": verdict(outcome)}
    kind, text = wanted
    go = "remove it from contracts/waivers.yaml; " if outcome is Outcome.WAIVED else ""
    command = f"{go}verify run THING-001"
    assert leaves(claim(), [clause(1)], outcomes) == (Leaf(kind, "THING-001", text, command),)


def test_falsifiers_have_to_run_and_those_that_survived_to_turn_it_red() -> None:
    item = clause(1, falsifiers=["thing.two_for_one", {"thing.two_for_one": {"by": 0.1}}])
    survived, other = (one.label for one in item.falsifiers)
    run = FalsifierRun("THING-001", survived, PASS)
    found = Evidence((item,), {"THING-001": PASS}, (run,), "thing")
    pack = pack_of([item], [claim()])
    none = replace(found, falsifiers=())
    (reason,) = only(pack, none).reasons
    assert reason == f"falsifiers of THING-001 did not run: {survived}, {other}"
    told = Leaves(Needs(clauses=("THING-*",)), Floors(), pack, found)
    assert told.survivor(item, survived) == Leaf(
        LeafKind.FALSIFIER, "THING-001",
        f"the check of THING-001 has to turn red under {survived}", "verify run THING-001",
        survived,
    )  # fmt: skip
    assert told.untried(item) == Leaf(
        LeafKind.FALSIFIER, "THING-001", "the falsifiers of THING-001 have to run",
        "verify run THING-001",
    )  # fmt: skip
    _, after = with_leaves([told.survivor(item, survived)], pack, found)
    assert after.falsifiers == (FalsifierRun("THING-001", survived, RED),)
    _, after = with_leaves([told.untried(item)], pack, found)
    assert after.falsifiers == (run, FalsifierRun("THING-001", other, RED))


def test_falsifiers_that_have_yet_to_run_kill_in_the_order_of_their_labels() -> None:
    by = [{"thing.two_for_one": {"by": by}} for by in (5.0, 3.0, 1.0, 4.0, 2.0)]
    item = clause(1, falsifiers=by)
    found = Evidence((item,), {"THING-001": PASS}, (), "thing")
    pack = pack_of([item], [claim()])
    (one,) = leaves(claim(), [item], {"THING-001": verdict(Outcome.FAIL)})
    _, after = with_leaves([one], pack, found)
    assert [run.label for run in after.falsifiers] == []
    _, after = with_leaves([replace(one, kind=LeafKind.FALSIFIER)], pack, found)
    labels = [run.label for run in after.falsifiers]
    assert labels == sorted(f.label for f in item.falsifiers)
    assert all(run.killed for run in after.falsifiers)


@pytest.mark.parametrize(
    ("there", "text", "step"),
    [
        (True, "DEC-0001 has to be settled",
         "settle specs/decisions/DEC-0001.md with its evidence"),
        (False, "DEC-0001 has to be written and settled", "write specs/decisions/DEC-0001.md"),
    ],
)  # fmt: skip
def test_a_decision_has_to_be_settled_and_written_first_where_there_is_none(
    there: bool, text: str, step: str
) -> None:
    records = [decision("proposed")] if there else []
    other = decision("deferred", name="DEC-0002")
    pack = pack_of([clause(1)], [claim(decisions=["DEC-0001"])], *records, other)
    found = evidence([clause(1)], {"THING-001": PASS})
    leaf = Leaf(LeafKind.DECISION, "DEC-0001", text, f"{step}; verify decisions lint")
    told = Leaves(pack.claims[0].needs, Floors(), pack, found)
    assert told.decision("DEC-0001", next(iter(records), None)) == leaf
    after, same = with_leaves([leaf], pack, found)
    assert same is found
    settled = {one.id: one.status for one in after.decisions}
    assert settled == {"DEC-0001": DecisionStatus.ACCEPTED, "DEC-0002": DecisionStatus.DEFERRED}
    assert [one.id for one in after.decisions].count("DEC-0001") == 1
    if there:
        (kept, _) = after.decisions
        assert kept == records[0].model_copy(update={"status": DecisionStatus.ACCEPTED})


def test_evidence_has_to_be_about_the_subject_of_the_sentence_and_changes_only_that() -> None:
    item = clause(1)
    other = evidence([item], {"THING-001": PASS}, subject="other")
    pack = pack_of([item], [claim()])
    leaf = Leaves(pack.claims[0].needs, Floors(), pack, other).subject("CLAIM-THING")
    assert leaf == Leaf(
        LeafKind.SUBJECT, "thing", "the evidence has to be about thing",
        "verify run claim:CLAIM-THING --subject thing",
    )  # fmt: skip
    assert with_leaves([leaf], pack, other) == (pack, replace(other, subject="thing"))


# -- numbers that have to be signed ---------------------------------------------------------------

UNSIGNED = replace(verdict(Outcome.PASS, Axis.PAPER_EVAL, samples=5000), backing=())
SIGN = "the records of THING-003 have to be signed, their figures computed again"


@pytest.mark.parametrize(
    ("records", "named"),
    [([], "RECORD"), (["one.json"], "one.json"),
     (["one.json", "two words.json"], "one.json 'two words.json'")],
)  # fmt: skip
@pytest.mark.parametrize("outcome", [Outcome.PASS, Outcome.WAIVED])
def test_records_of_a_number_that_stands_have_to_be_signed_each_by_its_name(
    records: list[str], named: str, outcome: Outcome
) -> None:
    backing = tuple(replace(backed("fid", name=one), envelope="") for one in records)
    number = replace(UNSIGNED, outcome=outcome, backing=backing)
    item, pack = FIGURE, pack_of([FIGURE], [claim(axis="paper-eval", floors={"samples": 5000})])
    leaf = Leaf(LeafKind.SIGNATURE, "THING-003", SIGN, f"verify sign {named}; {RUN}")
    assert leaves(pack.claims[0], [item], {"THING-003": number}) == (leaf,)
    found = evidence([item], {"THING-003": number})
    same, after = with_leaves([leaf], pack, found)
    assert (same, after) == (pack, replace(found, supposed=frozenset({"THING-003"})))


@pytest.mark.parametrize(
    "number",
    [
        replace(UNSIGNED, outcome=Outcome.FAIL),
        replace(UNSIGNED, axis=Axis.REPO_EVAL),
        verdict(Outcome.PASS, Axis.PAPER_EVAL, samples=4999),
        replace(UNSIGNED, provenance=replace(UNSIGNED.provenance, samples=4999)),
    ],
    ids=["it fails", "weaker axis", "too few", "too few, unsigned"],
)
def test_a_number_that_a_signature_alone_would_not_carry_has_to_be_measured(
    number: Verdict,
) -> None:
    wanted = claim(axis="paper-eval", floors={"samples": 5000})
    result = about(wanted, [FIGURE], {"THING-003": number})
    assert ways(result) == [("evidence", "THING-003")]
    assert result.unlock is not None
    assert (result.unlock.tier, result.unlock.scope) == (Tier.A, Scope.ALLOWED)


def test_a_clause_that_passes_again_is_not_signed_by_that() -> None:
    failing = replace(UNSIGNED, outcome=Outcome.FAIL)
    result = about(claim(axis="proxy"), [FIGURE], {"THING-003": failing})
    assert ways(result) == [("clause", "THING-003")]
    assert result.unlock is not None
    assert (result.unlock.tier, result.unlock.scope) == (Tier.C, Scope.ALLOWED)


# -- a situation in which a clause passes ---------------------------------------------------------


def leaf(kind: LeafKind, axis: Axis | None = None, **floors: Any) -> Leaf:
    return Leaf(kind, "THING-003", "t", "c", axis=axis, floors=Floors(**floors))


@pytest.mark.parametrize(
    ("one", "before", "axis", "known"),
    [
        (leaf(LeafKind.CLAUSE), None, Axis.PAPER_EVAL, {}),
        (leaf(LeafKind.CLAUSE), verdict(Outcome.ERROR), Axis.PAPER_EVAL, {}),
        (leaf(LeafKind.WAIVER), verdict(Outcome.WAIVED, Axis.PROXY, seeds=2), Axis.PROXY,
         {"seeds": 2}),
        (leaf(LeafKind.EVIDENCE, Axis.REPO_EVAL), verdict(Outcome.FAIL, Axis.PROXY),
         Axis.REPO_EVAL, {}),
        (leaf(LeafKind.EVIDENCE, Axis.SMOKE, samples=5000),
         verdict(Outcome.UNKNOWN, Axis.PROXY, seeds=2, samples=10), Axis.SMOKE,
         {"seeds": 2, "samples": 5000}),
    ],
)  # fmt: skip
def test_a_clause_passes_where_it_was_measured_or_is_asked_for_and_its_falsifiers_kill(
    one: Leaf, before: Verdict | None, axis: Axis, known: dict[str, Any]
) -> None:
    other = FalsifierRun("THING-001", "thing.two_for_one", RED)
    old = FalsifierRun("THING-003", "thing.two_for_one", PASS)
    outcomes = {"THING-001": PASS} | ({} if before is None else {"THING-003": before})
    found = Evidence((clause(1), FIGURE), outcomes, (other, old), "thing")
    pack = pack_of((clause(1), FIGURE), [claim()])
    same, after = with_leaves([one], pack, found)
    assert same is pack
    expected = replace(
        verdict(Outcome.PASS, axis, **known), reason="it passes", cause=Reason.JUDGED,
        backing=() if before is None else before.backing,
    )  # fmt: skip
    assert after.verdicts == {"THING-001": PASS, "THING-003": expected}
    killed = FalsifierRun("THING-003", "thing.two_for_one", RED)
    assert after.falsifiers == (other, killed)
    measured_anew = one.kind is LeafKind.EVIDENCE
    assert after.supposed == (frozenset({"THING-003"}) if measured_anew else frozenset())


def test_a_pass_that_is_measured_anew_keeps_the_falsifiers_that_it_had() -> None:
    survivor = FalsifierRun("THING-003", "thing.two_for_one", PASS)
    number = verdict(Outcome.PASS, Axis.PROXY)
    found = Evidence((FIGURE,), {"THING-003": number}, (survivor,), "thing")
    pack = pack_of([FIGURE], [claim()])
    _, after = with_leaves([leaf(LeafKind.EVIDENCE, Axis.PAPER_EVAL)], pack, found)
    assert after.runs("THING-003") == (survivor,)
    assert after.outcome("THING-003") is Outcome.PASS

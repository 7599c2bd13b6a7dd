"""Claims that could mislead by their very wording or can never be met are refused by lint."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import MiniPack, claim, clause, decision

CLAIMS = "contracts/claims.yaml"
NUMBER = "The {subject} is right: {measured} on {axis}."
SPOKEN = "On repo-eval only, the {subject} is nearly right: {measured}."
SHA = "a" * 64


def bounded_by(mini: MiniPack, needs: dict[str, Any]) -> list[tuple[str, str]]:
    """What lint says where the bounded form has these needs."""
    return stated(mini, form={"needs": needs})


def stated(
    mini: MiniPack,
    needs: dict[str, Any] | None = None,
    form: dict[str, Any] | None = None,
    **changes: Any,
) -> list[tuple[str, str]]:
    """What lint says of a claim with a metric clause and a bounded form; changes go to the form."""
    mini.clauses = [clause(1), clause(2, kind="metric", axis="paper-eval")]
    strict = {"axis": "paper-eval", "floors": {"samples": 50_000, "seeds": 3}, **(needs or {})}
    bounded = {
        "bound": "on repo-eval only", "sentence": SPOKEN,
        "needs": {"clauses": ["THING-*"], "axis": "repo-eval", "floors": {"samples": 5000}},
        **(form or {}),
        **changes,
    }  # fmt: skip
    mini.claims = [{**claim(**strict), "sentence": NUMBER, "bounded": bounded}]
    mini.save()
    return [(problem.path, problem.found) for problem in mini.problems()]


def test_a_claim_with_floors_and_a_bounded_form_is_sound(mini: MiniPack) -> None:
    assert stated(mini) == []


def test_a_bounded_sentence_that_is_the_strict_one(mini: MiniPack) -> None:
    found = stated(mini, sentence=f"  {NUMBER.replace('The', 'the')} ")
    assert ("claims[0].bounded.sentence", "the strict sentence") in found


def test_a_bounded_sentence_that_does_not_name_its_bound(mini: MiniPack) -> None:
    assert stated(mini, sentence="The {subject} is nearly right.") == [
        ("claims[0].bounded.sentence", "no 'on repo-eval only'")
    ]


def test_a_bound_that_the_strict_sentence_names_too(mini: MiniPack) -> None:
    assert stated(mini, bound="is", sentence="It is so, repo-eval.") == [
        ("claims[0].bounded.bound", "'is', which the strict sentence says too"),
        ("claims[0].bounded.bound", "no repo-eval"),
    ]


def test_a_bound_that_leaves_out_the_axis(mini: MiniPack) -> None:
    found = stated(mini, bound="nearly right")
    assert found == [("claims[0].bounded.bound", "no repo-eval")]


@pytest.mark.parametrize(
    "needs",
    [
        {"axis": "paper-eval", "floors": {"samples": 50_000, "seeds": 3}},
        {"axis": "paper-eval", "floors": {"samples": 60_000}},
        {"axis": "repo-eval", "floors": {"samples": 60_000}},
        {"axis": "repo-eval", "floors": {"extractor_sha256": SHA}},
    ],
)
def test_a_bounded_form_that_asks_for_as_much_as_the_strict_one(
    mini: MiniPack, needs: dict[str, Any]
) -> None:
    found = bounded_by(mini, {"clauses": ["THING-*"], **needs})
    assert found == [("claims[0].bounded.needs", "as much evidence as the strict form needs")]


@pytest.mark.parametrize(
    ("needs", "path", "found"),
    [
        ({"conflicts": ["CONF-009"]}, "conflicts[0]", "the conflict CONF-009"),
        ({"decisions": ["DEC-0009"]}, "decisions[0]", "the decision DEC-0009"),
        ({"floors": {"samples": {"fact": "book:thing.none"}}}, "floors",
         "book:thing.none: found None; expected a whole number above zero"),
        ({"floors": {"samples": {"fact": "book:thing.one"}}}, "floors",
         "book:thing.one: found 1.0; expected a whole number above zero"),
        ({"floors": {"samples": {"fact": "book:thing.one", "column": "B"}}}, "floors",
         "book:thing.one of B: found None; expected a whole number above zero"),
        ({"clauses": ["THING-001"], "floors": {}}, "axis",
         "paper-eval, and no clause that measures"),
    ],
)  # fmt: skip
def test_needs_that_refer_to_nothing(
    mini: MiniPack, needs: dict[str, Any], path: str, found: str
) -> None:
    assert (f"claims[0].needs.{path}", found) in stated(mini, needs)


def test_floors_of_a_claim_that_measures_nothing(mini: MiniPack) -> None:
    mini.claims = [claim(clauses=["THING-001"], floors={"samples": 5})]
    ((path, found),) = [(problem.path, problem.found) for problem in mini.save().problems()]
    assert (path, found) == ("claims[0].needs.floors", "floors, and no clause that measures")


def test_an_axis_that_a_clause_is_not_stated_for(mini: MiniPack) -> None:
    mini.clauses = [clause(1, kind="metric", axis="proxy")]
    mini.claims = [claim(axis="repo-eval")]
    ((path, found),) = [(problem.path, problem.found) for problem in mini.save().problems()]
    assert (path, found) == ("claims[0].needs.axis", "repo-eval; THING-001 has proxy")


def test_a_claim_cannot_ask_for_a_quoted_figure(mini: MiniPack) -> None:
    mini.claims = [claim(axis="external")]
    (problem,) = mini.save().problems()
    assert problem.path == "claims[0].needs.axis"
    assert "what others state supports no claim of ours" in problem.expected


def test_a_count_in_a_sentence_needs_a_floor(mini: MiniPack) -> None:
    mini.clauses = [clause(1, kind="metric", axis="proxy")]
    mini.claims = [{**claim(axis="proxy"), "sentence": "Right on {samples} samples."}]
    ((path, found),) = [(problem.path, problem.found) for problem in mini.save().problems()]
    assert (path, found) == ("claims[0].sentence", "the word {samples}")


def test_evidence_about_other_semantics_is_never_named(mini: MiniPack) -> None:
    mini.clauses = [clause(1, semantics="paper")]
    mini.claims = [{**claim(), "semantics": "reference"}]
    ((path, found),) = [(problem.path, problem.found) for problem in mini.save().problems()]
    assert (path, found) == ("claims[0].semantics", "reference; THING-001 is about paper")


def test_a_single_forbidden_word_would_forbid_honest_sentences(mini: MiniPack) -> None:
    mini.claims = [{**claim(), "forbids": ["state of the art", "FID"]}]
    ((path, found),) = [(problem.path, problem.found) for problem in mini.save().problems()]
    assert (path, found) == ("claims[0].forbids[1]", "FID")


def test_a_claim_on_a_conflict_waits_for_its_decision(mini: MiniPack) -> None:
    conflict = {
        "id": "CONF-001", "topic": "thing.one", "kind": "silence", "between": ["book", "talk"],
        "decision": "DEC-0001", "summary": "One or two.",
    }  # fmt: skip
    mini.data("specs/conflicts.yaml", {"schema": "verify/conflicts/1", "conflicts": [conflict]})
    mini.write("specs/decisions/DEC-0001.md", decision(conflicts=["CONF-001"]))
    mini.claims = [claim(conflicts=["CONF-001"])]
    assert mini.save().problems() == ()

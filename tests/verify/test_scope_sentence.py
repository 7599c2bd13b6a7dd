"""The words of a sentence, each filled with what the evidence says, and with what it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from verify.mutate.rate import Rate
from verify.outcome import Axis, Outcome
from verify.run.results import Verdict
from verify.scope import Scope
from verify.spec.model import Claim, Clause

from .situations import claim, clause, evidence, metric, only, pack_of, verdict

PLAIN = clause(1)
FIGURE, OTHER = metric(3, Axis.PROXY), metric(4, Axis.SMOKE)
EXACT = clause(5, tolerance={"exact": True, "basis": "whole numbers"})
PASS, NUMBER = verdict(Outcome.PASS), verdict(Outcome.PASS, Axis.PROXY)
Found = tuple[Clause, Verdict]


def sentence(
    text: str, outcomes: Sequence[Found], written: Claim | None = None,
    rates: Mapping[str, Rate] | None = None,
) -> str:  # fmt: skip
    """What a claim with this text says of clauses that all pass."""
    said = (written or claim()).model_copy(update={"sentence": text})
    clauses = [item for item, _ in outcomes]
    found = evidence(clauses, {item.id: one for item, one in outcomes})
    result = only(pack_of(clauses, [said]), replace(found, detection=rates))
    assert result.scope is Scope.ALLOWED, result.reasons
    return result.sentence


def measured(value: Any, unit: str = "", axis: Axis = Axis.PROXY, **known: int) -> Verdict:
    return replace(verdict(Outcome.PASS, axis, **known), measured=value, unit=unit)


@pytest.mark.parametrize(
    ("outcomes", "text"),
    [
        ([(PLAIN, PASS)], "none"),
        ([(FIGURE, measured(1.25, "FID"))], "1.25 FID"),
        ([(FIGURE, measured(3))], "3 units"),
        ([(FIGURE, measured(0.123456, ""))], "0.123 units"),
        ([(FIGURE, measured(None))], "none"),
        ([(FIGURE, measured("nan"))], "none"),
        ([(FIGURE, measured(2.0, "FID")), (OTHER, measured(7, "s"))], "2 FID, 7 s"),
        ([(FIGURE, measured("inf")), (OTHER, measured(7, "s"))], "none, 7 s"),
    ],
)
def test_numbers_are_said_with_their_units_and_what_is_no_number_is_none(
    outcomes: list[Found], text: str
) -> None:
    assert sentence("{measured}", outcomes) == text


def test_what_is_filled_in_is_filled_no_further() -> None:
    """A unit is a check's own text; it picks nothing of the evidence for the sentence."""
    odd = [(FIGURE, measured(1.25, "{detection} {steps}"))]
    assert sentence("{measured} of {needed}", odd) == "1.25 {detection} {steps} of 1"


@pytest.mark.parametrize(
    ("outcomes", "text"),
    [
        ([(PLAIN, PASS)], "none"),
        ([(PLAIN, measured("nan"))], "none"),
        ([(EXACT, measured(3.0))], "none"),
        ([(PLAIN, measured(0.25))], "0.5"),
        ([(PLAIN, measured(1))], "2"),
        ([(PLAIN, measured(0.0))], "0"),
        ([(PLAIN, measured(0.05)), (FIGURE, measured(0.123)), (EXACT, measured(9.0))], "0.25"),
    ],
)
def test_the_worst_is_the_largest_share_of_a_tolerance(outcomes: list[Found], text: str) -> None:
    assert sentence("{worst}", outcomes) == text


@pytest.mark.parametrize(
    ("outcomes", "axis"),
    [
        ([(PLAIN, PASS)], "none"),
        ([(FIGURE, NUMBER)], "proxy"),
        ([(FIGURE, NUMBER), (OTHER, verdict(Outcome.PASS, Axis.SMOKE))], "smoke"),
    ],
)
def test_the_axis_is_the_weakest_of_its_numbers_or_none(outcomes: list[Found], axis: str) -> None:
    assert sentence("{axis} of {passed}/{needed}", outcomes) == (
        f"{axis} of {len(outcomes)}/{len(outcomes)}"
    )


@pytest.mark.parametrize("name", ["samples", "seeds", "steps", "images_seen"])
def test_of_what_stands_behind_numbers_the_least_is_said_and_nothing_of_what_is_unknown(
    name: str,
) -> None:
    unknown, text = "an unknown number of", f"{{{name}}}"
    assert sentence(text, [(PLAIN, PASS)]) == unknown
    assert sentence(text, [(FIGURE, measured(1.0, **{name: 50_000}))]) == "50,000"
    two = [(FIGURE, measured(1.0, **{name: 50_000})), (OTHER, measured(1.0, **{name: 1234}))]
    assert sentence(text, two) == "1,234"
    assert sentence(text, [two[0], (OTHER, measured(1.0))]) == unknown


@pytest.mark.parametrize(("stated", "text"), [(None, "reference"), ("paper", "paper")])
def test_semantics_that_are_not_stated_are_those_of_the_reference(
    stated: str | None, text: str
) -> None:
    written = claim().model_copy(update={"semantics": stated})
    assert sentence("{semantics}, {subject}", [(PLAIN, PASS)], written) == (f"{text}, thing")


def test_rates_are_said_of_the_contracts_that_the_form_asks_about() -> None:
    rates = {name: Rate(judged=count) for name, count in (("A", 2), ("B", 3), ("C", 4))}
    passing = [(PLAIN, PASS)]
    asked = claim(detection={"contracts": ["C", "A"], "at_least": 0.9, "tried": 2})
    told = f"C {rates['C'].line()}; A {rates['A'].line()}"
    assert sentence("{detection}", passing, asked, rates) == told
    assert sentence("{detection}", passing, claim(), rates) == "none"
    assert sentence("{detection}", passing, claim()) == "none"

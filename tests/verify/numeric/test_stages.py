"""Comparing stage by stage: what differs first is named, and nothing that differs agrees."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.api import CheckContext, Outcome
from verify.numeric.arrays import worst_of
from verify.numeric.stages import Comparison

NAN, INF = math.nan, math.inf


def context(tolerance: float | None = 1.0) -> CheckContext:
    return CheckContext("THING-001", None, {}, tolerance, {}, Path())


def held(found: Any, expected: Any, *allowed: float, **rule: Any) -> Comparison:
    comparison = Comparison()
    comparison.hold("one", found, expected, *allowed, **rule)
    return comparison


def test_the_entry_that_is_off_most_is_named_with_what_is_allowed_there() -> None:
    comparison = held([[1.0, 2.0], [3.5, 4.0]], [[1.0, 2.1], [3.0, 4.0]], 0.25)
    assert comparison.sentence() == "first differing stage one: off by 0.5 at [1, 0], allowed 0.25"
    assert comparison.worst_ratio == 2.0


def test_absolute_and_relative_parts_add_up_entry_by_entry() -> None:
    expected = np.array([0.0, 1.0, -100.0])
    assert held(expected + np.array([0.1, 0.2, 10.1]), expected, 0.1, relative=0.1).worst_ratio == (
        pytest.approx(1.0)
    )
    comparison = held(expected + np.array([0.0, 0.3, 10.0]), expected, 0.1, relative=0.1)
    assert "off by 0.3 at [1], allowed 0.2" in comparison.sentence()


@pytest.mark.parametrize(
    ("found", "expected", "remark"),
    [
        ([NAN, 1.0], [NAN, 2.0], "off by 1 at [1], allowed 0.5"),
        ([1.0, NAN], [1.0, 2.0], "found nan at [1], expected 2"),
        ([1.0, 2.0], [1.0, NAN], "found 2 at [1], expected nan"),
        ([INF], [-INF], "found inf at [0], expected -inf"),
        ([1.0], [INF], "found 1 at [0], expected inf"),
        ([INF], [1.0], "found inf at [0], expected 1"),
        (NAN, 1.0, "found nan, expected 1"),
        ([1.0, 2.0], [[1.0, 2.0]], "shape [2], expected [1, 2]"),
        ([], [1.0], "shape [0], expected [1]"),
        (None, [1.0], "not recorded by the subject"),
    ],
)
def test_what_differs_is_said_and_is_no_pass(found: Any, expected: Any, remark: str) -> None:
    comparison = held(found, expected, 0.5)
    assert comparison.sentence() == f"first differing stage one: {remark}"
    assert comparison.judge(context()).outcome is Outcome.FAIL


@pytest.mark.parametrize("same", [[NAN, 1.0, INF, -INF], 0.0, [], [[], []]])
def test_what_is_the_same_is_not_off_even_where_nothing_is_allowed(same: Any) -> None:
    assert held(same, same).worst_ratio == 0.0


def test_an_infinity_is_not_excused_by_a_relative_tolerance() -> None:
    assert held([5.0], [INF], relative=0.1).worst_ratio == INF
    assert held([-INF], [INF], relative=0.1).worst_ratio == INF


def test_a_dtype_is_held_where_one_is_asked_for() -> None:
    value = np.zeros(2, dtype=np.float32)
    assert held(value, value, dtype="float32").worst_ratio == 0.0
    assert "dtype float32, expected float64" in held(value, value, dtype="float64").sentence()
    assert "dtype float, expected float32" in held(0.0, value, dtype="float32").sentence()


def test_the_first_difference_is_not_the_worst_one() -> None:
    comparison = held(1.0, 1.0, 1.0)
    comparison.hold("two", 3.0, 1.0, 1.0)
    comparison.put("three", NAN)
    assert (comparison.first_difference, comparison.worst_stage) == ("two", "three")
    outer = Comparison()
    outer.add(comparison, "step0/")
    assert outer.first_difference == "step0/two"
    assert list(outer.stages) == ["step0/one", "step0/two", "step0/three"]


def test_comparing_nothing_is_no_agreement() -> None:
    found = Comparison().judge(context(), "case")
    assert (found.outcome, found.reason) == (Outcome.FAIL, "case: nothing was compared")


def test_a_judgement_keeps_both_arrays_of_the_first_difference_and_speaks_json() -> None:
    comparison = held([1.0, 9.0], [1.0, 2.0], 0.5)
    comparison.hold("two", None, 1.0)
    judged = comparison.judge(context())
    assert set(judged.files) == {"expected.npy", "got.npy"}
    assert judged.details["over_tolerance"] == {"one": 14.0, "two": None}
    assert held(1.0, 1.5, 1.0).judge(context()).files == {}


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5), st.integers(0, 4))
def test_any_change_beyond_what_is_allowed_is_seen(values: list[float], place: int) -> None:
    expected = np.array(values)
    found = expected.copy()
    found[place % len(values)] += 0.02
    assert held(found, expected, 0.01).first_difference == "one"
    assert held(found, expected, 0.03).first_difference is None


@pytest.mark.parametrize("errors", [{"a": NAN, "b": 0.1}, {"a": 0.1, "b": NAN}, {"a": INF}])
def test_no_error_hides_behind_a_nan(errors: dict[str, float]) -> None:
    judged = context().judge_worst(errors, "errors")
    assert judged.outcome is Outcome.FAIL
    assert judged.measured == INF


def test_the_worst_of_several_errors_is_named_and_none_at_all_is_unknown() -> None:
    judged = context().judge_worst({"a": 0.25, "b": 0.5}, "errors", unit="units")
    assert judged.outcome is Outcome.PASS
    assert (judged.measured, judged.reason) == (0.5, "errors: 0.5 at b, the most of 2")
    assert context().judge_worst({}, "errors").outcome is Outcome.UNKNOWN


def test_the_worst_of_errors_is_a_nan_wherever_it_stands_and_none_is_no_pass() -> None:
    assert [worst_of(errors) for errors in ([1.0, 3.0], [NAN, 1.0], [1.0, NAN])] == [3.0, INF, INF]
    with pytest.raises(ValueError, match="empty"):
        worst_of([])

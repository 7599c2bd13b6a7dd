"""Numbers on different evidence axes do not meet, at run time and under mypy."""

from __future__ import annotations

import operator
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.figures.axes import (
    MARKS,
    AxisError,
    External,
    Measured,
    PaperEval,
    Proxy,
    above,
    best_first,
    mean,
    measured,
)
from verify.outcome import Axis, Outcome
from verify.problems import PackError
from verify.prose.evidence import Evidence, KnownClaim
from verify.prose.page import Sentence
from verify.prose.paraphrase import says_more
from verify.report.model import ClauseView
from verify.scope import Scope

from .conftest import Finished, MiniPack, clause, run_pack

OPERATIONS = [
    operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne, operator.add,
    operator.sub,
]  # fmt: skip
ROOT = Path(__file__).parents[2]
finite = st.floats(-1e6, 1e6)
axes = st.sampled_from(list(Axis))


def on(value: float, axis: Axis = Axis.PROXY, metric: str = "fid", **more: Any) -> Measured[Any]:
    return measured(value, axis, metric, **more)


@pytest.mark.parametrize("operation", OPERATIONS)
@given(finite, finite, axes, axes)
@settings(max_examples=30)
def test_every_operation_works_on_one_axis_and_is_refused_across_two(
    operation: Callable[[Any, Any], Any], a: float, b: float, one: Axis, other: Axis
) -> None:
    if one is other:
        found = operation(on(a, one), on(b, other))
        value = found.value if isinstance(found, Measured) else found
        assert value == operation(a, b)
    else:
        with pytest.raises(AxisError, match=r"\[.*\] beside .*\[.*\]; expected .* only; remedy: "):
            operation(on(a, one), on(b, other))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_bare_number_is_refused_on_either_side(operation: Callable[[Any, Any], Any]) -> None:
    for pair in ((on(1.0), 1.0), (1.0, on(1.0)), (on(1.0), 1)):
        with pytest.raises(AxisError, match="the bare number 1"):
            operation(*pair)


def test_another_metric_on_the_same_axis_is_refused_too() -> None:
    with pytest.raises(AxisError, match=r"accuracy 0\.9 .*; expected fid only"):
        _ = on(1.0) < on(0.9, metric="accuracy")


def test_an_error_tells_place_found_expected_and_remedy() -> None:
    with pytest.raises(AxisError) as refused:
        _ = on(1.5, Axis.PAPER_EVAL, place="EVAL-1") < on(2.5, Axis.SMOKE)
    assert str(refused.value) == (
        "EVAL-1: found fid 2.5 [smoke] beside fid 1.5 [paper-eval]; expected numbers on paper-eval "
        "only; remedy: measure on the same axis; a calibration (`verify calibrate`) ranks "
        "follow-up work, no more"
    )


def test_sorting_and_extremes_are_refused_across_axes() -> None:
    mixed = [on(1.0), on(2.0, Axis.PAPER_EVAL), on(3.0)]
    for call in (sorted, min, max):
        with pytest.raises(AxisError):
            call(mixed)
    with pytest.raises(AxisError):
        best_first(mixed, better="lower")
    with pytest.raises(AxisError):
        mean(mixed)
    with pytest.raises(AxisError, match="bare number 0"):
        sum([on(1.0), on(2.0)])


@given(st.lists(finite, min_size=1, max_size=8))
@settings(max_examples=50)
def test_order_and_average_are_those_of_the_values(values: list[float]) -> None:
    numbers = [on(value, count=10, seeds=(at,)) for at, value in enumerate(values)]
    assert best_first(numbers, better="lower") == sorted(range(len(values)), key=values.__getitem__)
    highest = best_first(numbers, better="higher")
    assert [values[at] for at in highest] == sorted(values, reverse=True)
    average = mean(numbers)
    assert average.value == pytest.approx(sum(values) / len(values), abs=1e-6)
    assert (average.count, average.seeds) == (10 * len(values), tuple(range(len(values))))
    assert average.axis is Proxy


def test_a_metric_without_order_has_no_best() -> None:
    with pytest.raises(AxisError, match="better 'near 1'"):
        best_first([on(1.0)], better="near 1")
    with pytest.raises(AxisError, match="found none"):
        best_first([], better="lower")


def test_only_a_paper_eval_number_stands_beside_a_quoted_one() -> None:
    quoted = on(1.54, Axis.EXTERNAL)
    assert above(on(1.75, Axis.PAPER_EVAL), quoted) == pytest.approx(0.21)
    for axis in set(Axis) - {Axis.PAPER_EVAL}:
        with pytest.raises(AxisError, match=r"beside fid 1\.54"):
            above(on(1.75, axis), quoted)
    for axis in set(Axis) - {Axis.EXTERNAL}:
        with pytest.raises(AxisError, match="expected ours on paper-eval and one quoted"):
            above(on(1.75, Axis.PAPER_EVAL), on(1.54, axis))


@pytest.mark.parametrize("label", [None, "", "historical", "paper", "PROXY", "paper_eval"])
def test_a_number_without_a_known_axis_is_no_number(label: str | None) -> None:
    with pytest.raises(AxisError, match="expected one of paper-eval, repo-eval, proxy, smoke"):
        measured(1.0, label, "fid", place="record.json")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "1.0", None])
def test_a_value_is_a_finite_number(value: Any) -> None:
    with pytest.raises(AxisError):
        measured(value, "proxy", "fid")


def test_every_axis_has_one_mark() -> None:
    assert list(MARKS) == list(Axis)
    assert len(set(MARKS.values())) == len(Axis)


def test_equal_numbers_hash_alike_and_axes_keep_them_apart_in_a_set() -> None:
    assert len({on(1.0), on(1.0), on(2.0)}) == 2
    assert hash(on(1.0)) != hash(on(1.0, Axis.SMOKE))


SNIPPET = """
from verify.figures.axes import Measured, PaperEval, External, Proxy, above, best_first, mean
a = Measured(1.0, PaperEval, "fid")
b = Measured(2.0, Proxy, "fid")
q = Measured(1.54, External, "fid")
a < a, a - a, mean([b, b]), best_first([b], better="lower"), above(a, q)
{wrong}
"""
WRONG = ["a < b", "a >= b", "a + b", "b - a", "a < 1.0", "1.0 + a", "above(b, q)", "above(a, b)",
         "mean([a, b])", "best_first([a, b], better='lower')"]  # fmt: skip


def test_mypy_sees_what_the_values_refuse(tmp_path: Path) -> None:
    """One run over all snippets: each wrong line is an error, and nothing else is."""
    good = SNIPPET.format(wrong="")
    text = good + "\n".join(WRONG) + "\n"
    first = good.count("\n") + 1
    (tmp_path / "snippet.py").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--follow-imports=silent",
         "--config-file=", f"--cache-dir={tmp_path / 'cache'}", str(tmp_path / "snippet.py")],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    lines = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    assert lines == set(range(first, first + len(WRONG))), done.stdout


# -- where numbers enter --------------------------------------------------------------------------

METRIC = """
    from verify.api import check

    @check("odd.labelled")
    def labelled(ctx):
        return ctx.judge(0.25, "a number", unit="fid", axis={axis})
"""


def metric_pack(mini: MiniPack, axis: str, **changes: Any) -> MiniPack:
    mini.write("contracts/bindings/odd.py", METRIC.format(axis=axis))
    within = {"value": 0.5, "unit": "fid", "basis": "halfway to one"}
    mini.clauses = [
        clause(1, kind="metric", check="odd.labelled", axis="proxy", tolerance=within, **changes)
    ]
    return mini.save()


def test_a_metric_check_without_a_label_is_an_error_not_a_pass(
    mini: MiniPack, tmp_path: Path
) -> None:
    view = run_pack(metric_pack(mini, "None"), tmp_path / "reports").report.clauses[0]
    assert view.outcome is Outcome.ERROR
    assert "measured a number on no axis" in view.reason


def test_what_an_authority_states_is_never_measured(mini: MiniPack, tmp_path: Path) -> None:
    """Neither by a check nor by a contract: such a number cannot reach a claim."""
    pack = metric_pack(mini, "'external'")
    view = run_pack(pack, tmp_path / "reports").report.clauses[0]
    assert view.outcome is Outcome.ERROR
    assert "on external, not on a measured axis" in view.reason
    pack.clauses[0]["axis"] = "external"
    with pytest.raises(PackError, match="somebody else is a fact, never evidence"):
        pack.save().load()


def test_the_report_refuses_a_score_without_a_label(mini: MiniPack, tmp_path: Path) -> None:
    view = run_pack(metric_pack(mini, "'proxy'"), tmp_path / "reports").report.clauses[0]
    assert str(view.number) == "fid 0.25 [proxy]"
    data = view.model_dump()
    with pytest.raises(ValueError, match=r"measured 0\.25 on no axis"):
        ClauseView.model_validate({**data, "measured_axis": None})
    with pytest.raises(ValueError, match="measured_axis"):
        ClauseView.model_validate({**data, "measured_axis": "historical"})


def test_every_rendered_metric_shows_its_axis(mini: MiniPack, tmp_path: Path) -> None:
    bundle = run_pack(metric_pack(mini, "'proxy'"), tmp_path / "reports").bundle
    assert "| 0.25 fid [proxy] |" in (bundle / "report.md").read_text(encoding="utf-8")
    assert "0.25 fid [proxy]" in (bundle / "report.html").read_text(encoding="utf-8")


def test_the_same_value_on_another_axis_is_a_finding_of_diff(
    mini: MiniPack, tmp_path: Path
) -> None:
    from verify.report.difference import compare

    found: list[Finished] = [
        run_pack(metric_pack(mini, axis), tmp_path / "reports") for axis in ("'proxy'", "'smoke'")
    ]
    change = compare(found[0].bundle, found[1].bundle)[0]
    assert (change.before, change.after) == ("pass 0.25 fid [proxy]", "pass 0.25 fid [smoke]")


def test_a_quoted_number_keeps_its_type() -> None:
    assert measured(1.54, "external", "fid").axis is External
    assert measured(1.54, "paper-eval", "fid").axis is PaperEval


def test_a_bound_measured_on_a_weak_axis_carries_no_sentence_that_does_not_name_it() -> None:
    """The smoke run differs by 0.1; that supports nothing about the figures themselves."""
    own = "On the smoke axis the loss differs by at most 0.1."
    claim = KnownClaim("CLAIM-X", "The loss differs little", own, Scope.ALLOWED, axis=Axis.SMOKE)
    evidence = Evidence("b", "thing", claims=(claim,))
    bare, named = (Sentence(f"The loss differs by at most 0.1{on}.") for on in ("", " (smoke)"))
    said = "its evidence is on the smoke axis, which the text does not name"
    assert says_more(bare, claim, evidence) == said
    assert says_more(named, claim, evidence) is None
    assert says_more(bare, replace(claim, axis=Axis.PAPER_EVAL), evidence) is None

"""A check that says two things has said nothing: number, axis and reason fit the outcome."""

from __future__ import annotations

from pathlib import Path

import pytest

from verify.outcome import Outcome, Reason
from verify.report.bundle import check

from .conftest import MiniPack, clause, run_pack

CHECK = """
    from verify.api import Measurement, Outcome, check

    @check("odd.says")
    def says(ctx):
        return {expression}
"""
WITHIN = {"value": 0.5, "unit": "units", "basis": "halfway to two"}
EXACT = {"exact": True, "basis": "it is so or it is not"}


def judged(mini: MiniPack, reports: Path, expression: str, **changes: object) -> tuple[str, ...]:
    """(outcome, cause, reason) of a clause whose check returns this; its bundle holds."""
    mini.write("contracts/bindings/odd.py", CHECK.format(expression=expression))
    mini.clauses = [clause(1, check="odd.says", **changes)]
    finished = run_pack(mini.save(), reports)
    view = check(finished.bundle).clauses[0]
    return view.outcome, view.cause, view.reason


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("ctx.decide(True, 'fine', measured=99.0)",
         "passed with a measured 99, more than the tolerance 0.5 of its clause"),
        ("ctx.decide(True, 'fine', measured=0.5000001)", "passed with a measured 0.5"),
        ("Measurement('pass', 'fine', measured=2**63)", "passed with a measured 9.22337e+18"),
        ("Measurement(Outcome.PASS, 'fine', measured=False)", "measured is a bool, not a number"),
        ("Measurement(Outcome.FAIL, 'so', cause='waiver')", "says fail by waiver; expected judged"),
        ("Measurement(Outcome.PASS, 'so', cause='domain')", "says pass by domain"),
        ("ctx.missing('no time', cause='interrupted')", "says unknown by interrupted; expected"),
        ("ctx.missing('none', cause='check_raised')", "says unknown by check_raised"),
    ],
)  # fmt: skip
def test_what_does_not_fit_its_outcome_is_an_error(
    mini: MiniPack, tmp_path: Path, expression: str, said: str
) -> None:
    """Nor is it evidence that a check of bundles refuses, as a check's own waiver was."""
    outcome, cause, reason = judged(mini, tmp_path / "reports", expression)
    assert (outcome, cause) == (Outcome.ERROR, Reason.CHECK_RAISED)
    assert said in reason


@pytest.mark.parametrize(
    ("expression", "tolerance", "outcome"),
    [
        ("ctx.decide(True, 'fine', measured=0.5)", WITHIN, Outcome.PASS),
        ("ctx.decide(True, 'fine', measured=-7)", WITHIN, Outcome.PASS),
        ("ctx.decide(True, 'fine')", WITHIN, Outcome.PASS),
        ("ctx.decide(True, 'fine', measured=99.0)", EXACT, Outcome.PASS),
        ("ctx.decide(False, 'so', measured=0.1)", WITHIN, Outcome.FAIL),
        ("ctx.missing('none', cause='dependency_missing')", WITHIN, Outcome.UNKNOWN),
    ],
)
def test_what_fits_stands(
    mini: MiniPack, tmp_path: Path, expression: str, tolerance: object, outcome: Outcome
) -> None:
    """A check may fail what it measured within the tolerance: it knows more than one number."""
    found = judged(mini, tmp_path / "reports", expression, tolerance=tolerance)
    assert found[0] is outcome


def test_a_metric_clause_passes_by_a_number_alone(mini: MiniPack, tmp_path: Path) -> None:
    """A claim fills its sentence with that number; it was allowed, saying `FID none`."""
    for at, (expression, outcome) in enumerate(
        [("ctx.decide(True, 'fine', axis='proxy')", Outcome.ERROR),
         ("ctx.decide(False, 'not so', axis='proxy')", Outcome.FAIL),
         ("ctx.decide(True, 'fine', axis='proxy', measured=0.25)", Outcome.PASS)]
    ):  # fmt: skip
        found = judged(mini, tmp_path / f"{at}", expression, kind="metric", axis="proxy")
        assert found[0] is outcome
        assert outcome is not Outcome.ERROR or "passed a metric clause without" in found[2]


@pytest.mark.parametrize(
    ("stated", "said", "outcome"),
    [
        ("FID", "FID", Outcome.PASS),
        ("FID", "", Outcome.PASS),
        ("", "FID", Outcome.PASS),
        ("FID", "percent", Outcome.ERROR),
        ("FID", "fid", Outcome.ERROR),
    ],
)
def test_a_metric_is_measured_in_the_unit_that_its_clause_states(
    mini: MiniPack, tmp_path: Path, stated: str, said: str, outcome: Outcome
) -> None:
    """Half a percent is within a tolerance of 0.5, and no FID."""
    found = judged(
        mini, tmp_path / "reports", f"ctx.judge(0.25, 'so', axis='proxy', unit={said!r})",
        kind="metric", axis="proxy", tolerance={"value": 0.5, "unit": stated, "basis": "half"},
    )  # fmt: skip
    assert found[0] is outcome
    assert outcome is Outcome.PASS or "and its clause states 'FID'" in found[2]

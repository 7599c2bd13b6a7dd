"""The kept run on digits of 28 x 28: the weights beside its record draw its samples again."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.subjects.engine import drift_subject
from tests.contracts.reading import registered_in
from verify.api import CheckContext, Measurement, Outcome

ROOT = Path(__file__).parents[2]
REGISTERED = registered_in("run")


def drawn_again() -> Measurement:
    context = CheckContext(
        clause_id="MNIST-001", subject=drift_subject(), params={"runs": 1, "template": "mnist"},
        tolerance=1.0, facts={}, specs_dir=ROOT / "specs",
        evidence_dir=ROOT / "reports/evaluations",
    )  # fmt: skip
    found: Measurement = REGISTERED["check", "digits_trace.drawn_again"](context)
    return found


@pytest.mark.nightly  # half a minute of one processor
def test_the_kept_run_is_drawn_again_from_its_weights() -> None:
    found = drawn_again()
    assert found.outcome is Outcome.PASS, found.reason
    assert found.provenance["seeds"] == 1


@pytest.mark.nightly
@pytest.mark.parametrize("mutant", ["other_weights", "other_encoder", "typed_components"])
def test_what_was_not_drawn_by_these_weights_is_red(mutant: str) -> None:
    with REGISTERED["mutant", f"digits_trace.{mutant}"](None):
        assert drawn_again().outcome is Outcome.FAIL

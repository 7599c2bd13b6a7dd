"""Learning rates: the recorded values, the joints between the pieces, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from drift.errors import DriftError
from drift.schedule import learning_rate

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"
RECORD = json.loads((GOLDEN / "lr_schedule.json").read_text())
USUAL = {"base": 2e-4, "warmup_steps": 10, "total_steps": 100}


@pytest.mark.parametrize("case", sorted(RECORD["specs"]))
def test_the_rate_equals_the_recording(case: str) -> None:
    spec, trace = RECORD["specs"][case], load_file(GOLDEN / "lr_schedule.safetensors")
    base = spec["learning_rate"]
    got = [
        learning_rate(
            int(step),
            base=base,
            warmup_steps=spec["warmup_steps"],
            total_steps=spec["total_steps"],
            kind=spec["lr_schedule"],
        )
        for step in trace[f"{case}/steps"]
    ]
    error = np.abs(np.array(got) - trace[f"{case}/lr"].astype(np.float64)).max()
    assert error <= RECORD["tolerance_allowed"]["rel_of_peak"] * base


def test_the_first_update_uses_one_millionth_and_not_zero() -> None:
    assert learning_rate(0, kind="const", **USUAL) == 1e-6


def test_the_warm_up_ends_exactly_at_the_base_rate() -> None:
    assert learning_rate(9, kind="const", **USUAL) < 2e-4
    assert learning_rate(10, kind="const", **USUAL) == 2e-4
    assert learning_rate(10, kind="cosine", **USUAL) == 2e-4


def test_a_constant_rate_ignores_the_end_of_training() -> None:
    assert {learning_rate(s, kind="const", **USUAL) for s in (10, 99, 100, 10**9)} == {2e-4}


def test_a_cosine_stays_at_its_floor_after_the_end() -> None:
    rates = [learning_rate(s, kind="cosine", **USUAL) for s in (100, 101, 10**9)]
    assert rates == pytest.approx([2e-10] * 3, rel=1e-9)
    assert learning_rate(50, kind="cos", **USUAL) == learning_rate(50, kind="cosine", **USUAL)


def test_no_warm_up_starts_at_the_base_rate() -> None:
    assert learning_rate(0, base=0.1, warmup_steps=0, total_steps=0, kind="const") == 0.1


def test_a_cosine_shorter_than_its_warm_up_does_not_divide_by_zero() -> None:
    assert learning_rate(10, base=0.1, warmup_steps=10, total_steps=5, kind="cosine") == 0.1


@pytest.mark.parametrize("step", [np.int64(3), torch.tensor(3), 3.0])
def test_whole_numbers_of_other_libraries_are_steps(step: int) -> None:
    assert learning_rate(step, kind="const", **USUAL) == learning_rate(3, kind="const", **USUAL)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"step": -1}, "learning_rate: step"),
        ({"step": 0.5}, "learning_rate: step"),
        ({"step": float("nan")}, "learning_rate: step"),
        ({"warmup_steps": -1}, "learning_rate: warmup_steps"),
        ({"total_steps": float("inf")}, "learning_rate: total_steps"),
        ({"base": 0.0}, "learning_rate: base"),
        ({"base": float("nan")}, "learning_rate: base"),
        ({"kind": "linear"}, "one of const, cosine, cos"),
    ],
)
def test_a_bad_argument_is_named(changed: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"step": 1, "kind": "const", **USUAL, **changed}
    with pytest.raises(DriftError, match=message):
        learning_rate(**arguments)  # type: ignore[arg-type]

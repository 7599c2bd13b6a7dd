"""The float64 oracle against hand computations, finite differences and the recordings."""

from __future__ import annotations

import ast
import json
import math
from pathlib import Path

import numpy as np
import pytest

from contracts.common import golden, oracle
from contracts.loss.recorded import compare_oracle

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "specs/golden"
DRIFT_CASES = sorted(path.stem for path in GOLDEN.glob("drift_*.json"))


def case_of(name: str) -> golden.Case:
    return golden.load_case(GOLDEN / f"{name}.safetensors")


def test_the_oracle_imports_neither_torch_nor_the_engine() -> None:
    allowed = {"__future__", "math", "collections.abc", "dataclasses", "typing"}
    allowed |= {"numpy", "numpy.typing", "verify.numeric.arrays"}
    for module in ("contracts/common/oracle.py", "verify/numeric/arrays.py"):
        source = (ROOT / module).read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                assert {alias.name for alias in node.names} <= allowed
            if isinstance(node, ast.ImportFrom):
                assert node.module in allowed


def test_the_loss_of_one_point_and_one_positive_by_hand() -> None:
    # x = 0, y = 4: the masked self and y at distances clip and 4; their mean is the scale.
    result = oracle.trace_loss([[[0.0]]], [[[4.0]]], temperatures=(0.2,))
    scale = (1e-4 + 4.0) / 2
    assert result.info["scale"] == pytest.approx(scale, rel=1e-14)
    # softmax over targets: all on y; the column softmax of one row is 1: A = (1e-3, 1).
    raw = 1e-3 * 1.0 * (4.0 / scale)  # c_y (y - x), and c_x = -c_y
    assert result.stages["R0.2/force_raw"].item() == pytest.approx(raw, rel=1e-12)
    assert result.info["loss_0.2"] == pytest.approx(raw**2, rel=1e-12)
    assert result.loss.item() == pytest.approx(1.0, rel=1e-12)
    assert result.gradient.item() == pytest.approx(-2.0 / scale, rel=1e-12)


def test_its_gradient_is_the_slope_of_the_regression_onto_the_frozen_goal() -> None:
    rng = np.random.default_rng(0)
    gen, pos, neg = (rng.normal(size=(2, k, 3)) for k in (4, 5, 2))
    result = oracle.trace_loss(
        gen, pos, neg, {"neg": [[0.0, 3.0], [1.0, 0.5]]}, temperatures=(0.02, 0.05, 0.2)
    )
    c, goal = result.stages["scale_inputs"], result.stages["goal_scaled"]
    step = 1e-6
    for index in ((0, 0, 0), (1, 3, 2)):
        moved = np.zeros_like(gen)
        moved[index] = step
        losses = [np.mean(((gen + s * moved) / c - goal) ** 2, axis=(1, 2)).sum() for s in (1, -1)]
        slope = (losses[0] - losses[1]) / (2 * step)
        assert slope == pytest.approx(result.gradient[index], rel=1e-6)


@pytest.mark.parametrize("name", DRIFT_CASES)
def test_it_reproduces_the_recorded_float64_figures_within_a_tenth(name: str) -> None:
    against_64, _ = compare_oracle(case_of(name))
    assert against_64.worst_ratio <= 0.1, against_64.sentence()


@pytest.mark.parametrize("name", sorted(set(DRIFT_CASES) - {"drift_equilibrium"}))
def test_it_reproduces_the_recorded_loss_and_gradient_within_a_tenth(name: str) -> None:
    _, against_32 = compare_oracle(case_of(name))
    assert against_32.worst_ratio <= 0.1, against_32.sentence()


def test_coincident_clouds_are_recorded_with_the_noise_of_their_expansion() -> None:
    # The distances of the pairs x_i = y_i are pure rounding in the float32 recording, so that the
    # exact value is a fifth of the tolerance away; the float64 figures agree (above).
    _, against_32 = compare_oracle(case_of("drift_equilibrium"))
    assert 0.1 < against_32.worst_ratio < 0.25


def test_the_field_of_two_points_by_hand() -> None:
    a = math.exp(-1) / (math.exp(-1) + math.exp(-2))
    v = oracle.drifting_field([[0.0]], [[1.0]], [[-2.0]], temperature=1.0, normalize="y")
    assert v.item() == pytest.approx(a * (1 - a) * 3, rel=1e-14)


def test_alpha_is_the_recorded_one_within_a_tenth_of_the_tolerance_or_its_noise() -> None:
    case = case_of("cfg_sampling")
    allowed = golden.recorded_tolerance(case, "abs")
    for stage in case.stages:
        prefix = stage.removesuffix("/cfg")
        power, share = (float(part.lstrip("pwnocfg")) for part in prefix.split("_")[:2])
        got = oracle.sample_alpha(
            case.arrays[f"{prefix}/frac"],
            power=power,
            minimum=1.0,
            maximum=4.0,
            point_mass=share,
            u_point=case.arrays[f"{prefix}/frac2"],
        )
        noise = case.meta["self_check"][prefix]["official_vs_f64"]
        error = np.max(np.abs(got - case.arrays[stage]))
        assert error <= max(0.1 * allowed, 1.01 * noise), stage


def test_the_schedule_is_the_recorded_one() -> None:
    case = case_of("lr_schedule")
    for name, spec in case.meta["specs"].items():
        check = case.meta["self_check"][name]
        got = [
            oracle.learning_rate(
                step,
                base=spec["learning_rate"],
                warmup_steps=spec["warmup_steps"],
                total_steps=spec["total_steps"],
                kind=spec["lr_schedule"],
            )
            for step in check["steps"]
        ]
        assert got == pytest.approx(check["lr_f64"], rel=1e-12)


def test_the_unconditional_weight_is_that_of_the_recipe() -> None:
    w = oracle.uncond_weight([1.0, 2.0, 4.0], generated=64, unconditional=16)
    assert w.tolist() == [0.0, 63 / 16, 3 * 63 / 16]
    assert oracle.uncond_weight([2.0], generated=3, unconditional=0).tolist() == [2.0]


def test_a_comparison_names_the_first_stage_that_differs() -> None:
    case = case_of("drift_plain")
    got = {stage: np.array(case.arrays[stage]) for stage in case.stages}
    got["step32/R0.05/sum_pos"] = got["step32/R0.05/sum_pos"] + 1.0
    got["step32/loss"] = got["step32/loss"] * np.nan
    comparison = golden.compare(case, got, golden.stage_rule(case))
    assert comparison.first_difference == "step32/R0.05/sum_pos"
    assert comparison.worst_stage == "step32/loss"
    assert "first differing stage step32/R0.05/sum_pos: off by 1" in comparison.sentence()


def test_a_missing_or_misshapen_stage_is_a_difference() -> None:
    case = case_of("drift_plain")
    got = {stage: case.arrays[stage] for stage in case.stages[2:]}
    got[case.stages[1]] = np.zeros((2, 2))
    comparison = golden.compare(case, got, golden.stage_rule(case))
    assert comparison.first_difference == case.stages[0]
    assert [comparison.stages[stage].remark for stage in case.stages[:2]] == [
        "not recorded by the subject",
        "shape [2, 2], expected []",
    ]
    assert comparison.worst_ratio == math.inf


def test_comparing_nothing_is_not_agreement() -> None:
    case = case_of("drift_plain")
    comparison = golden.compare(case, {}, golden.stage_rule(case), stages=[])
    assert comparison.worst_ratio == math.inf
    assert comparison.sentence() == "nothing was compared"


def test_parameters_of_another_file_are_merged_under_the_cases_own() -> None:
    cases = [
        path.stem
        for path in GOLDEN.glob("mae_*.json")
        if json.loads(path.read_text(encoding="utf-8")).get("params_file")
    ]
    assert cases
    case = case_of(cases[0])
    assert case.group("params")

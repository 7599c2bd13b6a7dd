"""Guidance scales: the recorded values, the closed form, the ends of the range, refusals."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from drift import cfg
from drift.errors import DriftError

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"
RANGE = {"minimum": 1.0, "maximum": 4.0}


def recorded() -> list[tuple[str, dict[str, float]]]:
    stages = json.loads((GOLDEN / "cfg_sampling.json").read_text())["stages"]
    pattern = re.compile(r"pw([\d.]+)_nocfg([\d.]+)_range([\d.]+)-([\d.]+)/cfg")
    names = ("power", "point_mass", "minimum", "maximum")
    cases = []
    for stage in stages:
        found = pattern.fullmatch(stage)
        assert found
        cases.append((stage, dict(zip(names, map(float, found.groups()), strict=True))))
    return cases


@pytest.mark.parametrize(("stage", "arguments"), recorded())
def test_alpha_equals_the_recording(stage: str, arguments: dict[str, float]) -> None:
    trace = load_file(GOLDEN / "cfg_sampling.safetensors")
    allowed = json.loads((GOLDEN / "cfg_sampling.json").read_text())["tolerance_allowed"]["abs"]
    prefix = stage.removesuffix("cfg")
    got = cfg.sample_alpha(trace[prefix + "frac"], u_point=trace[prefix + "frac2"], **arguments)
    assert got.dtype == torch.float32
    assert float((got - trace[stage]).abs().max()) <= allowed


@pytest.mark.parametrize("power", [0.0, 1.0, 1.0 + 1e-9, 2.5, 3.0, 5.0, 60.0])
def test_the_cumulative_share_below_alpha_is_u(power: float) -> None:
    u = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    alpha = cfg.sample_alpha(u, power=power, minimum=0.5, maximum=3.0)
    pw = 1.0 - power
    if abs(pw) < 1e-6:
        share = (alpha / 0.5).log() / math.log(6.0)
    else:
        share = (alpha**pw - 0.5**pw) / (3.0**pw - 0.5**pw)
    # alpha moves by at most its rounding; the share moves by that times the density.
    assert torch.allclose(share, u, atol=1e-8, rtol=0.0)


@pytest.mark.parametrize("power", [1.0, 3.0, 5.0, 13.0, 500.0])
def test_the_ends_of_the_uniforms_are_the_ends_of_the_range(power: float) -> None:
    got = cfg.sample_alpha(torch.tensor([0.0, 1.0]), power=power, minimum=1.1, maximum=3.7)
    assert torch.equal(got, torch.tensor([1.1, 3.7]))


def test_a_range_of_one_point_gives_that_point() -> None:
    got = cfg.sample_alpha(torch.rand(20), power=3.0, minimum=2.0, maximum=2.0)
    assert torch.equal(got, torch.full((20,), 2.0))


def test_the_point_mass_is_one_even_outside_the_range_and_spares_the_rest() -> None:
    u, u_point = torch.tensor([0.2, 0.2, 0.2]), torch.tensor([0.0, 0.4999, 0.5])
    arguments = {"power": 3.0, "minimum": 2.0, "maximum": 4.0}
    got = cfg.sample_alpha(u, point_mass=0.5, u_point=u_point, **arguments)
    assert got.tolist()[:2] == [1.0, 1.0]
    assert torch.equal(got[2:], cfg.sample_alpha(u[2:], **arguments))


def test_alpha_of_one_has_exactly_no_unconditional_weight() -> None:
    w = cfg.uncond_weight(torch.ones(3), generated=64, unconditional=16)
    assert torch.equal(w, torch.zeros(3))


def test_the_weight_is_the_excess_times_the_ratio_of_negatives() -> None:
    w = cfg.uncond_weight(torch.tensor([1.5, 4.0]), generated=64, unconditional=16)
    assert torch.equal(w, torch.tensor([0.5 * 63 / 16, 3.0 * 63 / 16]))
    no_negatives = cfg.uncond_weight(torch.tensor([2.0]), generated=5, unconditional=0)
    assert torch.equal(no_negatives, torch.tensor([4.0]))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"u": torch.tensor([0.5, 1.5, float("nan")])}, "2 of 3 values outside"),
        ({"minimum": 0.0}, "0 < minimum <= maximum"),
        ({"minimum": 4.5}, "0 < minimum <= maximum"),
        ({"maximum": float("inf")}, "0 < minimum <= maximum"),
        ({"power": float("nan")}, "finite numbers"),
        ({"power": -600.0}, "range of float64"),
        ({"point_mass": 1.01}, r"a share in \[0, 1\]"),
        ({"point_mass": float("nan")}, r"a share in \[0, 1\]"),
        ({"point_mass": 0.5}, "None with point_mass=0.5"),
        ({"point_mass": 0.5, "u_point": torch.rand(4)}, r"shape \(4,\)"),
        ({"point_mass": 0.5, "u_point": torch.full((3,), -0.1)}, "u_point: found 3 of 3"),
    ],
)
def test_a_bad_argument_is_named(changed: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"u": torch.rand(3), "power": 3.0, **RANGE, **changed}
    with pytest.raises(DriftError, match=message):
        cfg.sample_alpha(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("alpha", "generated", "unconditional"), [(1.5, 0, 4), (1.5, 4, -1), (float("nan"), 4, 4)]
)
def test_a_weight_without_meaning_is_refused(
    alpha: float, generated: int, unconditional: int
) -> None:
    with pytest.raises(DriftError, match="uncond_weight"):
        cfg.uncond_weight(torch.tensor([alpha]), generated=generated, unconditional=unconditional)

"""Initial parameters of the masked autoencoder against the recorded statistics."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import norm, truncnorm
from torch import Tensor

from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.interop.encoder_layout import encoder_to_reference

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"
RECORD = json.loads((GOLDEN / "init_stats_mae.json").read_text())
LAW = truncnorm(-2.0, 2.0)
KERNELS = {path: stats for path, stats in RECORD["stats"].items() if path.endswith("/kernel")}
CONSTANTS = {path: stats for path, stats in RECORD["stats"].items() if path not in KERNELS}
FALSE_ALARM = 1e-6


def drawn(seed: int) -> dict[str, Tensor]:
    config = EncoderConfig.from_reference(RECORD["model_config"])
    generator = torch.Generator().manual_seed(seed)
    model = MaskedAutoencoder(config, generator=generator)
    return encoder_to_reference(model.state_dict(), config)


@pytest.fixture(scope="module")
def parameters() -> dict[str, Tensor]:
    return drawn(0)


def scale_of(stats: dict[str, Any]) -> float:
    """Standard deviation before truncation: 1 / sqrt(fan-in) after it."""
    return 1.0 / (math.sqrt(math.prod(stats["shape"][:-1])) * float(LAW.std()))


@pytest.mark.parametrize("path", KERNELS)
def test_the_recorded_statistics_are_those_of_the_law(path: str) -> None:
    """Independent of the engine: the law that the engine is held to is the recorded one."""
    stats, count = KERNELS[path], math.prod(KERNELS[path]["shape"])
    scale = scale_of(stats)
    z = float(norm.isf(FALSE_ALARM / (4 * len(KERNELS))))
    excess = float(LAW.stats("k"))
    assert abs(stats["mean"]) < z * scale / math.sqrt(count)
    relative = abs(stats["std"] / (scale * float(LAW.std())) - 1)
    assert relative < z * math.sqrt((excess + 2) / (4 * count))
    assert max(-stats["min"], stats["max"]) <= 2 * scale * (1 + 1e-5)


@pytest.mark.parametrize("path", KERNELS)
def test_a_kernel_has_the_recorded_spread_and_cut(path: str, parameters: dict[str, Tensor]) -> None:
    """Standard deviation against the recorded one; false-alarm rate 1e-6 over all kernels."""
    stats, values = KERNELS[path], parameters[path].double()
    z = float(norm.isf(FALSE_ALARM / (2 * len(KERNELS))))
    excess = float(LAW.stats("k"))
    error = math.sqrt(2 * (excess + 2) / (4 * values.numel()))
    assert abs(math.log(float(values.std(correction=0)) / stats["std"])) < z * error
    assert float(values.abs().max()) <= 2 * scale_of(stats) * (1 + 1e-6)


@pytest.mark.parametrize("path", CONSTANTS)
def test_norms_start_at_one_and_biases_at_zero(path: str, parameters: dict[str, Tensor]) -> None:
    expected = torch.full_like(parameters[path], CONSTANTS[path]["mean"])
    assert torch.equal(parameters[path], expected)


def test_every_parameter_has_recorded_statistics(parameters: dict[str, Tensor]) -> None:
    assert {path: list(value.shape) for path, value in parameters.items()} == {
        path: stats["shape"] for path, stats in RECORD["stats"].items()
    }


def test_a_seed_gives_the_same_parameters_and_leaves_the_global_state_alone() -> None:
    state = torch.get_rng_state()
    first, second, other = drawn(1), drawn(1), drawn(2)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[path], second[path]) for path in first)
    assert not any(torch.equal(first[path], other[path]) for path in KERNELS)


def test_no_two_kernels_share_their_draws(parameters: dict[str, Tensor]) -> None:
    starts = {tuple(parameters[path].flatten()[:4].tolist()) for path in KERNELS}
    assert len(starts) == len(KERNELS)

"""How far float32 is from the float64 oracle, beside how far the reference's recordings are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from contracts.common import golden, oracle
from drift.loss import drift_loss

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"
CASES = sorted(path.stem for path in GOLDEN.glob("drift_*.safetensors"))
# Half a unit in the last place of the largest entry is as good as float32 can be. A distance is
# rounded by as much, and a loss depends on distances over 0.02.
GRADIENT_ROUNDING = 6.0e-8
LOSS_ROUNDING = 1.0e-6


def clouds(case: golden.Case, offset: float = 0.0) -> dict[str, Any]:
    """The recorded inputs, all samples moved by the same offset."""
    return {
        name: value if name.startswith("weight_") else np.float32(value + np.float32(offset))
        for name, value in case.group("in").items()
        if name in ("gen", "pos", "neg", "weight_gen", "weight_pos", "weight_neg")
    }


def exact(given: dict[str, Any], temperatures: list[float]) -> oracle.Result:
    weights = {name: given.get(f"weight_{name}") for name in ("gen", "pos", "neg")}
    return oracle.trace_loss(
        given["gen"], given["pos"], given.get("neg"), weights, temperatures=temperatures
    )


def ours(given: dict[str, Any], temperatures: list[float], kernel: str) -> tuple[Any, Any]:
    tensors = {name: torch.from_numpy(value) for name, value in given.items()}
    gen = tensors.pop("gen").requires_grad_()
    loss, _ = drift_loss(
        gen, tensors.pop("pos"), tensors.pop("neg", None), temperatures=temperatures, **tensors,
        kernel=kernel,
    )  # fmt: skip
    loss.sum().backward()
    assert gen.grad is not None
    return loss.detach().numpy(), gen.grad.numpy()


def off(found: Any, expected: Any) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("kernel", ["plain", "compiled"])
@pytest.mark.parametrize("name", CASES)
def test_float32_is_no_farther_from_the_oracle_than_the_recording(name: str, kernel: str) -> None:
    case = golden.load_case(GOLDEN / f"{name}.safetensors")
    given, temperatures = clouds(case), case.meta["R_list"]
    expected = exact(given, temperatures)
    loss, gradient = ours(given, temperatures, kernel)
    recorded = off(case.arrays["out/grad_gen"], expected.gradient)
    assert off(gradient, expected.gradient) <= max(recorded, GRADIENT_ROUNDING)
    recorded = off(case.arrays["out/loss"], expected.loss)
    assert off(loss, expected.loss) <= max(recorded, LOSS_ROUNDING)


@pytest.mark.parametrize("kernel", ["plain", "compiled"])
@pytest.mark.parametrize("name", ["drift_plain", "drift_cfg_table8"])
def test_clouds_far_from_the_origin_lose_what_their_float32_coordinates_lose(
    name: str, kernel: str
) -> None:
    """|x|^2 + |y|^2 - 2 x y about the origin would be off by more than the force itself."""
    case = golden.load_case(GOLDEN / f"{name}.safetensors")
    given, temperatures = clouds(case, offset=1000.0), case.meta["R_list"]
    expected = exact(given, temperatures)
    _, gradient = ours(given, temperatures, kernel)
    assert off(gradient, expected.gradient) <= 5.0e-6

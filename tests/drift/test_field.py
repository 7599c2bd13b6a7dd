"""The drifting field. Its laws are clauses (contracts/field); here: cases and refusals."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from drift.errors import InputError
from drift.field import drifting_field


def test_two_points_by_hand() -> None:
    # x = 0, one positive at 1, one negative at -2, tau = 1, softmax over y only.
    a_pos = math.exp(-1) / (math.exp(-1) + math.exp(-2))
    v = drifting_field(
        torch.zeros(1, 1),
        torch.ones(1, 1),
        torch.full((1, 1), -2.0),
        temperature=1.0,
        normalize="y",
    )
    expected = a_pos * (1 - a_pos) * (1 - (-2))
    assert v.item() == pytest.approx(expected, rel=1e-6)


def test_without_normalisation_the_weights_are_products_of_kernels() -> None:
    v = drifting_field(
        torch.zeros(1, 2),
        torch.tensor([[3.0, 4.0]]),
        torch.tensor([[0.0, -1.0]]),
        temperature=2.0,
        normalize="none",
    )
    weight = math.exp(-5 / 2) * math.exp(-1 / 2)
    assert v[0].tolist() == pytest.approx([weight * 3.0, weight * 5.0], rel=1e-6)


def test_a_sample_between_its_masked_self_and_a_positive_is_only_pulled_by_others() -> None:
    x = torch.tensor([[0.0], [10.0]])
    v = drifting_field(x, torch.tensor([[1.0]]), x, temperature=1.0, mask_self=True, normalize="y")
    assert v[0].item() < 0  # y+ - y- = 1 - 10: its only negative is the other sample
    assert v[1].item() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_result_has_the_dtype_of_the_input_even_inside_autocast(dtype: torch.dtype) -> None:
    x, y = torch.randn(4, 3, dtype=dtype), torch.randn(5, 3, dtype=dtype)
    plain = drifting_field(x, y, x, temperature=0.5, mask_self=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = drifting_field(x, y, x, temperature=0.5, mask_self=True)
    assert inside.dtype == plain.dtype == dtype
    assert torch.equal(inside, plain)


def test_the_field_carries_no_gradient() -> None:
    x = torch.randn(3, 2, requires_grad=True)
    assert not drifting_field(
        x, torch.randn(2, 2), torch.randn(2, 2), temperature=1.0
    ).requires_grad


def call(**changed: Any) -> None:
    arguments = {
        "x": torch.zeros(3, 2),
        "y_pos": torch.ones(4, 2),
        "y_neg": torch.ones(5, 2),
        "temperature": 1.0,
    }
    drifting_field(**(arguments | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": torch.zeros(3)}, r"x: found shape \[3\]; expected \[samples, features\]"),
        ({"y_pos": torch.zeros(0, 2)}, r"y_pos: found shape \[0, 2\]"),
        ({"y_neg": torch.zeros(5, 3)}, r"y_neg: found shape \[5, 3\]; expected \[5, 2\]"),
        ({"x": torch.zeros(3, 2).half()}, r"x: found torch.float16; expected float32 or float64"),
        ({"y_pos": torch.ones(4, 2).double()}, r"y_pos: found torch.float64; .*x is torch.float32"),
        ({"temperature": 0.0}, r"temperature: found 0.0; expected a finite number above 0"),
        ({"temperature": math.inf}, r"temperature: found inf"),
        ({"normalize": "x"}, r"normalize: found 'x'; expected xy or y or none"),
        ({"mask_self": True}, r"mask_self: found y_neg of shape \[5, 2\]; .*mask_self=False"),
    ],
)
def test_what_does_not_fit_is_named(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(**changed)

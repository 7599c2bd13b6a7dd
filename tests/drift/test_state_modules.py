"""How AdamW and the averages of a model are carried out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from drift.state import modules


def test_one_pass_of_adamw_is_for_parameters_that_lie_as_their_moments_do() -> None:
    model = nn.Conv2d(3, 4, 3)
    assert modules.fused(model) is True
    assert modules.fused(model.to(memory_format=torch.channels_last)) is None
    assert modules.fused(nn.Linear(2, 3, device="meta")) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_averages_follow_their_formula(dtype: torch.dtype) -> None:
    draw = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 2)).to(dtype)
    ema = modules.averages(model, (0.9, 0.999))
    expected = {decay: {k: v.clone() for k, v in held.items()} for decay, held in ema.items()}
    for _ in range(3):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=draw).to(dtype))
        modules.average(model, ema)
        for decay, held in expected.items():
            for name, parameter in model.named_parameters():
                held[name] = held[name] * decay + parameter.detach() * (1 - decay)
    for decay, held in expected.items():
        for name, value in held.items():
            assert torch.allclose(ema[decay][name], value, rtol=1e-5, atol=1e-7)

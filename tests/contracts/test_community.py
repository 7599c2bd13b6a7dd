"""The recorded departures: each alone is one, and none undoes another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from contracts.artifact import cases as artifact_cases
from contracts.subjects.community import DEPARTURES, departed
from contracts.subjects.engine import drift_subject
from drift import schedule
from drift.loss import drift_loss
from verify.spec.pack import load

ROOT = Path(__file__).parents[2]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def loss() -> Tensor:
    """Loss and gradient of two classes with weighted negatives, two samples far from all others."""
    gen = drawn(2, 6, 3)
    gen[:, :2] += 9.0
    gen.requires_grad_()
    weight = torch.linspace(0.5, 3.0, 8, dtype=torch.float64).reshape(2, 4)
    value, _ = drift_loss(gen, drawn(2, 5, 3, seed=1), drawn(2, 4, 3, seed=2), weight_neg=weight)
    value.sum().backward()
    assert gen.grad is not None
    return torch.cat([value.detach().reshape(-1), gen.grad.reshape(-1)])


def rate() -> Tensor:
    steps = (0, 5, 50, 99)
    spec = {"base": 1.0, "warmup_steps": 10, "total_steps": 100, "kind": "const"}
    return torch.tensor([schedule.learning_rate(step, **spec) for step in steps])  # type: ignore[arg-type]


def moved(model: nn.Module) -> nn.Module:
    """The model with no parameter at a value, such as one or zero, that hides what it does."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def samples() -> Tensor:
    model = moved(artifact_cases.generator())
    style = torch.tensor([[1, 3], [2, 0]])
    out: Tensor = model(drawn(2, 4, 8, 8).float(), torch.tensor([1, 7]), torch.ones(2), style)
    return out.detach()


def features() -> Tensor:
    model = moved(artifact_cases.autoencoder(width=64))
    image = drawn(2, 4, 32, 32).float()
    mask = torch.zeros(2, 1, 32, 32)
    loss, _ = model(image, torch.tensor([0, 3]), mask=mask, lambda_cls=0.5)
    return loss.detach()  # type: ignore[no-any-return]


SEEN: dict[str, Callable[[], Tensor]] = {
    "drifting_loss": loss,
    "optimizer": rate,
    "generator": samples,
    "encoder": features,
}


def seen(topic: str, departures: list[str]) -> Tensor:
    """What the part shows in which the departure is made."""
    with departed(drift_subject(), departures):
        return SEEN[topic.partition(".")[0]]()


@pytest.mark.parametrize("topic", DEPARTURES)
def test_each_departure_alone_is_one(topic: str) -> None:
    assert not torch.allclose(seen(topic, []), seen(topic, [topic]), rtol=1e-6)


@pytest.mark.parametrize("topic", DEPARTURES)
def test_each_departure_is_in_force_beside_all_others(topic: str) -> None:
    others = [name for name in DEPARTURES if name != topic]
    assert not torch.allclose(seen(topic, list(DEPARTURES)), seen(topic, others), rtol=1e-6)


@pytest.mark.parametrize("topic", DEPARTURES)
def test_the_engine_is_as_it_was_afterwards(topic: str) -> None:
    before = seen(topic, [])
    seen(topic, list(DEPARTURES))
    assert torch.equal(before, seen(topic, []))


def test_each_departure_is_recorded_of_the_reproduction() -> None:
    pack = load(ROOT).pack
    assert not [topic for topic in DEPARTURES if pack.fact(f"community:{topic}") is None]

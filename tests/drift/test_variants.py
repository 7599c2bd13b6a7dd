"""Variants of the loss: off unless they are named, and each what it is called."""

from __future__ import annotations

import pytest
import torch

from drift import kernels, loss, pairs, trace, variants
from drift.errors import InputError
from drift.semantics import REFERENCE
from drift.toy.ablation import attraction_only_loss
from drift.train.config import TrainConfig


def drawn(*shape: int) -> torch.Tensor:
    """The same numbers in every run, from 0 to 1."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def clouds() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    gen = torch.randn(3, 6, 5, generator=generator).requires_grad_()
    return gen, torch.randn(3, 7, 5, generator=generator) + 0.3


def gradient(kernel: str) -> torch.Tensor:
    gen, pos = clouds()
    (found,) = torch.autograd.grad(loss.drift_loss(gen, pos, kernel=kernel)[0].sum(), gen)
    return found


def test_no_variant_is_trained_unless_it_is_named() -> None:
    assert TrainConfig(learning_rate=1e-3, warmup_steps=1, total_steps=2).kernel == "plain"
    assert not set(variants.VARIANTS) & set(kernels.KERNELS)


def test_a_variant_that_changes_nothing_is_the_plain_loss() -> None:
    dist, weight = drawn(3, 6, 15), drawn(3, 15)
    rates = torch.tensor([-50.0, -20.0, -5.0])
    given = (dist, rates, weight, 8, REFERENCE)
    assert torch.equal(variants.coefficients(*given), kernels.plain(*given))


def test_every_variant_is_another_loss_and_a_finite_one() -> None:
    plain = gradient("plain")
    for name in variants.VARIANTS:
        found = gradient(name)
        assert torch.isfinite(found).all(), name
        assert not torch.allclose(found, plain, rtol=1e-2), name


def test_attraction_alone_is_that_of_the_toy() -> None:
    gen, pos = clouds()
    (toy,) = torch.autograd.grad(attraction_only_loss(gen, pos)[0].sum(), gen)
    torch.testing.assert_close(gradient("V+ only"), toy)


@pytest.mark.parametrize("name", variants.VARIANTS)
def test_coefficients_add_up_to_zero_so_that_a_shift_of_all_clouds_is_no_force(name: str) -> None:
    dist = drawn(2, 4, 9).double()
    pairs.mask_own(dist, 100.0)
    weight = torch.ones(2, 9, dtype=torch.float64)
    weight[:, 4] = 0.0
    found = variants.VARIANTS[name](dist, torch.tensor([-20.0, -5.0]), weight, 5, REFERENCE)
    assert found.sum(dim=-1).abs().max() < 1e-12


@pytest.mark.parametrize("name", ["decoupled", "decoupled, corrected", "sinkhorn"])
def test_a_sample_of_weight_zero_has_no_part_in_a_coupling(name: str) -> None:
    weight = torch.ones(1, 9, dtype=torch.float64)
    weight[:, 4] = 0.0
    dist = drawn(1, 4, 9).double()
    found = variants.VARIANTS[name](dist, torch.tensor([-5.0]), weight, 5, REFERENCE)
    assert found[..., 4].abs().max() < 1e-20


def test_the_correction_takes_most_of_the_bias_that_few_targets_give() -> None:
    """The mean of y under exp(-|x - y| / tau) and y of a normal law, from 16 and from very many."""
    generator = torch.Generator().manual_seed(0)
    rates = torch.tensor([-1.0], dtype=torch.float64)
    many = torch.randn(400_000, generator=generator, dtype=torch.float64)
    share = ((many - 1.0).abs() * rates).exp()
    exact = float((share * many).sum() / share.sum())
    few = torch.randn(20_000, 16, generator=generator, dtype=torch.float64)
    dist = torch.cat([torch.full((20_000, 1), 100.0), (few - 1.0).abs()], dim=1)[:, None]
    off = {}
    for name in ("decoupled", "decoupled, corrected"):
        pulls = variants.VARIANTS[name](dist, rates, torch.ones(20_000, 17), 1, REFERENCE)
        off[name] = abs(float((pulls[:, 0, 0, 1:] * few).sum(-1).mean()) - exact)
    assert off["decoupled"] > 0.01
    assert off["decoupled, corrected"] < 0.35 * off["decoupled"]


def test_sinkhorns_rows_add_up_to_one_and_its_columns_are_even() -> None:
    dist = drawn(1, 4, 9).double()
    weight = torch.ones(1, 9, dtype=torch.float64)
    found = variants.VARIANTS["sinkhorn"](dist, torch.tensor([-5.0]), weight, 4, REFERENCE)
    torch.testing.assert_close(found[..., 4:].sum(-1), torch.ones(1, 1, 4, dtype=torch.float64))
    columns = found[..., 4:].sum(-2)
    torch.testing.assert_close(columns, torch.full_like(columns, 4 / 5), rtol=1e-6, atol=0)


def test_a_variant_gives_no_trace_because_its_stages_would_be_the_methods() -> None:
    gen, pos = clouds()
    with trace.recording(), pytest.raises(InputError, match="within a trace"):
        loss.drift_loss(gen, pos, kernel="V+ only")

"""The parts of the generator against plain formulas."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from drift.generator import attention, blocks, layers, tokens
from drift.generator.config import swiglu_width


def test_positions_above_256_lose_their_last_bits_in_bfloat16() -> None:
    angles = attention.rope_angles(272, 16, dtype=torch.bfloat16)
    assert torch.equal(angles[257], angles[256])
    exact = attention.rope_angles(272, 16, dtype=torch.float32)
    assert not torch.equal(exact[257], exact[256])


@pytest.mark.parametrize("tokens", [7, attention.SHORT, attention.SHORT + 1, 80])
def test_attention_is_the_softmax_of_scaled_products(tokens: int) -> None:
    rng = torch.Generator().manual_seed(3)
    given = torch.randn(3, 2, tokens, 4, 8, dtype=torch.float64, generator=rng)
    q, k, v = given.requires_grad_()
    logits = torch.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(8)
    expected = torch.einsum("bhqk,bkhd->bqhd", logits.softmax(-1), v)
    found = attention.attend(q, k, v, fp32=False)
    assert torch.allclose(found, expected, atol=1e-14)
    upstream = torch.randn(found.shape, dtype=torch.float64, generator=rng)
    ours, theirs = (torch.autograd.grad(one, given, upstream)[0] for one in (found, expected))
    assert torch.allclose(ours, theirs, atol=1e-13)


def test_attention_in_half_precision_sums_in_float32() -> None:
    """However few tokens there are: scores are not rounded to bfloat16 in between."""
    given = 3 * torch.randn(3, 2, 7, 4, 8, generator=torch.Generator().manual_seed(5))
    q, k, v = given.bfloat16()
    exact = attention.attend(q.double(), k.double(), v.double(), fp32=False)
    found = attention.attend(q, k, v, fp32=False)
    scores = torch.einsum("bqhd,bkhd->bhqk", q * 8**-0.5, k)
    rounded = torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), v)
    assert found.dtype == torch.bfloat16
    off, worse = ((one.double() - exact).abs().mean() for one in (found, rounded))
    assert off < 0.75 * worse


def test_rotation_keeps_lengths_and_leaves_position_zero_alone() -> None:
    x = torch.randn(2, 9, 3, 8, generator=torch.Generator().manual_seed(0))
    turned, same = attention.apply_rope(x, x, fp32=True)
    assert torch.equal(turned, same)
    assert torch.equal(turned[:, 0], x[:, 0])
    assert torch.allclose(turned.norm(dim=-1), x.norm(dim=-1), atol=1e-5)


@pytest.mark.parametrize(("hidden", "inner"), [(768, 2048), (1024, 2752), (32, 96), (64, 192)])
def test_the_gated_width_is_two_thirds_rounded_up_to_a_multiple_of_32(
    hidden: int, inner: int
) -> None:
    assert swiglu_width(4 * hidden) == inner


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=30)
def test_unpatchify_undoes_patchify(batch: int, channels: int, patch: int, grid: int) -> None:
    side = patch * grid
    images = torch.arange(batch * channels * side * side, dtype=torch.float32)
    images = images.reshape(batch, channels, side, side)
    patches = tokens.patchify(images, patch)
    assert patches.shape == (batch, grid * grid, patch * patch * channels)
    assert torch.equal(tokens.unpatchify(patches, patch, channels), images)


def test_a_patch_is_read_by_row_column_channel() -> None:
    images = torch.arange(2 * 4 * 4.0).reshape(1, 2, 4, 4)
    second = tokens.patchify(images, 2)[0, 1]
    expected = [images[0, c, r, w].item() for r in (0, 1) for w in (2, 3) for c in (0, 1)]
    assert second.tolist() == expected


def test_modulation_by_zero_is_the_identity_and_a_closed_gate_passes_the_tokens() -> None:
    x, zero = torch.randn(2, 3, 4), torch.zeros(2, 1, 4)
    assert torch.equal(blocks.modulate(x, zero, zero), x)
    assert torch.equal(blocks.add_gated(x, zero, torch.randn(2, 3, 4)), x)


def test_norms_are_computed_in_float32_and_rounded_once() -> None:
    x = torch.randn(4, 64, generator=torch.Generator().manual_seed(0)).bfloat16()
    weight = torch.linspace(0.5, 1.5, 64)
    x64 = x.double()
    exact = x64 / (x64.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weight.double()
    assert torch.equal(layers.rms_norm(x, weight), exact.bfloat16())


def test_silu_by_operation_has_finite_gradients_far_out() -> None:
    x = torch.tensor([-1e4, -90.0, -1.0, 0.0, 90.0], requires_grad=True)
    y = layers.silu_by_operation(x)
    y.sum().backward()
    assert torch.allclose(y, torch.nn.functional.silu(x), atol=1e-6)
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()

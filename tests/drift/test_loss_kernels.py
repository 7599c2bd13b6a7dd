"""The three ways to compute the coefficients of the loss agree, and say what they cannot do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from drift import kernels, trace
from drift.errors import InputError
from drift.loss import drift_loss, feature_loss

FLOAT32, FLOAT64 = 2.0e-5, 1.0e-10  # of the largest entry: logits of 50, times a rounding
# G, P, N, S: powers of two, none of them, single samples
SHAPES = [(8, 8, 8, 4), (5, 7, 3, 6), (1, 2, 0, 3), (3, 1, 2, 1)]


@pytest.fixture(params=["compiled", "fused"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each variant where no GPU is needed: the fused one in the interpreter."""
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    forget()
    yield request.param
    forget()


def forget() -> None:
    """The kernel is interpreted or not from its import on."""
    kernels._fused.cache_clear()
    sys.modules.pop("drift.fused", None)
    drift: ModuleType = sys.modules["drift"]
    vars(drift).pop("fused", None)


def given(g: int, p: int, n: int, s: int, dtype: torch.dtype) -> tuple[list[Tensor], Any]:
    draw = torch.Generator().manual_seed(g)
    clouds = [torch.randn(3, k, s, generator=draw).to(dtype) for k in (g, p, n)]
    weight = torch.rand(3, n, generator=draw).to(dtype)
    if n:
        weight[0] = 0.0
    return clouds, {"weight_neg": weight}


def outcome(clouds: list[Tensor], **options: Any) -> tuple[Tensor, Tensor]:
    gen = clouds[0].clone().requires_grad_()
    loss, _ = drift_loss(gen, *clouds[1:], **options)
    (gradient,) = torch.autograd.grad(loss.sum(), gen)
    return loss.detach(), gradient


@pytest.mark.parametrize("semantics", ["reference", "paper"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_kernel_gives_the_loss_and_gradient_of_the_plain_one(
    kernel: str, shape: tuple[int, ...], dtype: torch.dtype, semantics: str
) -> None:
    clouds, weights = given(*shape, dtype)
    plain = outcome(clouds, **weights, semantics=semantics)
    other = outcome(clouds, **weights, semantics=semantics, kernel=kernel)
    allowed = FLOAT64 if dtype == torch.float64 else FLOAT32
    for found, expected in zip(other, plain, strict=True):
        assert (found - expected).abs().max() <= allowed * expected.abs().max()


def test_every_kernel_takes_features_and_far_samples(kernel: str) -> None:
    """Exponentials that underflow: two classes a hundred mean distances apart."""
    draw = torch.Generator().manual_seed(0)
    gen, real = (torch.randn(2, k, 3, 4, generator=draw) for k in (4, 6))
    gen[:, 0] += 1000.0
    call: dict[str, Any] = {"positives": 4, "temperatures": (0.02, 0.2), "semantics": "reference"}
    plain, _ = feature_loss({"map": gen}, {"map": real}, torch.ones(2), **call)
    other, _ = feature_loss({"map": gen}, {"map": real}, torch.ones(2), **call, kernel=kernel)
    assert other.isfinite()
    assert torch.allclose(plain, other, rtol=FLOAT32)


def test_a_trace_comes_from_the_plain_way(kernel: str) -> None:
    clouds, weights = given(5, 7, 3, 6, torch.float32)
    with trace.recording() as plain:
        outcome(clouds, **weights)
    with trace.recording() as other:
        outcome(clouds, **weights, kernel=kernel)
    assert list(plain) == list(other)
    assert all(torch.equal(plain[name], other[name]) for name in plain)


def test_a_kernel_that_is_none_is_named() -> None:
    clouds, _ = given(5, 7, 3, 6, torch.float32)
    with pytest.raises(InputError, match=r"kernel: found 'fast'; expected plain or compiled or"):
        outcome(clouds, kernel="fast")


def test_groups_beyond_the_tile_of_the_fused_kernel_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    forget()
    clouds, weights = given(129, 120, 10, 2, torch.float32)
    with pytest.raises(InputError, match="'fused' for 129 samples and 259 targets"):
        outcome(clouds, **weights, kernel="fused")
    forget()

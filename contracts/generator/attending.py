"""Checks of the generator's attention against its formula, for few and for many tokens."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from drift.generator import attention
from verify.api import CheckContext, Measurement, check, mutant
from verify.numeric.arrays import largest

HEADS, WIDTH = 4, 8
SPREAD = 3.0  # of queries and keys: scores of some tens, where a rounding is seen


@check("generator.attention")
def attends(ctx: CheckContext) -> Measurement:
    """Values and gradients in float32, and in bfloat16 with attention in float32 and without."""
    drawn = torch.Generator().manual_seed(ctx.seed)
    exact, rounded = ctx.params["float32"], ctx.params["bfloat16"]
    errors: dict[str, float] = {}
    for tokens in ctx.params["tokens"]:
        given = SPREAD * torch.randn(3, 2, tokens, HEADS, WIDTH, generator=drawn)
        for name, error in _in_float32(given).items():
            errors[f"{name} of {tokens} tokens"] = error / exact
        short = given.bfloat16()
        errors[f"bfloat16, attended in float32, {tokens} tokens"] = _wide(short) / exact
        errors[f"bfloat16, {tokens} tokens"] = _share_of_rounding(short) / rounded
    return ctx.judge_worst(errors, "attention, of what is allowed")


def by_hand(given: Tensor) -> Tensor:
    """[3, B, N, heads, d] -> softmax(q k^T / sqrt(d)) v in the precision that is given."""
    q, k, v = given
    scores = torch.einsum("bqhd,bkhd->bhqk", q * WIDTH**-0.5, k)
    return torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), v)


def _in_float32(given: Tensor) -> dict[str, float]:
    """Errors of values and of the gradient, of the largest."""
    found: list[tuple[Tensor, Tensor]] = []
    for one, attend in ((given.clone(), _attended), (given.double(), by_hand)):
        one.requires_grad_()
        value = attend(one)
        (gradient,) = torch.autograd.grad(value.square().sum(), one)
        found.append((value.detach().double(), gradient.double()))
    (value, gradient), (expected, slope) = found
    return {
        "values": largest(value - expected) / largest(expected),
        "gradients": largest(gradient - slope) / largest(slope),
    }


def _attended(given: Tensor) -> Tensor:
    return attention.attend(*given, fp32=False)


def _wide(short: Tensor) -> float:
    """Infinite where the result was rounded."""
    found, expected = attention.attend(*short, fp32=True), by_hand(short.double())
    if found.dtype != torch.float32:
        return math.inf
    return largest(found.double() - expected) / largest(expected)


def _share_of_rounding(short: Tensor) -> float:
    """Mean error in bfloat16 over that of scores that are rounded before their softmax."""
    expected = by_hand(short.double())
    found = attention.attend(*short, fp32=False)
    if found.dtype != torch.bfloat16:
        return math.inf
    ours, theirs = ((one.double() - expected).abs().mean() for one in (found, by_hand(short)))
    return float(ours / theirs)


@mutant("generator.attention_switch_reversed", attention, "attend")
def attention_switch_reversed(real: Any, q: Tensor, k: Tensor, v: Tensor, *, fp32: bool) -> Tensor:
    """Attention is in float32 where the switch says that it is not."""
    found: Tensor = real(q, k, v, fp32=not fp32)
    return found


@mutant("generator.scores_rounded", attention, "mix")
def scores_rounded(real: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Scores have the precision of the activations, however low it is."""
    return torch.softmax(q @ k.mT, dim=-1) @ v


@mutant("generator.scaled_again_beyond", attention, "mix")
def scaled_again_beyond(real: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Of many tokens queries are scaled a second time, by the library."""
    if q.shape[2] <= attention.SHORT:
        return functional.scaled_dot_product_attention(q, k, v, scale=1.0)
    return functional.scaled_dot_product_attention(q, k, v)


@mutant("generator.scaled_again_within", attention, "mix")
def scaled_again_within(real: Any, q: Tensor, k: Tensor, v: Tensor) -> Any:
    """Of few tokens they are."""
    return real(q if q.shape[2] > attention.SHORT else q * q.shape[-1] ** -0.5, k, v)

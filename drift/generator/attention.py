"""Self-attention with QK-norm and 1-D rotary embedding (models/generator.py:113-203)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from drift.generator.config import GeneratorConfig
from drift.generator.layers import Linear, Norm, NormKind, scaled, wide

ROPE_BASE = 10_000.0
SHORT = 32  # tokens up to which a CPU is faster with all scores of a head at once

Record = Callable[[str, Tensor], None]


def rope_angles(
    tokens: int, head_dim: int, *, dtype: torch.dtype, device: torch.device | None = None
) -> Tensor:
    """[tokens, head_dim/2] angles in `dtype`: position times 10000^(-2k/head_dim).

    Positions run over all tokens, registers first. Position and frequency are each rounded to
    `dtype` before they are multiplied: in bfloat16 positions above 256 lose their last bits.
    """
    exact = torch.promote_types(dtype, torch.float32)
    k = torch.arange(0, head_dim, 2, dtype=exact, device=device)
    frequencies = (ROPE_BASE ** (-k / head_dim)).to(dtype)
    positions = torch.arange(tokens, dtype=exact, device=device).to(dtype)
    return positions[:, None] * frequencies


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turn the pairs (x_k, x_(k+d/2)): the half-rotation layout.

    x [B, N, heads, d], angles [N, d/2] -> [B, N, heads, d] in the higher precision of the two.
    """
    # The table is spread over the heads and x kept whole: halves of a head are short strided rows,
    # on which a product takes three times as long. The same products and sums, bit for bit.
    whole = torch.cat([angles, angles], dim=-1)[:, None].expand(-1, x.shape[-2], -1)
    first, second = x.chunk(2, dim=-1)
    return x * whole.cos() + torch.cat([-second, first], dim=-1) * whole.sin()


def apply_rope(q: Tensor, k: Tensor, *, fp32: bool) -> tuple[Tensor, Tensor]:
    """q, k [B, N, heads, d], rotated; with `fp32` angles and result are at least float32."""
    dtype = torch.promote_types(q.dtype, torch.float32) if fp32 else q.dtype
    angles = rope_angles(q.shape[1], q.shape[-1], dtype=dtype, device=q.device)
    return rotate(q, angles), rotate(k, angles)


def normalise_heads(x: Tensor, norm: nn.Module) -> Tensor:
    """QK-norm: the affine norm over the width of each head; x [B, N, heads, d]."""
    normed: Tensor = norm(x)
    return normed


def attend(q: Tensor, k: Tensor, v: Tensor, *, fp32: bool) -> Tensor:
    """softmax(q k^T / sqrt(d)) v over [B, N, heads, d]; with `fp32` in float32.

    The scale multiplies q, in q's precision, before the product, as in the reference.
    """
    if fp32:
        q, k, v = wide(q), wide(k), wide(v)
    q = scaled(q, q.shape[-1] ** -0.5)
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    return mix(q, k, v).transpose(1, 2)


def mix(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T) v over [B, heads, N, d]."""
    if q.device.type == "cpu" and q.shape[2] <= SHORT and q.element_size() >= 4:
        # torch's kernel works in blocks of hundreds of tokens: on so few it takes twice as long
        # with one thread, and four times with two. In half precision it alone sums in float32.
        return torch.softmax(q @ k.mT, dim=-1) @ v
    return functional.scaled_dot_product_attention(q, k, v, scale=1.0)


class Attention(nn.Module):
    """Multi-head self-attention, qkv with bias."""

    def __init__(self, config: GeneratorConfig, kind: NormKind) -> None:
        super().__init__()
        self.heads, self.head_dim = config.num_heads, config.head_dim
        self.rope, self.fp32 = config.rope, config.attention_fp32
        self.qkv = Linear(config.hidden_dim, 3 * config.hidden_dim)
        affine = {"affine": True}  # the one place where LayerNorm has an affine too
        self.query_norm = Norm(self.head_dim, kind, **affine) if config.qk_norm else None
        self.key_norm = Norm(self.head_dim, kind, **affine) if config.qk_norm else None
        self.projection = Linear(config.hidden_dim, config.hidden_dim)

    def forward(self, x: Tensor, record: Record) -> Tensor:
        """x [B, N, D] -> [B, N, D]"""
        qkv = self.qkv(x)
        record("attn/qkv", qkv)
        q, k, v = qkv.unflatten(-1, (3, self.heads, self.head_dim)).unbind(2)
        q, k = self.prepare(q, k, record)
        record("attn/q_after_rope", q)
        record("attn/k_after_rope", k)
        mixed = attend(q, k, v, fp32=self.fp32).flatten(2).to(x.dtype)
        out: Tensor = self.projection(mixed)
        record("attn/out", out)
        return out

    def prepare(self, q: Tensor, k: Tensor, record: Record) -> tuple[Tensor, Tensor]:
        """QK-norm first, rotation after it; each where the configuration has it."""
        if self.query_norm is not None and self.key_norm is not None:
            q, k = normalise_heads(q, self.query_norm), normalise_heads(k, self.key_norm)
            record("attn/q_norm", q)
            record("attn/k_norm", k)
        return apply_rope(q, k, fp32=self.fp32) if self.rope else (q, k)

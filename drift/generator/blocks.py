"""Transformer block with adaLN-zero, its MLP, and the output head (models/generator.py:205-342)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from drift import trace
from drift.generator.attention import Attention
from drift.generator.config import GeneratorConfig
from drift.generator.layers import Linear, Norm, NormKind, wide

GELU_APPROXIMATE: Literal["none", "tanh"] = "none"


def norm_kind(config: GeneratorConfig) -> NormKind:
    """The norm of the blocks, of the head and of queries and keys."""
    return "rms" if config.rmsnorm else "layer"


def modulation(cond: Tensor, linear: nn.Module) -> Tensor:
    """adaLN: SiLU and linear of cond [B, cond_dim], in float32 -> [B, parts * D]."""
    parts: Tensor = linear(functional.silu(wide(cond)))
    return parts


def block_parts(values: Tensor) -> tuple[Tensor, ...]:
    """[B, 6D] -> shift, scale, gate of attention, then of the MLP, each [B, 1, D]."""
    return values[:, None].chunk(6, dim=-1)


def head_parts(values: Tensor) -> tuple[Tensor, ...]:
    """[B, 2D] -> shift, scale of the output head, each [B, 1, D]."""
    return values[:, None].chunk(2, dim=-1)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """x (1 + scale) + shift in the precision of x."""
    return x * (1 + scale.to(x.dtype)) + shift.to(x.dtype)


def add_gated(x: Tensor, gate: Tensor, branch: Tensor) -> Tensor:
    """x + gate * branch in the precision of x."""
    return x + gate.to(x.dtype) * branch


class SwiGLU(nn.Module):
    """out(SiLU(gate x) * (value x)), each linear with bias."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate = Linear(width, inner)
        self.value = Linear(width, inner)
        self.out = Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(functional.silu(self.gate(x)) * self.value(x))
        return out


class GeluMLP(nn.Module):
    """out(GELU(hidden x))."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.hidden = Linear(width, inner)
        self.out = Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(functional.gelu(self.hidden(x), approximate=GELU_APPROXIMATE))
        return out


class Block(nn.Module):
    """Attention and MLP, each normalised, modulated and gated by the conditioning vector."""

    def __init__(self, config: GeneratorConfig, index: int) -> None:
        super().__init__()
        width, kind = config.hidden_dim, norm_kind(config)
        self.index = index
        self.modulation = Linear(config.cond_dim, 6 * width, law="modulation")
        self.attention_norm = Norm(width, kind)
        self.attention = Attention(config, kind)
        self.mlp_norm = Norm(width, kind)
        self.mlp = (SwiGLU if config.swiglu else GeluMLP)(width, config.mlp_width)

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        """x [B, N, D], cond [B, cond_dim] -> [B, N, D]"""
        values = modulation(cond, self.modulation)
        self.record("adaLN", values)
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = block_parts(values)
        normed = self.attention_norm(x)
        self.record("norm1", normed)
        x = add_gated(x, gate, self.attention(modulate(normed, shift, scale), self.record))
        normed = self.mlp_norm(x)
        self.record("norm2", normed)
        branch = self.mlp(modulate(normed, mlp_shift, mlp_scale))
        self.record("mlp_out", branch)
        x = add_gated(x, mlp_gate, branch)
        self.record("out", x)
        return x

    def record(self, name: str, value: Tensor) -> None:
        """Every stage of the first block, the output of the others, as in the golden traces."""
        if self.index == 0 or name == "out":
            trace.record(f"step/blocks_{self.index}/{name}", value)


class Head(nn.Module):
    """Norm, adaLN shift and scale, and a linear to the values of a patch that starts at zero."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        width, patch_values = config.hidden_dim, config.patch_size**2 * config.out_channels
        self.modulation = Linear(config.cond_dim, 2 * width, law="modulation")
        self.norm = Norm(width, norm_kind(config))
        self.projection = Linear(width, patch_values, law="output")

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        """x [B, N, D], cond [B, cond_dim] -> [B, N, p*p*C]"""
        values = modulation(cond, self.modulation)
        trace.record("step/final/adaLN", values)
        shift, scale = head_parts(values)
        normed = self.norm(x)
        trace.record("step/final/norm", normed)
        out: Tensor = self.projection(modulate(normed, shift, scale))
        trace.record("step/final/linear", out)
        return out

"""The conditioning vector: class, style codes and guidance scale (method.md section 5)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from drift import trace
from drift.generator.config import GeneratorConfig
from drift.generator.layers import Linear, Norm, Table, scaled, silu_by_operation

SINUSOID_DIM = 256
SINUSOID_BASE = 10_000.0
ALPHA_SCALE = 0.02


def sinusoid(alpha: Tensor) -> Tensor:
    """alpha [B] -> [B, 256]: cosines, then sines, of alpha * 10000^(-k/128)."""
    half = SINUSOID_DIM // 2
    k = torch.arange(half, dtype=alpha.dtype, device=alpha.device)
    angles = alpha[:, None] * torch.exp(-math.log(SINUSOID_BASE) * k / half)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def look_up_styles(tables: Sequence[nn.Module], style: Tensor) -> list[Tensor]:
    """style [B, S] -> S times [B, cond_dim]: each code is looked up in a table of its own."""
    return [table(style[:, i]) for i, table in enumerate(tables)]


def normalise_alpha(embedding: Tensor, norm: nn.Module) -> Tensor:
    """The RMSNorm after the guidance MLP, which makes every alpha equally loud."""
    normed: Tensor = norm(embedding)
    return normed


class AlphaEmbedding(nn.Module):
    """Guidance scale [B] -> [B, cond_dim]: sinusoid, Linear-SiLU-Linear, RMSNorm."""

    def __init__(self, cond_dim: int) -> None:
        super().__init__()
        self.mlp_in = Linear(SINUSOID_DIM, cond_dim, law="alpha")
        self.mlp_out = Linear(cond_dim, cond_dim, law="alpha")
        self.norm = Norm(cond_dim, "rms")  # RMSNorm whatever the blocks use

    def forward(self, alpha: Tensor, dtype: torch.dtype) -> Tensor:
        kept = self.norm.weight.dtype  # type: ignore[union-attr]
        # Angles in float32 at least: in half precision neighbouring scales would be one.
        waves = sinusoid(alpha.to(torch.promote_types(kept, torch.float32)))
        trace.record("step/cond/cfg_sinusoid_cos_sin", waves)
        inner = self.mlp_in(waves.to(dtype))
        trace.record("step/cond/cfg_mlp0", inner)
        # By operation: the last bit reaches the registers, where the first norm magnifies it.
        embedding = self.mlp_out(silu_by_operation(inner))
        trace.record("step/cond/cfg_emb", embedding)
        normed = normalise_alpha(embedding, self.norm)
        trace.record("step/cond/cfg_normed", normed)
        return normed


class Condition(nn.Module):
    """Class embedding + the drawn codes of all style tables + 0.02 * alpha embedding."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.class_embedding = Table(config.num_classes, config.cond_dim, law="class")
        self.style_embeddings = nn.ModuleList(
            Table(config.style_codes, config.cond_dim, law="style")
            for _ in range(config.style_tables)
        )
        self.alpha_embedding = AlphaEmbedding(config.cond_dim)

    def forward(self, labels: Tensor, alpha: Tensor, style: Tensor, dtype: torch.dtype) -> Tensor:
        """labels [B], alpha [B], style [B, style_tokens] -> [B, cond_dim] in `dtype`.

        The terms are added one by one in this order, each sum rounded to `dtype`.
        """
        total: Tensor = self.class_embedding(labels).to(dtype)
        trace.record("step/cond/class_embed", total)
        styles = [code.to(dtype) for code in look_up_styles(list(self.style_embeddings), style)]
        if trace.active():
            trace.record("step/cond/noise_embed_sum", sum(styles, torch.zeros_like(total)))
        for code in styles:
            total = total + code
        total = total + scaled(self.alpha_embedding(alpha, dtype), ALPHA_SCALE)
        trace.record("step/cond/cond", total)
        return total

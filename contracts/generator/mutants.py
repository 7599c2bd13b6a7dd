"""Realistic mistakes in what a generator computes; each patches the engine in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional

from drift.generator import attention, blocks, condition, config, layers, tokens
from verify.api import mutant

# -- norms -----------------------------------------------------------------------------------------


@mutant("generator.norm_eps")
def norm_eps(subject: object, *, eps: float) -> Any:
    return patch.object(layers, "NORM_EPS", eps)


@mutant("generator.norm_gain_after_rounding", layers, "rms_norm")
def norm_gain_after_rounding(real: Any, x: Tensor, weight: Tensor) -> Any:
    """A norm rounds to the activations' precision first and multiplies by its gain after that."""
    return real(x, torch.ones_like(weight)) * weight.to(x.dtype)


@mutant("generator.norm_statistics_detached", layers, "rms_norm")
def norm_statistics_detached(real: Any, x: Tensor, weight: Tensor) -> Tensor:
    """No gradient flows through the mean square: the forward pass is right, the backward is not."""
    mean_square = x.square().mean(-1, keepdim=True).detach()
    return x * (mean_square + layers.NORM_EPS).rsqrt() * weight


@mutant("generator.bias_before_rounding", layers, "affine")
def bias_before_rounding(real: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A linear adds its bias inside the product's accumulator."""
    return functional.linear(x, weight.to(x.dtype), bias.to(x.dtype))


# -- attention -------------------------------------------------------------------------------------


@mutant("generator.l2_qk_norm", attention, "normalise_heads")
def l2_qk_norm(real: Any, x: Tensor, norm: nn.Module) -> Tensor:
    """Queries and keys of length one: logits of at most head_dim^-0.5."""
    return functional.normalize(x, dim=-1)


@mutant("generator.rope_2d", attention, "rope_angles")
def rope_2d(real: Any, count: int, head_dim: int, *, registers: int, **where: Any) -> Tensor:
    """Axial rotary embedding: half of the pairs by row, half by column, registers unrotated."""
    side = round(max(count - registers, 1) ** 0.5)
    rows, columns = (index[: count - registers] for index in tokens.grid_indices(side))
    half = real(side, head_dim // 2, **where)
    patches = torch.cat([half[rows], half[columns]], dim=-1)
    return torch.cat([patches.new_zeros(count - len(patches), head_dim // 2), patches])


@mutant("generator.rope_on_patches_only", attention, "rope_angles")
def rope_on_patches_only(
    real: Any, count: int, head_dim: int, *, registers: int, **where: Any
) -> Tensor:
    """Positions start at the first patch; registers stay unrotated."""
    patches = real(count - registers, head_dim, **where)
    return torch.cat([patches.new_zeros(registers, head_dim // 2), patches])


@mutant("generator.rope_interleaved", attention, "rotate")
def rope_interleaved(real: Any, x: Tensor, angles: Tensor) -> Tensor:
    """Neighbouring coordinates are paired instead of the two halves."""
    halves = torch.cat([x[..., 0::2], x[..., 1::2]], dim=-1)
    first, second = real(halves, angles).chunk(2, dim=-1)
    return torch.stack([first, second], dim=-1).flatten(-2)


@mutant("generator.rope_before_qk_norm", attention.Attention, "prepare")
def rope_before_qk_norm(
    real: Any, self: Any, q: Tensor, k: Tensor, record: Any
) -> tuple[Tensor, Tensor]:
    """Rotation first, then the affine norm: the gain meets rotated coordinates."""
    q, k = attention.apply_rope(q, k, fp32=self.fp32)
    q, k = self.query_norm(q), self.key_norm(k)
    record("attn/q_norm", q)
    record("attn/k_norm", k)
    return q, k


@mutant("generator.rope_base")
def rope_base(subject: object, *, base: float) -> Any:
    return patch.object(attention, "ROPE_BASE", base)


@mutant("generator.rope_in_float32", attention, "apply_rope")
def rope_in_float32(real: Any, q: Tensor, k: Tensor, *, fp32: bool) -> tuple[Tensor, Tensor]:
    """Rotation in float32 where the configuration says bfloat16; rounded afterwards."""
    turned_q, turned_k = real(q, k, fp32=True)
    return turned_q.to(q.dtype), turned_k.to(k.dtype)


# -- tokens ----------------------------------------------------------------------------------------


@mutant("generator.registers_of_first_sample", tokens, "prepend_registers")
def registers_of_first_sample(real: Any, registers: Any, x: Any) -> Any:
    """The registers of the first sample serve the whole batch."""
    return real(registers[:1].expand_as(registers), x)


@mutant("generator.patch_channels_first")
def patch_channels_first(subject: object) -> Any:
    """Inside a patch: channel, row, column."""
    real, back = tokens.patchify, tokens.unpatchify

    def cut(images: Tensor, patch: int) -> Tensor:
        values = real(images, patch)
        pixels = values.reshape(*values.shape[:2], patch * patch, images.shape[1])
        return pixels.transpose(-1, -2).flatten(-2)

    def join(patches: Tensor, patch: int, channels: int) -> Tensor:
        pixels = patches.reshape(*patches.shape[:2], channels, patch * patch)
        return back(pixels.transpose(-1, -2).flatten(-2), patch, channels)

    return patch.multiple(tokens, patchify=cut, unpatchify=join)


# -- condition -------------------------------------------------------------------------------------


@mutant("generator.one_style_table", condition, "look_up_styles")
def one_style_table(real: Any, tables: Sequence[nn.Module], style: Tensor) -> Any:
    """All style tokens draw from the first table."""
    return real(list(tables[:1]) * len(tables), style)


@mutant("generator.style_index_zero", condition, "look_up_styles")
def style_index_zero(real: Any, tables: Any, style: Any) -> Any:
    """Code 0 for every style token, whatever was drawn."""
    return real(tables, torch.zeros_like(style))


@mutant("generator.sine_before_cosine", condition, "sinusoid")
def sine_before_cosine(real: Any, alpha: Any) -> Any:
    return real(alpha).roll(128, dims=-1)


@mutant("generator.alpha_scale")
def alpha_scale(subject: object, *, scale: float) -> Any:
    return patch.object(condition, "ALPHA_SCALE", scale)


@mutant("generator.class_ignored", layers.Table, "forward")
def class_ignored(real: Any, self: Any, indices: Tensor) -> Any:
    """Every sample gets the row of class 0."""
    return real(self, torch.zeros_like(indices) if self.law == "class" else indices)


# -- blocks and head -------------------------------------------------------------------------------


@mutant("generator.adaln_order", blocks, "block_parts")
def adaln_order(real: Any, values: Tensor, *, order: Sequence[int]) -> tuple[Tensor, ...]:
    """The six chunks of adaLN are read in another order."""
    parts = real(values)
    return tuple(parts[i] for i in order)


@mutant("generator.no_final_adaln", blocks, "head_parts")
def no_final_adaln(real: Any, values: Any) -> Any:
    """The head neither shifts nor scales."""
    return tuple(torch.zeros_like(p) for p in real(values))


@mutant("generator.scale_without_one", blocks, "modulate")
def scale_without_one(real: Any, x: Any, shift: Any, scale: Any) -> Any:
    """x * scale + shift instead of x * (1 + scale) + shift."""
    return real(x, shift, scale - 1)


@mutant("generator.swiglu_gate_and_value_swapped", blocks.SwiGLU, "forward")
def swiglu_gate_and_value_swapped(real: Any, self: Any, x: Tensor) -> Any:
    """SiLU on the second linear instead of the first."""
    return self.out(self.gate(x) * functional.silu(self.value(x)))


@mutant("generator.wider_ffn", config, "swiglu_width")
def wider_ffn(real: Any, plain: int, *, extra: int) -> Any:
    """An inner width tuned until the total met the printed number: 2184 = 2048 + 136."""
    return real(plain) + extra


def _as_given(x: Tensor) -> Tensor:
    return x


OTHER_VALUES = (
    # Registers behind the patches, and dropped from there.
    mutant(
        "generator.registers_last",
        tokens,
        prepend_registers=lambda registers, x: torch.cat([x, registers], dim=1),
        drop_registers=lambda x, registers: x[:, : x.shape[1] - registers],
    ),
    # The learned scale of every norm is left out.
    mutant("generator.norm_without_affine", layers, gain=torch.ones_like),
    mutant("generator.no_qk_norm", attention, normalise_heads=lambda x, norm: x),
    # The factor head_dim^-0.5 is taken for part of QK-norm and dropped.
    mutant("generator.no_attention_scale", attention, scaled=lambda x, factor: x),
    mutant("generator.no_rope", attention, rotate=lambda x, angles: x),
    mutant("generator.no_positions", tokens, add_positions=lambda patches, positions: patches),
    # The first half of the width encodes the row.
    mutant(
        "generator.positions_row_first", tokens, axis_order=lambda rows, columns: (rows, columns)
    ),
    # The guidance MLP is added as it is, without its RMSNorm.
    mutant("generator.no_alpha_norm", condition, normalise_alpha=lambda embedding, norm: embedding),
    mutant(
        "generator.adaln_without_silu",
        blocks,
        modulation=lambda cond, linear: linear(layers.wide(cond)),
    ),
    # adaLN follows the activations' precision.
    mutant("generator.adaln_in_bfloat16", blocks, wide=_as_given),
    mutant("generator.tanh_gelu", blocks, GELU_APPROXIMATE="tanh"),
)

"""Realistic mistakes in what a generator computes; each patches the engine in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional

from drift.generator import attention, blocks, condition, config, layers, tokens
from verify.api import mutant

# -- norms -----------------------------------------------------------------------------------------


@mutant("generator.norm_without_affine")
def norm_without_affine(subject: object) -> Any:
    """The learned scale of every norm is left out."""
    return patch.object(layers, "gain", torch.ones_like)


@mutant("generator.norm_eps")
def norm_eps(subject: object, *, eps: float) -> Any:
    return patch.object(layers, "NORM_EPS", eps)


@mutant("generator.norm_gain_after_rounding")
def norm_gain_after_rounding(subject: object) -> Any:
    """A norm rounds to the activations' precision first and multiplies by its gain after that."""
    real = layers.rms_norm

    def late(x: Tensor, weight: Tensor) -> Tensor:
        return real(x, torch.ones_like(weight)) * weight.to(x.dtype)

    return patch.object(layers, "rms_norm", late)


@mutant("generator.norm_statistics_detached")
def norm_statistics_detached(subject: object) -> Any:
    """No gradient flows through the mean square: the forward pass is right, the backward is not."""

    def detached(x: Tensor, weight: Tensor) -> Tensor:
        mean_square = x.square().mean(-1, keepdim=True).detach()
        return x * (mean_square + layers.NORM_EPS).rsqrt() * weight

    return patch.object(layers, "rms_norm", detached)


@mutant("generator.bias_before_rounding")
def bias_before_rounding(subject: object) -> Any:
    """A linear adds its bias inside the product's accumulator."""

    def fused(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return functional.linear(x, weight.to(x.dtype), bias.to(x.dtype))

    return patch.object(layers, "affine", fused)


# -- attention -------------------------------------------------------------------------------------


@mutant("generator.l2_qk_norm")
def l2_qk_norm(subject: object) -> Any:
    """Queries and keys of length one: logits of at most head_dim^-0.5."""

    def unit(x: Tensor, norm: nn.Module) -> Tensor:
        return functional.normalize(x, dim=-1)

    return patch.object(attention, "normalise_heads", unit)


@mutant("generator.no_qk_norm")
def no_qk_norm(subject: object) -> Any:
    return patch.object(attention, "normalise_heads", lambda x, norm: x)


@mutant("generator.no_attention_scale")
def no_attention_scale(subject: object) -> Any:
    """The factor head_dim^-0.5 is taken for part of QK-norm and dropped."""
    return patch.object(attention, "scaled", lambda x, factor: x)


@mutant("generator.rope_2d")
def rope_2d(subject: object, *, registers: int) -> Any:
    """Axial rotary embedding: half of the pairs by row, half by column, registers unrotated."""
    real = attention.rope_angles

    def axial(count: int, head_dim: int, **where: Any) -> Tensor:
        side = round(max(count - registers, 1) ** 0.5)
        rows, columns = (index[: count - registers] for index in tokens.grid_indices(side))
        half = real(side, head_dim // 2, **where)
        patches = torch.cat([half[rows], half[columns]], dim=-1)
        return torch.cat([patches.new_zeros(count - len(patches), head_dim // 2), patches])

    return patch.object(attention, "rope_angles", axial)


@mutant("generator.rope_on_patches_only")
def rope_on_patches_only(subject: object, *, registers: int) -> Any:
    """Positions start at the first patch; registers stay unrotated."""
    real = attention.rope_angles

    def late(count: int, head_dim: int, **where: Any) -> Tensor:
        patches = real(count - registers, head_dim, **where)
        return torch.cat([patches.new_zeros(registers, head_dim // 2), patches])

    return patch.object(attention, "rope_angles", late)


@mutant("generator.rope_interleaved")
def rope_interleaved(subject: object) -> Any:
    """Neighbouring coordinates are paired instead of the two halves."""
    real = attention.rotate

    def interleaved(x: Tensor, angles: Tensor) -> Tensor:
        halves = torch.cat([x[..., 0::2], x[..., 1::2]], dim=-1)
        first, second = real(halves, angles).chunk(2, dim=-1)
        return torch.stack([first, second], dim=-1).flatten(-2)

    return patch.object(attention, "rotate", interleaved)


@mutant("generator.rope_before_qk_norm")
def rope_before_qk_norm(subject: object) -> Any:
    """Rotation first, then the affine norm: the gain meets rotated coordinates."""

    def swapped(self: Any, q: Tensor, k: Tensor, record: Any) -> tuple[Tensor, Tensor]:
        q, k = attention.apply_rope(q, k, fp32=self.fp32)
        q, k = self.query_norm(q), self.key_norm(k)
        record("attn/q_norm", q)
        record("attn/k_norm", k)
        return q, k

    return patch.object(attention.Attention, "prepare", swapped)


@mutant("generator.no_rope")
def no_rope(subject: object) -> Any:
    return patch.object(attention, "rotate", lambda x, angles: x)


@mutant("generator.rope_base")
def rope_base(subject: object, *, base: float) -> Any:
    return patch.object(attention, "ROPE_BASE", base)


@mutant("generator.rope_in_float32")
def rope_in_float32(subject: object) -> Any:
    """Rotation in float32 where the configuration says bfloat16; rounded afterwards."""
    real = attention.apply_rope

    def exact(q: Tensor, k: Tensor, *, fp32: bool) -> tuple[Tensor, Tensor]:
        turned_q, turned_k = real(q, k, fp32=True)
        return turned_q.to(q.dtype), turned_k.to(k.dtype)

    return patch.object(attention, "apply_rope", exact)


# -- tokens ----------------------------------------------------------------------------------------


@mutant("generator.no_positions")
def no_positions(subject: object) -> Any:
    return patch.object(tokens, "add_positions", lambda patches, positions: patches)


@mutant("generator.positions_row_first")
def positions_row_first(subject: object) -> Any:
    """The first half of the width encodes the row."""
    return patch.object(tokens, "axis_order", lambda rows, columns: (rows, columns))


@mutant("generator.registers_last")
def registers_last(subject: object) -> Any:
    """Registers behind the patches, and dropped from there."""
    return _patched(
        (tokens, "prepend_registers", lambda registers, x: torch.cat([x, registers], dim=1)),
        (tokens, "drop_registers", lambda x, registers: x[:, : x.shape[1] - registers]),
    )


@mutant("generator.registers_of_first_sample")
def registers_of_first_sample(subject: object) -> Any:
    """The registers of the first sample serve the whole batch."""
    real = tokens.prepend_registers
    return patch.object(
        tokens,
        "prepend_registers",
        lambda registers, x: real(registers[:1].expand_as(registers), x),
    )


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

    return _patched((tokens, "patchify", cut), (tokens, "unpatchify", join))


# -- condition -------------------------------------------------------------------------------------


@mutant("generator.one_style_table")
def one_style_table(subject: object) -> Any:
    """All style tokens draw from the first table."""
    real = condition.look_up_styles

    def shared(tables: Sequence[nn.Module], style: Tensor) -> list[Tensor]:
        return real([tables[0]] * len(tables), style)

    return patch.object(condition, "look_up_styles", shared)


@mutant("generator.style_index_zero")
def style_index_zero(subject: object) -> Any:
    """Code 0 for every style token, whatever was drawn."""
    real = condition.look_up_styles
    return patch.object(
        condition, "look_up_styles", lambda tables, style: real(tables, torch.zeros_like(style))
    )


@mutant("generator.sine_before_cosine")
def sine_before_cosine(subject: object) -> Any:
    real = condition.sinusoid
    return patch.object(condition, "sinusoid", lambda alpha: real(alpha).roll(128, dims=-1))


@mutant("generator.alpha_scale")
def alpha_scale(subject: object, *, scale: float) -> Any:
    return patch.object(condition, "ALPHA_SCALE", scale)


@mutant("generator.no_alpha_norm")
def no_alpha_norm(subject: object) -> Any:
    """The guidance MLP is added as it is, without its RMSNorm."""
    return patch.object(condition, "normalise_alpha", lambda embedding, norm: embedding)


@mutant("generator.class_ignored")
def class_ignored(subject: object) -> Any:
    """Every sample gets the row of class 0."""
    real = layers.Table.forward

    def first_row(self: Any, indices: Tensor) -> Tensor:
        return real(self, torch.zeros_like(indices) if self.law == "class" else indices)

    return patch.object(layers.Table, "forward", first_row)


# -- blocks and head -------------------------------------------------------------------------------


@mutant("generator.adaln_order")
def adaln_order(subject: object, *, order: Sequence[int]) -> Any:
    """The six chunks of adaLN are read in another order."""
    real = blocks.block_parts

    def shuffled(values: Tensor) -> tuple[Tensor, ...]:
        parts = real(values)
        return tuple(parts[i] for i in order)

    return patch.object(blocks, "block_parts", shuffled)


@mutant("generator.no_final_adaln")
def no_final_adaln(subject: object) -> Any:
    """The head neither shifts nor scales."""
    real = blocks.head_parts
    return patch.object(
        blocks, "head_parts", lambda values: tuple(torch.zeros_like(p) for p in real(values))
    )


@mutant("generator.scale_without_one")
def scale_without_one(subject: object) -> Any:
    """x * scale + shift instead of x * (1 + scale) + shift."""
    real = blocks.modulate
    return patch.object(blocks, "modulate", lambda x, shift, scale: real(x, shift, scale - 1))


@mutant("generator.adaln_without_silu")
def adaln_without_silu(subject: object) -> Any:
    return patch.object(blocks, "modulation", lambda cond, linear: linear(layers.wide(cond)))


@mutant("generator.adaln_in_bfloat16")
def adaln_in_bfloat16(subject: object) -> Any:
    """adaLN follows the activations' precision."""
    return patch.object(blocks, "wide", _as_given)


@mutant("generator.tanh_gelu")
def tanh_gelu(subject: object) -> Any:
    return patch.object(blocks, "GELU_APPROXIMATE", "tanh")


@mutant("generator.swiglu_gate_and_value_swapped")
def swiglu_gate_and_value_swapped(subject: object) -> Any:
    """SiLU on the second linear instead of the first."""

    def swapped(self: Any, x: Tensor) -> Any:
        return self.out(self.gate(x) * functional.silu(self.value(x)))

    return patch.object(blocks.SwiGLU, "forward", swapped)


@mutant("generator.wider_ffn")
def wider_ffn(subject: object, *, extra: int) -> Any:
    """An inner width tuned until the total met the printed number: 2184 = 2048 + 136."""
    real = config.swiglu_width
    return patch.object(config, "swiglu_width", lambda plain: real(plain) + extra)


def _as_given(x: Tensor) -> Tensor:
    return x


@contextmanager
def _patched(*changes: tuple[Any, str, Callable[..., Any]]) -> Iterator[None]:
    with ExitStack() as stack:
        for module, name, replacement in changes:
            stack.enter_context(patch.object(module, name, replacement))
        yield

"""From an image to tokens and back: patches, positions, registers."""

from __future__ import annotations

import torch
from torch import Tensor

POSITION_BASE = 10_000.0


def patchify(images: Tensor, patch: int) -> Tensor:
    """images [B, C, H, W] -> [B, H/p * W/p, p*p*C]; inside a patch: row, column, channel."""
    b, c, h, w = images.shape
    cut = images.reshape(b, c, h // patch, patch, w // patch, patch)
    patches = (h // patch) * (w // patch)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(b, patches, patch * patch * c)


def unpatchify(patches: Tensor, patch: int, channels: int) -> Tensor:
    """The inverse of `patchify` on a square grid: [B, N, p*p*C] -> [B, C, H, W]."""
    b, n, _ = patches.shape
    grid = round(n**0.5)
    cut = patches.reshape(b, grid, grid, patch, patch, channels)
    return cut.permute(0, 5, 1, 3, 2, 4).reshape(b, channels, grid * patch, grid * patch)


def add_learned(tokens: Tensor, learned: Tensor) -> Tensor:
    """Add a float32 parameter to tokens in one rounding: positions, register embedding."""
    return (tokens + learned).to(tokens.dtype)


def add_positions(patches: Tensor, positions: Tensor) -> Tensor:
    """patches [B, N, D], positions [1, N, D] -> [B, N, D]"""
    return add_learned(patches, positions)


def prepend_registers(registers: Tensor, patches: Tensor) -> Tensor:
    """[B, R, D] and [B, N, D] -> [B, R+N, D], registers first."""
    return torch.cat([registers, patches], dim=1)


def drop_registers(tokens: Tensor, registers: int) -> Tensor:
    """[B, R+N, D] -> [B, N, D]"""
    return tokens[:, registers:]


def sincos_positions(grid: int, width: int) -> Tensor:
    """2-D sine-cosine table [1, grid*grid, width] of row-major patches (generator.py:389-394).

    The first half of the width encodes the column, the second the row; each half is sines, then
    cosines, of index * 10000^(-k / (width/4)). Computed in float64.
    """
    quarter = width // 4
    k = torch.arange(quarter, dtype=torch.float64)
    frequencies = POSITION_BASE ** (-k / quarter)
    rows, columns = grid_indices(grid)
    halves = []
    for index in axis_order(rows, columns):
        angles = index.to(torch.float64)[:, None] * frequencies
        halves += [angles.sin(), angles.cos()]
    return torch.cat(halves, dim=-1)[None].to(torch.float32)


def grid_indices(grid: int) -> tuple[Tensor, Tensor]:
    """Row and column of each patch, in row-major order: two [grid*grid]."""
    index = torch.arange(grid * grid)
    return index // grid, index % grid


def axis_order(rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """The axis that the first half of the width encodes, then the other: w comes first."""
    return columns, rows

"""Vectors that stand for a map: its positions, global and per-patch means and deviations (A.5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from drift.encoder.layers import widen

STD_EPS = 1.0e-6
CORRECTION = 0  # population variance


def mean_over(values: Tensor, axes: int | tuple[int, ...]) -> Tensor:
    """Mean over `axes`, summed in float32 at least, in the dtype of the values."""
    return widen(values).mean(axes).to(values.dtype)


def std_over(values: Tensor, axis: int) -> Tensor:
    """sqrt(population variance + 1e-6) over `axis`; float32 even where the values are bfloat16."""
    return torch.sqrt(variance(widen(values), axis) + STD_EPS)


def variance(values: Tensor, axis: int) -> Tensor:
    """Population variance over `axis`, in two passes: on a CPU ten times faster than torch.var,
    which does not vectorise over an axis that is not the last one in memory."""
    centred = values - values.mean(axis, keepdim=True)
    return centred.square().sum(axis) / (values.shape[axis] - CORRECTION)


def root_mean_square(images: Tensor) -> Tensor:
    """sqrt(mean over positions of x^2 + 1e-6): [B, C, H, W] -> [B, 1, C]."""
    mean_square = mean_over(images.square(), (2, 3))
    return torch.sqrt(mean_square + STD_EPS).unsqueeze(1)


def positions(image: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, H*W, C], row by row."""
    return image.flatten(2).transpose(1, 2)


def patches(image: Tensor, side: int) -> Tensor | None:
    """[B, C, H, W] -> [B, patches row by row, side*side, C]; None if the side does not divide."""
    b, c, h, w = image.shape
    if h % side or w % side:
        return None
    cut = image.reshape(b, c, h // side, side, w // side, side)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(b, -1, side * side, c)


def map_vectors(
    name: str,
    image: Tensor,
    *,
    patch_mean_size: Sequence[int],
    patch_std_size: Sequence[int],
    use_mean: bool,
    use_std: bool,
) -> Iterator[tuple[str, Tensor]]:
    """The entries of one map [B, C, H, W], each [B, L, C], in the reference's order.

    `name`, `name_mean`, `name_std`, then `name_mean_P` and `name_std_P` for each patch side P that
    divides the map.
    """
    tokens = positions(image)
    yield name, tokens
    if use_mean:
        yield f"{name}_mean", mean_over(tokens, 1).unsqueeze(1)
    if use_std:
        yield f"{name}_std", std_over(tokens, 1).unsqueeze(1)
    # Cut once for both: a cut is a copy, and so is its gradient.
    cuts = {side: patches(image, side) for side in {*patch_mean_size, *patch_std_size}}
    for side in patch_mean_size:
        if (cut := cuts[side]) is not None:
            yield f"{name}_mean_{side}", mean_over(cut, 2)
    for side in patch_std_size:
        if (cut := cuts[side]) is not None:
            yield f"{name}_std_{side}", std_over(cut, 2)

"""What a generator accepts: shapes, dtypes and ranges, each refused with one clear error."""

from __future__ import annotations

import torch
from torch import Tensor

from drift.errors import InputError
from drift.generator.config import GeneratorConfig

INDEX_DTYPES = (torch.int64, torch.int32)


def check_inputs(
    config: GeneratorConfig,
    parameters: torch.dtype,
    noise: Tensor,
    labels: Tensor,
    alpha: Tensor,
    style: Tensor,
) -> None:
    """Raises InputError for the first argument of `Generator.forward` that cannot be used."""
    side = config.input_size
    _check_shape("noise", noise, (None, config.in_channels, side, side))
    batch = noise.shape[0]
    _check_noise_dtype(config, parameters, noise)
    _check_shape("labels", labels, (batch,))
    _check_indices("labels", labels, config.num_classes)
    _check_shape("alpha", alpha, (batch,))
    if not alpha.is_floating_point():
        raise InputError(_place("alpha"), found=alpha.dtype, expected="floating-point numbers")
    looked_up = config.style_tables > 0  # otherwise any codes do, also none
    _check_shape("style", style, (batch, config.style_tokens if looked_up else None))
    _check_indices("style", style, config.style_codes if looked_up else None)


def _check_noise_dtype(config: GeneratorConfig, parameters: torch.dtype, noise: Tensor) -> None:
    allowed = (parameters, torch.bfloat16) if config.bfloat16 else (parameters,)
    if noise.dtype not in allowed:
        raise InputError(
            _place("noise"),
            found=noise.dtype,
            expected=" or ".join(str(dtype) for dtype in allowed),
            remedy="Convert the noise, or the generator's parameters.",
        )


def _check_shape(name: str, value: Tensor, shape: tuple[int | None, ...]) -> None:
    fits = value.ndim == len(shape) and all(
        wanted is None or wanted == found for wanted, found in zip(shape, value.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("B" if size is None else str(size) for size in shape)
        raise InputError(
            _place(name), found=f"shape {tuple(value.shape)}", expected=f"shape [{wanted}]"
        )


def _check_indices(name: str, value: Tensor, limit: int | None) -> None:
    if value.dtype not in INDEX_DTYPES:
        raise InputError(_place(name), found=value.dtype, expected="torch.int64")
    if limit is None or value.is_meta or value.numel() == 0 or torch.compiler.is_compiling():
        return  # there are no values to look at
    smallest, largest = (int(v) for v in torch.stack(torch.aminmax(value)))
    if smallest < 0 or largest >= limit:
        raise InputError(
            _place(name),
            found=f"values from {smallest} to {largest}",
            expected=f"0 to {limit - 1}",
        )


def _place(name: str) -> str:
    return f"Generator.forward: {name}"

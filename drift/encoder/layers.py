"""The parts of the autoencoder: patchify, convolution, group normalisation, the basic block.

Convolutions run in the precision of their input; the parameters stay float32 and are cast at use.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional

from drift import trace
from drift.errors import InputError

GROUP_NORM_EPS = 1.0e-6  # torch's own default is 1e-5
MOST_GROUPS = 32


def record_map(name: str, images: Tensor) -> None:
    """Record a stage [B, C, H, W] as the golden traces keep it, [B, H, W, C]."""
    if trace.active():
        trace.record(name, images.permute(0, 2, 3, 1))


def patchify(images: Tensor, patch: int) -> Tensor:
    """images [B, C, H, W] -> [B, p*p*C, H/p, W/p]; channel order: row, column in the patch, C."""
    if images.ndim != 4 or images.shape[2] % patch or images.shape[3] % patch:
        raise InputError(
            "encoder input",
            found=f"shape {tuple(images.shape)}",
            expected=f"[B, C, H, W] with H and W multiples of the input patch {patch}",
        )
    b, c, h, w = images.shape
    cut = images.reshape(b, c, h // patch, patch, w // patch, patch)
    return cut.permute(0, 3, 5, 1, 2, 4).reshape(b, patch * patch * c, h // patch, w // patch)


def group_count(channels: int) -> int:
    """The largest divisor of the channel count that is not above 32."""
    return max(g for g in range(1, min(channels, MOST_GROUPS) + 1) if channels % g == 0)


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """A context in which the configuration alone decides the precision, on the device of x."""
    if x.device.type == "meta":  # has no autocast
        return nullcontext()
    return torch.autocast(x.device.type, enabled=False)


def widen(x: Tensor) -> Tensor:
    """x in float32 at least."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor) -> Tensor:
    """GroupNorm with statistics and affine in float32; the result has the dtype of x."""
    wide = widen(x)
    # Not torch.nn.functional's: that one refuses a batch of one with one value in a group.
    normed = torch.group_norm(wide, groups, weight.to(wide), bias.to(wide), GROUP_NORM_EPS)
    return normed.to(x.dtype)


class GroupNorm(nn.Module):
    """Group normalisation with a learned scale and shift per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.groups = group_count(channels)
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        return group_norm(x, self.groups, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.weight.numel()} channels, {self.groups} groups"


def padding(kernel: int) -> int:
    """Zeros on every side: symmetric at stride 2 too, where flax's `SAME` would pad (0, 1)."""
    return kernel // 2


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """Convolution of [B, C, H, W] in the precision of x."""
    bias = None if bias is None else bias.to(x.dtype)
    return functional.conv2d(x, weight.to(x.dtype), bias, stride, padding(weight.shape[-1]))


class Conv(nn.Module):
    """A square convolution, zero-padded by half its kernel, without bias unless asked for."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        *,
        stride: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in, kernel, kernel))
        self.bias = nn.Parameter(torch.empty(channels_out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return convolve(x, self.weight, self.bias, self.stride)

    def extra_repr(self) -> str:
        out, into, kernel, _ = self.weight.shape
        return f"{into} -> {out}, {kernel}x{kernel}, stride {self.stride}"


class Linear(nn.Module):
    """A linear map with bias."""

    def __init__(self, features_in: int, features_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(features_out, features_in))
        self.bias = nn.Parameter(torch.empty(features_out))

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight.to(x.dtype), self.bias.to(x.dtype))


class ConvNorm(nn.Module):
    """Convolution and group normalisation, followed by a ReLU where `relu` says so."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        *,
        stride: int = 1,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.conv = Conv(channels_in, channels_out, kernel, stride=stride)
        self.norm = GroupNorm(channels_out)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(self.conv(x))
        return functional.relu(normed) if self.relu else normed


def block_strides(stride: int) -> tuple[int, int]:
    """Strides of the two 3x3 convolutions of a block: the first one takes it all."""
    return stride, 1


def residual(branch: Tensor, shortcut: Tensor) -> Tensor:
    """ReLU after the sum."""
    return functional.relu(branch + shortcut)


class BasicBlock(nn.Module):
    """conv3x3-GN-ReLU-conv3x3-GN, plus the input, then ReLU; `name` is its name in traces."""

    def __init__(self, channels_in: int, channels_out: int, *, stride: int, name: str) -> None:
        super().__init__()
        self.name = name
        first, second = block_strides(stride)
        self.conv1 = Conv(channels_in, channels_out, 3, stride=first)
        self.norm1 = GroupNorm(channels_out)
        self.conv2 = Conv(channels_out, channels_out, 3, stride=second)
        self.norm2 = GroupNorm(channels_out)
        changes = stride != 1 or channels_in != channels_out
        self.shortcut = (
            ConvNorm(channels_in, channels_out, 1, stride=stride, relu=False) if changes else None
        )

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv1(x)
        record_map(f"{self.name}/conv1", inner)
        inner = functional.relu(self.norm1(inner))
        inner = self.norm2(self.conv2(inner))
        shortcut = x
        if self.shortcut is not None:
            shortcut = self.shortcut(x)
            record_map(f"{self.name}/proj_gn", shortcut)
        out = residual(inner, shortcut)
        record_map(self.name, out)
        return out

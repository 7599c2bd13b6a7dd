"""The decoder of the masked autoencoder: bridge, four up-blocks on skips, a linear head."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from drift import resize
from drift.encoder.config import EncoderConfig
from drift.encoder.layers import Conv, ConvNorm, GroupNorm, record_map

# The map each up-block is joined with, and the reference's name of the block.
SKIPS = ("layer3", "layer2", "layer1", "conv1")
TRACE_NAMES = ("up43", "up32", "up21", "up10")


def join(grown: Tensor, skip: Tensor) -> Tensor:
    """The grown map and the skip, concatenated over channels in this order."""
    return torch.cat([grown, skip], dim=1)


def bridged(bridge: nn.Module, deepest: Tensor) -> Tensor:
    """The deepest map after the convolution that leads into the decoder."""
    crossed: Tensor = bridge(deepest)
    return crossed


class UpBlock(nn.Module):
    """Resize to the skip's size, concatenate, GroupNorm, two conv-GN-ReLU."""

    def __init__(self, channels_in: int, channels_skip: int, channels_out: int) -> None:
        super().__init__()
        self.join_norm = GroupNorm(channels_in + channels_skip)
        self.merge = ConvNorm(channels_in + channels_skip, channels_out, 3)
        self.refine = ConvNorm(channels_out, channels_out, 3)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        rows, columns = skip.shape[2:]
        joined = join(resize.resize_bilinear(x, (rows, columns)), skip)
        refined: Tensor = self.refine(self.merge(self.join_norm(joined)))
        return refined


class Decoder(nn.Module):
    """Maps of the trunk -> reconstruction [B, p*p*C_in, H, W] of the patchified image."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        base, deepest = config.base_channels, config.widths[-1]
        self.bridge = ConvNorm(deepest, deepest, 3)
        skips = (*reversed(config.widths[:-1]), base)
        outputs = (*reversed(config.widths[:-1]), base)
        inputs = (deepest, *outputs[:-1])
        self.ups = nn.ModuleList(
            UpBlock(into, skip, out) for into, skip, out in zip(inputs, skips, outputs, strict=True)
        )
        self.head = Conv(base, config.input_channels, 1, bias=True)

    def forward(self, maps: Mapping[str, Tensor]) -> Tensor:
        x = bridged(self.bridge, maps["layer4"])
        record_map("step/decoder/bridge", x)
        for up, skip, name in zip(self.ups, SKIPS, TRACE_NAMES, strict=True):
            x = up(x, maps[skip])
            record_map(f"step/decoder/{name}", x)
        recon: Tensor = self.head(x)
        return recon

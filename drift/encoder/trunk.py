"""The ResNet encoder: stem, four stages of basic blocks, a GroupNorm after each stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional

from drift.encoder.config import EncoderConfig
from drift.encoder.layers import BasicBlock, Conv, GroupNorm, record_map

STAGE_STRIDES = (1, 2, 2, 2)
STEM_KERNEL = 3


class Stem(nn.Module):
    """3x3 convolution without bias, GroupNorm, ReLU."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = Conv(channels_in, channels_out, STEM_KERNEL)
        self.norm = GroupNorm(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        convolved = self.conv(x)
        record_map("step/encoder/conv1", convolved)
        normed = self.norm(convolved)
        record_map("step/encoder/gn1", normed)
        return functional.relu(normed)


class Stage(nn.Module):
    """Basic blocks and the GroupNorm that closes the stage."""

    def __init__(
        self, index: int, channels_in: int, channels_out: int, *, blocks: int, stride: int
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            BasicBlock(
                channels_out if block else channels_in,
                channels_out,
                stride=1 if block else stride,
                name=f"step/encoder/stages_{index}/layers_{block}",
            )
            for block in range(blocks)
        )
        self.norm = GroupNorm(channels_out)

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """x -> (the output of each block, the feature of the stage, the input of the next)."""
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        return outputs, *close_stage(x, self.norm)


def close_stage(x: Tensor, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """(feature, input of the next stage): both are the normalised map (mae_model.py:131-133)."""
    normed = norm(x)
    return normed, normed


class Trunk(nn.Module):
    """Patchified image [B, C_in, H, W] -> its maps; strides 1, 2, 2, 2 at the first blocks."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.stem = Stem(config.input_channels, config.base_channels)
        widths = (config.base_channels, *config.widths)
        self.stages = nn.ModuleList(
            Stage(
                index,
                widths[index],
                widths[index + 1],
                blocks=blocks,
                stride=STAGE_STRIDES[index],
            )
            for index, blocks in enumerate(config.blocks)
        )

    def forward(self, x: Tensor) -> tuple[dict[str, Tensor], list[list[Tensor]]]:
        """x -> ({"conv1", "layer1".."layer4"}, the outputs of every block by stage)."""
        x = self.stem(x)
        maps = {"conv1": x}
        blocks = []
        for index, stage in enumerate(self.stages, start=1):
            outputs, maps[f"layer{index}"], x = stage(x)
            blocks.append(outputs)
        return maps, blocks


def taps(
    maps: Mapping[str, Tensor], blocks: Sequence[Sequence[Tensor]], every: float | None
) -> dict[str, Tensor]:
    """The maps that become features, in the reference's order (mae_model.py:122-133, 345-352).

    `conv1`, `layer1`..`layer4`, then `layerK_blkM` for each tapped block M of stage K, as it is
    before the stage's norm.
    """
    tapped = dict(maps)
    for stage, outputs in enumerate(blocks, start=1):
        for block, output in enumerate(outputs, start=1):
            if is_tapped(block, every):
                tapped[f"layer{stage}_blk{block}"] = output
    return tapped


def is_tapped(block: int, every: float | None) -> bool:
    """Whether block number `block` of a stage, from 1, is a multiple of `every`; None: never."""
    return every is not None and block % every == 0

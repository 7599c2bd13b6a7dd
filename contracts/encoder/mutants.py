"""Realistic mistakes in the masked autoencoder; each changes the engine in place and undoes it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional

from drift import resize
from drift.encoder import decoder, initialise, layers, model, statistics, trunk
from verify.api import mutant

Patched = AbstractContextManager[Any]


@mutant("encoder.eight_groups")
def eight_groups(subject: object) -> Patched:
    """GroupNorm with at most 8 groups, as in the public reproduction."""
    return patch.object(layers, "MOST_GROUPS", 8)


@mutant("encoder.group_norm_eps")
def group_norm_eps(subject: object) -> Patched:
    """torch's default eps, 1e-5."""
    return patch.object(layers, "GROUP_NORM_EPS", 1.0e-5)


@mutant("encoder.no_stage_norm")
def no_stage_norm(subject: object) -> Patched:
    return patch.object(trunk, "close_stage", lambda x, norm: (x, x))


@mutant("encoder.stage_norm_not_fed_forward")
def stage_norm_not_fed_forward(subject: object) -> Patched:
    """The feature is normalised, the next stage gets the raw map."""
    return patch.object(trunk, "close_stage", lambda x, norm: (norm(x), x))


@mutant("encoder.tap_before_stage_norm")
def tap_before_stage_norm(subject: object) -> Patched:
    """The next stage gets the normalised map, the feature is the raw one."""
    return patch.object(trunk, "close_stage", lambda x, norm: (x, norm(x)))


@mutant("encoder.relu_before_sum")
def relu_before_sum(subject: object) -> Patched:
    return patch.object(layers, "residual", lambda branch, x: functional.relu(branch) + x)


@mutant("encoder.no_relu_after_sum")
def no_relu_after_sum(subject: object) -> Patched:
    return patch.object(layers, "residual", lambda branch, x: branch + x)


@mutant("encoder.stride_in_second_conv")
def stride_in_second_conv(subject: object) -> Patched:
    return patch.object(layers, "block_strides", lambda stride: (1, stride))


@mutant("encoder.stride_at_other_stage")
def stride_at_other_stage(subject: object) -> Patched:
    """The last stage keeps the size of the third."""
    return patch.object(trunk, "STAGE_STRIDES", (1, 2, 2, 1))


@mutant("encoder.same_padding")
def same_padding(subject: object) -> Patched:
    """flax's `SAME`: a strided convolution of an even size pads only after the map."""
    real = layers.convolve

    def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
        if stride == 1 or weight.shape[-1] == 1 or x.shape[2] % 2:
            return real(x, weight, bias, stride)
        return functional.conv2d(functional.pad(x, (0, 1, 0, 1)), weight.to(x.dtype), None, stride)

    return patch.object(layers, "convolve", convolve)


@mutant("encoder.channels_first_patchify")
def channels_first_patchify(subject: object) -> Patched:
    """torch's pixel_unshuffle: the channel varies slowest."""
    return patch.object(layers, "patchify", functional.pixel_unshuffle)


@mutant("encoder.std_without_eps")
def std_without_eps(subject: object) -> Patched:
    return patch.object(statistics, "STD_EPS", 0.0)


@contextmanager
def _unbiased() -> Iterator[None]:
    with patch.object(statistics, "CORRECTION", 1), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # one value has no unbiased variance
        yield


@mutant("encoder.unbiased_std")
def unbiased_std(subject: object) -> Patched:
    """torch's default: the sum of squares over n - 1."""
    return _unbiased()


@mutant("encoder.bfloat16_std")
def bfloat16_std(subject: object) -> Patched:
    """Deviations in the precision of the map."""
    real = statistics.std_over
    return patch.object(statistics, "std_over", lambda v, axes: real(v, axes).to(v.dtype))


@mutant("encoder.mean_and_std_in_one_key")
def mean_and_std_in_one_key(subject: object) -> Patched:
    """`_mean` holds mean and deviation side by side, as in the public reproduction."""
    real = statistics.map_vectors

    def joined(name: str, image: Tensor, **switches: Any) -> Iterator[tuple[str, Tensor]]:
        entries = dict(real(name, image, **switches))
        entries[f"{name}_mean"] = torch.cat(
            [entries[f"{name}_mean"], entries.pop(f"{name}_std")], -1
        )
        yield from entries.items()

    return patch.object(statistics, "map_vectors", joined)


@mutant("encoder.column_major_positions")
def column_major_positions(subject: object) -> Patched:
    real = statistics.positions
    return patch.object(statistics, "positions", lambda image: real(image.transpose(2, 3)))


@mutant("encoder.missing_conv1")
def missing_conv1(subject: object) -> Patched:
    real = trunk.taps

    def without(maps: dict[str, Tensor], blocks: Any, every: float | None) -> dict[str, Tensor]:
        return {name: image for name, image in real(maps, blocks, every).items() if name != "conv1"}

    return patch.object(trunk, "taps", without)


@mutant("encoder.missing_norm_x")
def missing_norm_x(subject: object) -> Patched:
    return patch.object(model, "input_vectors", lambda patched: iter(()))


@mutant("encoder.norm_x_without_root")
def norm_x_without_root(subject: object) -> Patched:
    """The mean square of the input, as the paper's sentence reads."""
    real = statistics.root_mean_square
    return patch.object(statistics, "root_mean_square", lambda images: real(images).square())


@mutant("encoder.taps_odd_blocks")
def taps_odd_blocks(subject: object) -> Patched:
    """Blocks 1, 3, 5 instead of 2, 4, 6: counted from zero."""
    real = trunk.is_tapped
    return patch.object(trunk, "is_tapped", lambda block, every: real(block - 1, every))


@mutant("encoder.channel_averaged_loss")
def channel_averaged_loss(subject: object) -> Patched:
    real = model.position_error

    def averaged(recon: Tensor, target: Tensor) -> Tensor:
        return real(recon, target) / recon.shape[1]

    return patch.object(model, "position_error", averaged)


@mutant("encoder.loss_over_visible")
def loss_over_visible(subject: object) -> Patched:
    """The error is scored where the input was seen."""
    real = model.reconstruction_loss
    return patch.object(model, "reconstruction_loss", lambda r, t, mask: real(r, t, 1 - mask))


@mutant("encoder.loss_over_all")
def loss_over_all(subject: object) -> Patched:
    real = model.reconstruction_loss
    return patch.object(
        model, "reconstruction_loss", lambda r, t, mask: real(r, t, torch.ones_like(mask))
    )


@mutant("encoder.mask_not_applied")
def mask_not_applied(subject: object) -> Patched:
    return patch.object(model, "hide", lambda patched, mask: patched)


@mutant("encoder.mask_inverted")
def mask_inverted(subject: object) -> Patched:
    """1 means visible."""
    real = model.hide
    return patch.object(model, "hide", lambda patched, mask: real(patched, 1 - mask))


@mutant("encoder.mask_above_ratio")
def mask_above_ratio(subject: object) -> Patched:
    """A square is masked where its uniform lies above the ratio."""
    from drift.encoder import masking

    real = masking.mask_from_uniform
    return patch.object(
        masking, "mask_from_uniform", lambda u, r, *, patch: 1 - real(u, r, patch=patch)
    )


@mutant("encoder.lambda_added")
def lambda_added(subject: object) -> Patched:
    """recon + lambda * cls: the reconstruction keeps its full weight."""
    return patch.object(model, "mix", lambda cls, recon, share: recon + share * cls)


@mutant("encoder.align_corners")
def align_corners(subject: object) -> Patched:
    return patch.object(resize, "ALIGN_CORNERS", True)


@mutant("encoder.no_antialias")
def no_antialias(subject: object) -> Patched:
    return patch.object(resize, "ANTIALIAS", False)


@mutant("encoder.skip_before_grown_map")
def skip_before_grown_map(subject: object) -> Patched:
    return patch.object(decoder, "join", lambda grown, skip: torch.cat([skip, grown], dim=1))


@mutant("encoder.skips_swapped")
def skips_swapped(subject: object) -> Patched:
    """The stem's map and that of the first stage, which have one shape, change places."""
    return patch.object(decoder, "SKIPS", ("layer3", "layer2", "conv1", "layer1"))


@mutant("encoder.no_bridge")
def no_bridge(subject: object) -> Patched:
    return patch.object(decoder, "bridged", lambda bridge, deepest: deepest)


@mutant("encoder.autocast_decides")
def autocast_decides(subject: object) -> Patched:
    return patch.object(layers, "without_autocast", lambda x: nullcontext())


@mutant("encoder.kaiming_uniform")
def kaiming_uniform(subject: object) -> Patched:
    """torch's own initialisation of convolutions and linears."""

    def torch_default(weight: Tensor, generator: torch.Generator | None) -> None:
        nn.init.kaiming_uniform_(weight, a=5**0.5, generator=generator)

    return patch.object(initialise, "lecun_normal_", torch_default)


@mutant("encoder.truncation_not_compensated")
def truncation_not_compensated(subject: object) -> Patched:
    """Truncated at two standard deviations of 1/sqrt(fan-in): the variance is 23 % too small."""
    return patch.object(initialise, "TRUNCATED_STD", 1.0)


@mutant("encoder.untruncated_init")
def untruncated_init(subject: object) -> Patched:
    return patch.multiple(initialise, CUT=8.0, TRUNCATED_STD=1.0)


@mutant("encoder.fan_out")
def fan_out(subject: object) -> Patched:
    """Outputs counted for inputs."""
    return patch.object(initialise, "fan_in", lambda weight: weight[:, 0].numel())


@mutant("encoder.fewer_blocks")
def fewer_blocks(subject: object) -> Patched:
    """Never more than four blocks in a stage."""
    from drift.encoder import config

    real = config.EncoderConfig.from_reference

    def shallower(model_config: Any) -> Any:
        given = dict(model_config)
        given["layers"] = [min(number, 4) for number in given["layers"]]
        return real(given)

    return patch.object(config.EncoderConfig, "from_reference", shallower)


@mutant("encoder.widths_capped")
def widths_capped(subject: object) -> Patched:
    """The last stage is no wider than the third."""
    from drift.encoder.config import EncoderConfig

    capped = property(lambda self: tuple(self.base_channels * factor for factor in (1, 2, 4, 4)))
    return patch.object(EncoderConfig, "widths", capped)


@mutant("encoder.seven_by_seven_stem")
def seven_by_seven_stem(subject: object) -> Patched:
    """The stem of an ImageNet ResNet."""
    return patch.object(trunk, "STEM_KERNEL", 7)

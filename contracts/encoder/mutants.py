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


# GroupNorm with at most 8 groups, as in the public reproduction.
eight_groups = mutant("encoder.eight_groups", layers, MOST_GROUPS=8)


# torch's default eps, 1e-5.
group_norm_eps = mutant("encoder.group_norm_eps", layers, GROUP_NORM_EPS=1.0e-5)


no_stage_norm = mutant("encoder.no_stage_norm", trunk, close_stage=lambda x, norm: (x, x))


@mutant("encoder.same_padding", layers, "convolve")
def same_padding(real: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Any:
    """flax's `SAME`: a strided convolution of an even size pads only after the map."""
    if stride == 1 or weight.shape[-1] == 1 or x.shape[2] % 2:
        return real(x, weight, bias, stride)
    return functional.conv2d(functional.pad(x, (0, 1, 0, 1)), weight.to(x.dtype), None, stride)


@contextmanager
def _unbiased() -> Iterator[None]:
    with patch.object(statistics, "CORRECTION", 1), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # one value has no unbiased variance
        yield


@mutant("encoder.unbiased_std")
def unbiased_std(subject: object) -> Patched:
    """torch's default: the sum of squares over n - 1."""
    return _unbiased()


@mutant("encoder.bfloat16_std", statistics, "std_over")
def bfloat16_std(real: Any, v: Any, axes: Any) -> Any:
    """Deviations in the precision of the map."""
    return real(v, axes).to(v.dtype)


@mutant("encoder.mean_and_std_in_one_key", statistics, "map_vectors")
def mean_and_std_in_one_key(
    real: Any, name: str, image: Tensor, **switches: Any
) -> Iterator[tuple[str, Tensor]]:
    """`_mean` holds mean and deviation side by side, as in the public reproduction."""
    entries = dict(real(name, image, **switches))
    entries[f"{name}_mean"] = torch.cat([entries[f"{name}_mean"], entries.pop(f"{name}_std")], -1)
    yield from entries.items()


@mutant("encoder.column_major_positions", statistics, "positions")
def column_major_positions(real: Any, image: Any) -> Any:
    return real(image.transpose(2, 3))


@mutant("encoder.missing_conv1", trunk, "taps")
def missing_conv1(
    real: Any, maps: dict[str, Tensor], blocks: Any, every: float | None
) -> dict[str, Tensor]:
    return {name: image for name, image in real(maps, blocks, every).items() if name != "conv1"}


@mutant("encoder.norm_x_without_root", statistics, "root_mean_square")
def norm_x_without_root(real: Any, images: Any) -> Any:
    """The mean square of the input, as the paper's sentence reads."""
    return real(images).square()


@mutant("encoder.taps_odd_blocks", trunk, "is_tapped")
def taps_odd_blocks(real: Any, block: Any, every: Any) -> Any:
    """Blocks 1, 3, 5 instead of 2, 4, 6: counted from zero."""
    return real(block - 1, every)


@mutant("encoder.channel_averaged_loss", model, "position_error")
def channel_averaged_loss(real: Any, recon: Tensor, target: Tensor) -> Any:
    return real(recon, target) / recon.shape[1]


@mutant("encoder.loss_over_visible", model, "reconstruction_loss")
def loss_over_visible(real: Any, r: Any, t: Any, mask: Any) -> Any:
    """The error is scored where the input was seen."""
    return real(r, t, 1 - mask)


@mutant("encoder.loss_over_all", model, "reconstruction_loss")
def loss_over_all(real: Any, r: Any, t: Any, mask: Any) -> Any:
    return real(r, t, torch.ones_like(mask))


@mutant("encoder.mask_inverted", model, "hide")
def mask_inverted(real: Any, patched: Any, mask: Any) -> Any:
    """1 means visible."""
    return real(patched, 1 - mask)


@mutant("encoder.mask_above_ratio")
def mask_above_ratio(subject: object) -> Patched:
    """A square is masked where its uniform lies above the ratio."""
    from drift.encoder import masking

    real = masking.mask_from_uniform
    return patch.object(
        masking, "mask_from_uniform", lambda u, r, *, patch: 1 - real(u, r, patch=patch)
    )


@mutant("encoder.kaiming_uniform", initialise, "lecun_normal_")
def kaiming_uniform(real: Any, weight: Tensor, generator: torch.Generator | None) -> None:
    """torch's own initialisation of convolutions and linears."""
    nn.init.kaiming_uniform_(weight, a=5**0.5, generator=generator)


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


OTHER_VALUES = (
    # The feature is normalised, the next stage gets the raw map.
    mutant("encoder.stage_norm_not_fed_forward", trunk, close_stage=lambda x, norm: (norm(x), x)),
    # The next stage gets the normalised map, the feature is the raw one.
    mutant("encoder.tap_before_stage_norm", trunk, close_stage=lambda x, norm: (x, norm(x))),
    mutant(
        "encoder.relu_before_sum", layers, residual=lambda branch, x: functional.relu(branch) + x
    ),
    mutant("encoder.no_relu_after_sum", layers, residual=lambda branch, x: branch + x),
    mutant("encoder.stride_in_second_conv", layers, block_strides=lambda stride: (1, stride)),
    # The last stage keeps the size of the third.
    mutant("encoder.stride_at_other_stage", trunk, STAGE_STRIDES=(1, 2, 2, 1)),
    # torch's pixel_unshuffle: the channel varies slowest.
    mutant("encoder.channels_first_patchify", layers, patchify=functional.pixel_unshuffle),
    mutant("encoder.std_without_eps", statistics, STD_EPS=0.0),
    mutant("encoder.missing_norm_x", model, input_vectors=lambda patched: iter(())),
    mutant("encoder.mask_not_applied", model, hide=lambda patched, mask: patched),
    # recon + lambda * cls: the reconstruction keeps its full weight.
    mutant("encoder.lambda_added", model, mix=lambda cls, recon, share: recon + share * cls),
    mutant("encoder.align_corners", resize, ALIGN_CORNERS=True),
    mutant("encoder.no_antialias", resize, ANTIALIAS=False),
    mutant(
        "encoder.skip_before_grown_map",
        decoder,
        join=lambda grown, skip: torch.cat([skip, grown], dim=1),
    ),
    # The stem's map and that of the first stage, which have one shape, change places.
    mutant("encoder.skips_swapped", decoder, SKIPS=("layer3", "layer2", "conv1", "layer1")),
    mutant("encoder.no_bridge", decoder, bridged=lambda bridge, deepest: deepest),
    mutant("encoder.autocast_decides", layers, without_autocast=lambda x: nullcontext()),
    # Truncated at two standard deviations of 1/sqrt(fan-in): the variance is 23 % too small.
    mutant("encoder.truncation_not_compensated", initialise, TRUNCATED_STD=1.0),
    mutant("encoder.untruncated_init", initialise, CUT=8.0, TRUNCATED_STD=1.0),
    # Outputs counted for inputs.
    mutant("encoder.fan_out", initialise, fan_in=lambda weight: weight[:, 0].numel()),
    # The stem of an ImageNet ResNet.
    mutant("encoder.seven_by_seven_stem", trunk, STEM_KERNEL=7),
)

"""Realistic mistakes in the second encoder and on the way from samples to the loss."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from drift import convnext, features, loss, remembered
from drift.interop import encoder_layout
from drift.interop.layout import Entry
from verify.api import mutant

Patched = AbstractContextManager[Any]


@mutant("features.clipped_pixels", convnext, "imagenet")
def clipped_pixels(real: Any, images: Any) -> Any:
    """Samples are clipped to [-1, 1] first; no gradient reaches a pixel outside."""
    return real(images.clamp(-1, 1))


@mutant("features.tiny_for_base")
def tiny_for_base(subject: object) -> Patched:
    """The widths of Tiny, whatever is configured, as in the public reproduction."""
    real = convnext.library_options
    widths = list(convnext.TINY.widths)
    return patch.object(
        convnext, "library_options", lambda config: real(config) | {"hidden_sizes": widths}
    )


@mutant("features.no_vanilla_term", features.FeatureConfig, "keeps")
def no_vanilla_term(real: Any, self: Any, name: Any) -> Any:
    """`global` is never in the dictionary."""
    return name != "global" and real(self, name)


@mutant("features.sample_major", features, "by_label")
def sample_major(real: Any, values: Tensor, labels: int) -> Tensor:
    """Sample b + B g belongs to label b."""
    return values.reshape(-1, labels, *values.shape[1:]).transpose(0, 1)


@mutant("features.unconditional_first", features, "real_features")
def unconditional_first(
    real: Any, extractor: Any, positives: Tensor, unconditional: Tensor, **rest: Any
) -> Any:
    """Unconditional samples stand before the positives and are taken for them."""
    return real(extractor, unconditional, positives, **rest)


@mutant("features.summed_locations", loss, "reduce_locations")
def summed_locations(real: Any, value: Any, n: Any, switches: Any) -> Any:
    """The losses of the locations are added, as the paper's sentence reads."""
    return real(value, n, switches) * n


@mutant("features.detached_samples", features.FeatureExtractor, "forward")
def detached_samples(real: Any, self: Any, samples: Tensor) -> Any:
    """Generated features are computed without gradient, as real ones are."""
    return real(self, samples.detach() + 0 * samples.sum())


@mutant("features.chunks_interleaved", features, "split")
def chunks_interleaved(real: Any, images: Tensor, size: int) -> tuple[Tensor, ...]:
    """Chunks are strided instead of consecutive, and joined as if they were."""
    number = -(-len(images) // size)
    return tuple(images[start::number] for start in range(number))


@mutant("features.neighbour_kept", remembered.Remembered, "__call__")
def neighbour_kept(real: Any, self: Any, samples: Tensor) -> Any:
    """Of what is kept each sample gets its neighbour's."""
    return {name: value.roll(1, 0) for name, value in real(self, samples).items()}


@mutant("features.rows_overwritten", remembered.Remembered, "_learn")
def rows_overwritten(real: Any, self: Any, keys: Any, samples: Tensor) -> None:
    """Samples that are new are kept where others were."""
    before = dict(self._places)
    self._places.clear()
    real(self, keys, samples)
    self._places |= {key: place for key, place in before.items() if key not in self._places}


@mutant("features.patches_with_statistics", features, "inventory_of")
def patches_with_statistics(real: Any, letters: str) -> Any:
    """2x2 patches come with the statistics of the whole map."""
    chosen = real(letters)
    return chosen | {"patch_2"} if "map_statistics" in chosen else chosen


@mutant("features.grn_interchanged", encoder_layout, "convnext_entries")
def grn_interchanged(real: Any, config: Any) -> list[Any]:
    """gamma and beta of the response normalisation change places in the layout."""
    names = {"gamma": "beta", "beta": "gamma"}
    return [
        Entry(f"{head}/{names.get(leaf, leaf)}" if head else leaf, entry.ours, entry.kind)
        for entry in real(config)
        for head, _, leaf in [entry.reference.rpartition("/")]
    ]


@mutant("features.loss_in_bfloat16", features, "by_label")
def loss_in_bfloat16(real: Any, values: Tensor, labels: int) -> Any:
    """Features are rounded to the precision of autocast before the loss."""
    narrow = torch.is_autocast_enabled("cpu")
    return real(values.to(torch.bfloat16) if narrow else values, labels)


OTHER_VALUES = (
    # The library's default eps of the final norm, 1e-12.
    mutant("features.library_final_norm_eps", convnext, LAYER_NORM_EPS=1.0e-12),
    # flax's default GELU is the tanh approximation.
    mutant("features.tanh_gelu", convnext, HIDDEN_ACTIVATION="gelu_new"),
    # The eps of a LayerNorm for the deviation of a token.
    mutant("features.token_eps", convnext, TOKEN_STD_EPS=1.0e-6),
    # Stage outputs as they are.
    mutant("features.raw_tokens", convnext, normalise_tokens=lambda tokens: tokens),
    # The positions of stage 0 are features as well.
    mutant("features.spatial_stage_0", convnext, SPATIAL_STAGES=(0, 1, 2, 3)),
    mutant("features.input_256", convnext, INPUT_SIZE=256),
    # Mean and deviation 0.5: the second encoder sees the sample as it is.
    mutant(
        "features.half_normalisation",
        convnext,
        PIXEL_MEAN=(0.5, 0.5, 0.5),
        PIXEL_STD=(0.5, 0.5, 0.5),
    ),
    mutant(
        "features.global_channels_first",
        features,
        flat_sample=lambda samples: samples.flatten(1).unsqueeze(1),
    ),
    mutant("features.trainable_encoder", features, freeze=lambda module: module.train(False)),
    mutant("features.real_graph_kept", features, without_gradient=nullcontext),
    mutant("features.training_mode", features.FeatureExtractor, train=nn.Module.train),
    # (c) is taken for the 4x4 patches and (d) for the 2x2 ones.
    mutant("features.letters_shifted", features.INVENTORY, c="patch_4", d="patch_2"),
)

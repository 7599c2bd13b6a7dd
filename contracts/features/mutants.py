"""Realistic mistakes in the second encoder and on the way from samples to the loss."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from drift import convnext, features, loss
from drift.interop import encoder_layout
from drift.interop.layout import Entry
from verify.api import mutant

Patched = AbstractContextManager[Any]


@mutant("features.library_final_norm_eps")
def library_final_norm_eps(subject: object) -> Patched:
    """The library's default eps of the final norm, 1e-12."""
    return patch.object(convnext, "LAYER_NORM_EPS", 1.0e-12)


@mutant("features.tanh_gelu")
def tanh_gelu(subject: object) -> Patched:
    """flax's default GELU is the tanh approximation."""
    return patch.object(convnext, "HIDDEN_ACTIVATION", "gelu_new")


@mutant("features.token_eps")
def token_eps(subject: object) -> Patched:
    """The eps of a LayerNorm for the deviation of a token."""
    return patch.object(convnext, "TOKEN_STD_EPS", 1.0e-6)


@mutant("features.raw_tokens")
def raw_tokens(subject: object) -> Patched:
    """Stage outputs as they are."""
    return patch.object(convnext, "normalise_tokens", lambda tokens: tokens)


@mutant("features.spatial_stage_0")
def spatial_stage_0(subject: object) -> Patched:
    """The positions of stage 0 are features as well."""
    return patch.object(convnext, "SPATIAL_STAGES", (0, 1, 2, 3))


@mutant("features.input_256")
def input_256(subject: object) -> Patched:
    return patch.object(convnext, "INPUT_SIZE", 256)


@mutant("features.half_normalisation")
def half_normalisation(subject: object) -> Patched:
    """Mean and deviation 0.5: the second encoder sees the sample as it is."""
    return patch.multiple(convnext, PIXEL_MEAN=(0.5, 0.5, 0.5), PIXEL_STD=(0.5, 0.5, 0.5))


@mutant("features.clipped_pixels")
def clipped_pixels(subject: object) -> Patched:
    """Samples are clipped to [-1, 1] first; no gradient reaches a pixel outside."""
    real = convnext.imagenet
    return patch.object(convnext, "imagenet", lambda images: real(images.clamp(-1, 1)))


@mutant("features.tiny_for_base")
def tiny_for_base(subject: object) -> Patched:
    """The widths of Tiny, whatever is configured, as in the public reproduction."""
    real = convnext.library_options
    widths = list(convnext.TINY.widths)
    return patch.object(
        convnext, "library_options", lambda config: real(config) | {"hidden_sizes": widths}
    )


@mutant("features.global_channels_first")
def global_channels_first(subject: object) -> Patched:
    return patch.object(features, "flat_sample", lambda samples: samples.flatten(1).unsqueeze(1))


@mutant("features.no_vanilla_term")
def no_vanilla_term(subject: object) -> Patched:
    """`global` is never in the dictionary."""
    real = features.FeatureConfig.keeps
    return patch.object(
        features.FeatureConfig, "keeps", lambda self, name: name != "global" and real(self, name)
    )


@mutant("features.sample_major")
def sample_major(subject: object) -> Patched:
    """Sample b + B g belongs to label b."""

    def interleaved(values: Tensor, labels: int) -> Tensor:
        return values.reshape(-1, labels, *values.shape[1:]).transpose(0, 1)

    return patch.object(features, "by_label", interleaved)


@mutant("features.unconditional_first")
def unconditional_first(subject: object) -> Patched:
    """Unconditional samples stand before the positives and are taken for them."""
    real = features.real_features

    def swapped(extractor: Any, positives: Tensor, unconditional: Tensor, **rest: Any) -> Any:
        return real(extractor, unconditional, positives, **rest)

    return patch.object(features, "real_features", swapped)


@mutant("features.summed_locations")
def summed_locations(subject: object) -> Patched:
    """The losses of the locations are added, as the paper's sentence reads."""
    real = loss.reduce_locations
    return patch.object(
        loss, "reduce_locations", lambda value, n, switches: real(value, n, switches) * n
    )


@mutant("features.trainable_encoder")
def trainable_encoder(subject: object) -> Patched:
    return patch.object(features, "freeze", lambda module: module.train(False))


@mutant("features.detached_samples")
def detached_samples(subject: object) -> Patched:
    """Generated features are computed without gradient, as real ones are."""
    real = features.FeatureExtractor.forward

    def forward(self: Any, samples: Tensor) -> dict[str, Tensor]:
        return real(self, samples.detach() + 0 * samples.sum())

    return patch.object(features.FeatureExtractor, "forward", forward)


@mutant("features.real_graph_kept")
def real_graph_kept(subject: object) -> Patched:
    return patch.object(features, "without_gradient", nullcontext)


@mutant("features.training_mode")
def training_mode(subject: object) -> Patched:
    return patch.object(features.FeatureExtractor, "train", nn.Module.train)


@mutant("features.chunks_interleaved")
def chunks_interleaved(subject: object) -> Patched:
    """Chunks are strided instead of consecutive, and joined as if they were."""

    def strided(images: Tensor, size: int) -> tuple[Tensor, ...]:
        number = -(-len(images) // size)
        return tuple(images[start::number] for start in range(number))

    return patch.object(features, "split", strided)


@mutant("features.patches_with_statistics")
def patches_with_statistics(subject: object) -> Patched:
    """2x2 patches come with the statistics of the whole map."""
    real = features.inventory_of

    def inventory_of(letters: str) -> frozenset[str]:
        chosen = real(letters)
        return chosen | {"patch_2"} if "map_statistics" in chosen else chosen

    return patch.object(features, "inventory_of", inventory_of)


@mutant("features.letters_shifted")
def letters_shifted(subject: object) -> Patched:
    """(c) is taken for the 4x4 patches and (d) for the 2x2 ones."""
    return patch.dict(features.INVENTORY, c="patch_4", d="patch_2")


@mutant("features.grn_interchanged")
def grn_interchanged(subject: object) -> Patched:
    """gamma and beta of the response normalisation change places in the layout."""
    real = encoder_layout.convnext_entries

    def interchanged(config: Any) -> list[Any]:
        names = {"gamma": "beta", "beta": "gamma"}
        return [
            Entry(f"{head}/{names.get(leaf, leaf)}" if head else leaf, entry.ours, entry.kind)
            for entry in real(config)
            for head, _, leaf in [entry.reference.rpartition("/")]
        ]

    return patch.object(encoder_layout, "convnext_entries", interchanged)


@mutant("features.loss_in_bfloat16")
def loss_in_bfloat16(subject: object) -> Patched:
    """Features are rounded to the precision of autocast before the loss."""
    real = features.by_label

    def rounded(values: Tensor, labels: int) -> Tensor:
        narrow = torch.is_autocast_enabled("cpu")
        return real(values.to(torch.bfloat16) if narrow else values, labels)

    return patch.object(features, "by_label", rounded)

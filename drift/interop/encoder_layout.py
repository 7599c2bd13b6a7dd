"""Where the reference keeps the parameters of the two feature encoders, path by path.

Both directions are strict (`drift.interop.layout`): a missing, surplus or misshapen parameter is
named with both shapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from drift.convnext import ConvNextConfig, ConvNextFeatures
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.encoder.decoder import TRACE_NAMES as UP_BLOCKS
from drift.interop import layout
from drift.interop.layout import Entry, Shape

TRUNK_PREFIX = "encoder/"


def encoder_state_dict(flat: Mapping[str, Any], config: EncoderConfig) -> dict[str, Tensor]:
    """Reference path -> array becomes a state dict of `MaskedAutoencoder(config)`; strict.

    With a trunk-only configuration `flat` has to hold the encoder's parameters and no others;
    `trunk_parameters` takes them out of a full checkpoint. Raises LayoutError.
    """
    return layout.to_ours(flat, encoder_entries(config), encoder_shapes(config))


def encoder_to_reference(state: Mapping[str, Any], config: EncoderConfig) -> dict[str, Tensor]:
    """The inverse of `encoder_state_dict`, as strict."""
    return layout.to_reference(state, encoder_entries(config), encoder_shapes(config))


def trunk_parameters(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Only the encoder's parameters of a full checkpoint; decoder and classifier are left out."""
    return {path: value for path, value in flat.items() if path.startswith(TRUNK_PREFIX)}


def encoder_shapes(config: EncoderConfig) -> dict[str, Shape]:
    """Name -> shape of our state dict, without allocating a weight."""
    return layout.shapes_of(MaskedAutoencoder(config, device="meta"))


def encoder_entries(config: EncoderConfig) -> list[Entry]:
    """One entry per parameter of the masked autoencoder."""
    entries = [*_trunk(config)]
    if not config.trunk_only:
        entries += [*_decoder(), *_dense("fc", "classifier")]
    return entries


def convnext_state_dict(flat: Mapping[str, Any], config: ConvNextConfig) -> dict[str, Tensor]:
    """Reference path -> array becomes a state dict of `ConvNextFeatures(config)`; strict."""
    return layout.to_ours(flat, convnext_entries(config), convnext_shapes(config))


def convnext_to_reference(state: Mapping[str, Any], config: ConvNextConfig) -> dict[str, Tensor]:
    """The inverse of `convnext_state_dict`, as strict."""
    return layout.to_reference(state, convnext_entries(config), convnext_shapes(config))


def convnext_shapes(config: ConvNextConfig) -> dict[str, Shape]:
    """Name -> shape of our state dict, without allocating a weight."""
    with torch.device("meta"):
        return layout.shapes_of(ConvNextFeatures(config))


def convnext_entries(config: ConvNextConfig) -> list[Entry]:
    """One entry per parameter of ConvNeXt-V2; our names are the library's under `backbone`."""
    entries = [
        *_conv("downsample_layers_0/layers_0", "backbone.embeddings.patch_embeddings", bias=True),
        *_affine("downsample_layers_0/layers_1", "backbone.embeddings.layernorm"),
        *_norm("norm", "backbone.layernorm"),
    ]
    for index, depth in enumerate(config.depths):
        stage = f"backbone.encoder.stages.{index}"
        if index:
            before = f"downsample_layers_{index}"
            entries += _affine(f"{before}/layers_0", f"{stage}.downsampling_layer.0")
            entries += _conv(f"{before}/layers_1", f"{stage}.downsampling_layer.1", bias=True)
        for block in range(depth):
            entries += _convnext_block(f"stages_{index}/layers_{block}", f"{stage}.layers.{block}")
    return entries


def _convnext_block(path: str, name: str) -> Iterator[Entry]:
    yield from _conv(f"{path}/dwconv", f"{name}.dwconv", bias=True)
    yield from _affine(f"{path}/norm", f"{name}.layernorm")
    yield from _dense(f"{path}/pwconv1", f"{name}.pwconv1")
    yield Entry(f"{path}/grn/gamma", f"{name}.grn.weight")
    yield Entry(f"{path}/grn/beta", f"{name}.grn.bias")
    yield from _dense(f"{path}/pwconv2", f"{name}.pwconv2")


def _trunk(config: EncoderConfig) -> Iterator[Entry]:
    yield from _conv("encoder/conv1", "encoder.stem.conv")
    yield from _norm("encoder/gn1", "encoder.stem.norm")
    for index, blocks in enumerate(config.blocks):
        for number in range(blocks):
            path = f"encoder/stages_{index}/layers_{number}"
            name = f"encoder.stages.{index}.blocks.{number}"
            for half in (1, 2):
                yield from _conv(f"{path}/conv{half}", f"{name}.conv{half}")
                yield from _norm(f"{path}/gn{half}", f"{name}.norm{half}")
            if index and not number:  # the shape changes at the first block of stages 1 to 3
                yield from _conv(f"{path}/proj_conv", f"{name}.shortcut.conv")
                yield from _norm(f"{path}/proj_gn", f"{name}.shortcut.norm")
        yield from _norm(f"encoder/layer{index + 1}_norm", f"encoder.stages.{index}.norm")


def _decoder() -> Iterator[Entry]:
    yield from _conv("decoder/bridge/conv", "decoder.bridge.conv")
    yield from _norm("decoder/bridge/gn", "decoder.bridge.norm")
    for index, path in enumerate(UP_BLOCKS):
        path, name = f"decoder/{path}", f"decoder.ups.{index}"
        yield from _norm(f"{path}/concat_norm_fn", f"{name}.join_norm")
        for theirs, ours in (("proj", "merge"), ("refine", "refine")):
            yield from _conv(f"{path}/{theirs}/conv", f"{name}.{ours}.conv")
            yield from _norm(f"{path}/{theirs}/gn", f"{name}.{ours}.norm")
    yield from _conv("decoder/head", "decoder.head", bias=True)


def _conv(path: str, name: str, *, bias: bool = False) -> Iterator[Entry]:
    yield Entry(f"{path}/kernel", f"{name}.weight", "conv")
    if bias:
        yield Entry(f"{path}/bias", f"{name}.bias")


def _dense(path: str, name: str) -> Iterator[Entry]:
    yield Entry(f"{path}/kernel", f"{name}.weight", "dense")
    yield Entry(f"{path}/bias", f"{name}.bias")


def _norm(path: str, name: str) -> Iterator[Entry]:
    """Norms of flax call their weight `scale`."""
    yield Entry(f"{path}/scale", f"{name}.weight")
    yield Entry(f"{path}/bias", f"{name}.bias")


def _affine(path: str, name: str) -> Iterator[Entry]:
    """The second encoder's own channel norms call it `weight`."""
    yield Entry(f"{path}/weight", f"{name}.weight")
    yield Entry(f"{path}/bias", f"{name}.bias")

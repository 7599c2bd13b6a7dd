"""The generator's parameters: the reference's paths on one side, our names on the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from drift.generator import Generator, GeneratorConfig
from drift.interop import layout
from drift.interop.layout import Entry

TRUNK = "LightningDiT_0"
# The reference's MLP -> our names of its linears, in the reference's order.
MLP_PARTS = {"SwiGLUFFN_0": ("gate", "value", "out"), "StandardMLP_0": ("hidden", "out")}


def generator_entries(config: GeneratorConfig) -> list[Entry]:
    """One entry per parameter of a generator of this configuration."""
    return [*_condition(config), *_tokens(config), *_blocks(config), *_head(config)]


def generator_shapes(config: GeneratorConfig) -> dict[str, tuple[int, ...]]:
    """Our name -> shape, in the order of our state dict; allocates no weights."""
    return layout.shapes_of(Generator(config, device="meta"))


def generator_state_dict(flat: Mapping[str, Any], config: GeneratorConfig) -> dict[str, Tensor]:
    """Reference path -> array becomes a state dict for `Generator(config)`.

    Raises LayoutError that names every missing, surplus or misshapen parameter.
    """
    return layout.to_ours(flat, generator_entries(config), generator_shapes(config))


def generator_to_reference(state: Mapping[str, Any], config: GeneratorConfig) -> dict[str, Tensor]:
    """The inverse of `generator_state_dict`, as strict."""
    return layout.to_reference(state, generator_entries(config), generator_shapes(config))


def _linear(reference: str, ours: str) -> Iterator[Entry]:
    yield Entry(f"{reference}/Dense_0/kernel", f"{ours}.weight", "dense")
    yield Entry(f"{reference}/Dense_0/bias", f"{ours}.bias")


def _condition(config: GeneratorConfig) -> Iterator[Entry]:
    yield Entry("Embed_0/embedding", "condition.class_embedding.weight")
    for i in range(config.style_tables):
        yield Entry(f"noise_embeds_{i}/embedding", f"condition.style_embeddings.{i}.weight")
    alpha = "condition.alpha_embedding"
    yield from _linear("TimestepEmbedder_0/TorchLinear_0", f"{alpha}.mlp_in")
    yield from _linear("TimestepEmbedder_0/TorchLinear_1", f"{alpha}.mlp_out")
    yield Entry("RMSNorm_0/weight", f"{alpha}.norm.weight")


def _tokens(config: GeneratorConfig) -> Iterator[Entry]:
    yield from _linear(f"{TRUNK}/TorchLinear_0", "patch_embedding")
    yield Entry(f"{TRUNK}/pos_embed", "positions")
    if config.register_tokens:
        yield from _linear(f"{TRUNK}/TorchLinear_1", "register_projection")
        yield Entry(f"{TRUNK}/cls_embed", "register_embedding")


def _blocks(config: GeneratorConfig) -> Iterator[Entry]:
    for i in range(config.depth):
        theirs, ours = f"{TRUNK}/blocks_{i}", f"blocks.{i}"
        yield from _linear(f"{theirs}/TorchLinear_0", f"{ours}.modulation")
        yield from _linear(f"{theirs}/Attention_0/TorchLinear_0", f"{ours}.attention.qkv")
        yield from _linear(f"{theirs}/Attention_0/TorchLinear_1", f"{ours}.attention.projection")
        if config.qk_norm:
            yield from _head_norm(
                config, f"{theirs}/Attention_0/q_norm", f"{ours}.attention.query_norm"
            )
            yield from _head_norm(
                config, f"{theirs}/Attention_0/k_norm", f"{ours}.attention.key_norm"
            )
        if config.rmsnorm:
            yield Entry(f"{theirs}/RMSNorm_0/weight", f"{ours}.attention_norm.weight")
            yield Entry(f"{theirs}/RMSNorm_1/weight", f"{ours}.mlp_norm.weight")
        yield from _mlp(config, theirs, ours)


def _head_norm(config: GeneratorConfig, reference: str, ours: str) -> Iterator[Entry]:
    """QK-norm. No trace records its LayerNorm form; the names are those Flax gives a LayerNorm."""
    if config.rmsnorm:
        yield Entry(f"{reference}/weight", f"{ours}.weight")
    else:
        yield Entry(f"{reference}/scale", f"{ours}.weight")
        yield Entry(f"{reference}/bias", f"{ours}.bias")


def _mlp(config: GeneratorConfig, theirs: str, ours: str) -> Iterator[Entry]:
    name = "SwiGLUFFN_0" if config.swiglu else "StandardMLP_0"
    for i, part in enumerate(MLP_PARTS[name]):
        yield from _linear(f"{theirs}/{name}/TorchLinear_{i}", f"{ours}.mlp.{part}")


def _head(config: GeneratorConfig) -> Iterator[Entry]:
    theirs = f"{TRUNK}/FinalLayer_0"
    yield from _linear(f"{theirs}/TorchLinear_0", "head.modulation")
    if config.rmsnorm:
        yield Entry(f"{theirs}/RMSNorm_0/weight", "head.norm.weight")
    yield from _linear(f"{theirs}/TorchLinear_1", "head.projection")

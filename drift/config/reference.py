"""A template in the reference's own words: the keys of its `model_config`.

`GeneratorConfig.from_reference` and `EncoderConfig.from_reference` read these mappings, and the
golden traces record them for the published configurations.
"""

from __future__ import annotations

from typing import Any

from drift.config.engine import require_buildable
from drift.config.template import Template

BFLOAT16 = "bfloat16"


def generator_kwargs(template: Template) -> dict[str, Any]:
    """Keyword arguments of the reference's generator; raises TemplateError where it has no such.

    `use_remat` is there only where it is set, as in the reference's configurations.
    """
    require_buildable(template, "generator.")
    g = template.generator
    height, _, channels = g.input_shape
    kwargs = {
        "num_classes": g.num_classes,
        "cond_dim": g.cond_dim,
        "input_size": height,
        "in_channels": channels,
        "patch_size": g.patch_size,
        "hidden_size": g.hidden_size,
        "depth": g.depth,
        "num_heads": g.num_heads,
        "mlp_ratio": g.mlp_ratio,
        "out_channels": channels,
        "use_qknorm": g.qk_norm != "none",
        "use_swiglu": g.ffn == "swiglu",
        "use_rope": g.rope != "none",
        "use_rmsnorm": g.norm == "rmsnorm-affine",
        "n_cls_tokens": g.register_tokens,
        "noise_classes": g.style_codes,
        "noise_coords": g.style_tokens,
        "use_bf16": g.activation_dtype == BFLOAT16,
        "attn_fp32": g.attention_dtype == "float32",
    }
    return kwargs | ({"use_remat": True} if g.activation_checkpointing else {})


def encoder_kwargs(template: Template) -> dict[str, Any]:
    """Keyword arguments of the reference's masked autoencoder; raises TemplateError likewise."""
    require_buildable(template, "encoder.")
    e = template.encoder
    return {
        "num_classes": e.num_classes,
        "base_channels": e.base_width,
        "patch_size": e.mask_patch,
        "dropout_prob": e.dropout,
        "layers": list(e.blocks_per_stage),
        "in_channels": template.generator.input_shape[2],
        "use_bf16": e.activation_dtype == BFLOAT16,
        "input_patch_size": e.input_patchify,
    }


def activation_kwargs(template: Template) -> dict[str, Any]:
    """Keyword arguments of `MaskedAutoencoder.activations`, as the golden traces record them."""
    loss = template.loss
    return {
        "patch_mean_size": list(loss.patch_sizes) if "mean" in loss.statistics else [],
        "patch_std_size": list(loss.patch_sizes) if "std" in loss.statistics else [],
        "use_std": "std" in loss.statistics,
        "use_mean": "mean" in loss.statistics,
        "every_k_block": loss.tap_every_blocks,
    }

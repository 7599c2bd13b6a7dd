"""Which choices of a template the engine can build.

A template may state more than the engine implements, so that somebody else's run can be written
down and compared. Building refuses every such choice by name: no field is ever read and ignored.
What a part of the engine reads from a template but does not appear here (sizes, counts, rates) it
takes as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drift.config.problems import FieldProblem, TemplateError
from drift.config.template import Template
from drift.semantics import semantics_named

# Field -> the values that are implemented. Numbers are here where they are constants of the code.
IMPLEMENTED: dict[str, tuple[Any, ...]] = {
    "generator.ffn": ("swiglu", "gelu"),
    "generator.style_tables": ("separate",),
    "generator.style_draw": ("uniform",),
    "generator.positional_embedding": ("learned-sincos-init",),
    "generator.rope": ("1d-all-tokens", "none"),
    "generator.rope_layout": ("half-rotation",),
    "generator.rope_base": (10000.0,),
    "generator.rope_order": ("after-qk-norm",),
    "generator.qk_norm": ("rmsnorm-affine", "layernorm-affine", "none"),
    "generator.qk_norm_eps": (1.0e-6,),
    "generator.norm": ("rmsnorm-affine", "layernorm-plain"),
    "generator.norm_eps": (1.0e-6,),
    "generator.norm_statistics": ("float32",),
    "generator.alpha_embedding": ("sinusoid-mlp-rmsnorm",),
    "generator.alpha_embedding_dim": (256,),
    "generator.alpha_embedding_scale": (0.02,),
    "generator.class_embedding_std": (0.02,),
    "generator.output_head": ("adaln-zero-linear",),
    "generator.attention_dtype": ("float32", "bfloat16"),
    "generator.activation_dtype": ("float32", "bfloat16"),
    "encoder.block_type": ("basic",),
    "encoder.stage_norm": ("groupnorm",),
    "encoder.groupnorm_max_groups": (32,),
    "encoder.groupnorm_eps": (1.0e-6,),
    "encoder.decoder": ("bridge-4-up",),
    "encoder.dropout": (0.0,),
    "encoder.activation_dtype": ("float32", "bfloat16"),
    "optimizer.name": ("adamw",),
    "optimizer.weight_decay_scope": ("all-parameters",),
    "optimizer.warmup_start": (1.0e-6,),
    "optimizer.schedule": ("const", "cosine"),
    "optimizer.gradient_clip_kind": ("global-norm",),
    "optimizer.parameter_dtype": ("float32",),
    "loss.kernel_normalisation": ("xy",),
    "loss.feature_scale": ("batch",),
    "loss.drift_scale": ("batch",),
    "loss.vanilla_term": ("normalised", "absent"),
    "loss.input_statistic": ("root-mean-square", "absent"),
    "loss.feature_taps": ("stem-stages-blocks", "none"),  # none: raw samples only
    "loss.patch_statistics": ("separate-keys",),
    "loss.statistics_eps": (1.0e-6,),
    "loss.dtype": ("float32",),
    "cfg.weight_from_alpha": ("(alpha - 1) (N_neg - 1) / N_unc",),
    "queue.replacement": ("without", "fallback"),
    "queue.class_labels_from": ("just-loaded",),
    "queue.resume": ("refill", "saved"),
    "encoder.pretrain.optimizer": ("adamw",),
    "encoder.finetune.objective": ("joint", "none"),
    "encoder.second_encoder.resize": ("antialiased-bilinear-224", "none"),
    "data.crop": ("adm-centre", "none", "unstated"),
    "evaluation.weights": ("ema",),  # `drift eval --weights raw` asks for others by name
    "evaluation.extractor": ("fid-inception-2015-12-05", "none"),
    "evaluation.resize": ("torchscript-bilinear-299", "none"),
    "evaluation.rounding": ("truncate",),
    "evaluation.inception_splits": (10,),
    "evaluation.inception_seed": (2020,),
    "evaluation.precision_recall_k": (3,),
}

# What the embedded data sets are; nothing is cut, mirrored or encoded on the way.
EMBEDDED_SIDES = {"digits": 8, "mnist-5k": 28}
EMBEDDED_DATA: dict[str, Any] = {
    "data.tokenizer": "none",
    "data.mirror": "none",
    "data.crop": "none",
}

# Field of a template -> switch of drift.semantics.Semantics that decides it.
SEMANTIC_SWITCHES = {
    "loss.uncond_weight_use": "uncond_weight",
    "loss.affinity_floor": "affinity_floor",
    "loss.self_mask": "self_mask",
    "loss.temperature_aggregation": "temperature_aggregation",
    "loss.location_reduction": "location_reduction",
}

# The norm of queries and keys is the affine variant of the norm of the blocks.
QK_NORM_OF = {"rmsnorm-affine": "rmsnorm-affine", "layernorm-plain": "layernorm-affine"}


def unbuildable(template: Template, prefix: str = "") -> tuple[FieldProblem, ...]:
    """Every choice below `prefix` (such as `generator.`) that the engine does not implement."""
    leaves = template.leaves()
    problems = [
        *_not_listed(leaves),
        *_other_semantics(template, leaves),
        *_generator(template),
        *_data(template, leaves),
    ]
    return tuple(problem for problem in problems if problem.field.startswith(prefix))


def require_buildable(template: Template, prefix: str = "") -> None:
    """Raise TemplateError with all that `unbuildable` finds."""
    problems = unbuildable(template, prefix)
    if problems:
        raise TemplateError(f"template {template.name}", problems)


def _not_listed(leaves: dict[str, Any]) -> Iterator[FieldProblem]:
    for field, values in IMPLEMENTED.items():
        if leaves[field] not in values:
            expected = " or ".join(str(value) for value in values)
            yield FieldProblem(
                field, str(leaves[field]), f"{expected}: the engine implements nothing else"
            )


def _other_semantics(template: Template, leaves: dict[str, Any]) -> Iterator[FieldProblem]:
    switches = semantics_named(template.semantics)
    for field, switch in SEMANTIC_SWITCHES.items():
        expected = getattr(switches, switch)
        if leaves[field] != expected:
            yield FieldProblem(
                field, str(leaves[field]), f"{expected}, as semantics is {template.semantics}",
                "the two semantics are never mixed: change the field or `semantics`",
            )  # fmt: skip


def _generator(template: Template) -> Iterator[FieldProblem]:
    g = template.generator
    affine = g.qk_norm in QK_NORM_OF.values() and g.norm in QK_NORM_OF
    if affine and g.qk_norm != QK_NORM_OF[g.norm]:
        yield FieldProblem(
            "generator.qk_norm", g.qk_norm, f"{QK_NORM_OF[g.norm]} or none beside norm {g.norm}"
        )
    inner = ffn_inner_of(template)
    if g.ffn_inner != inner:
        yield FieldProblem(
            "generator.ffn_inner", str(g.ffn_inner),
            f"{inner}, from hidden_size {g.hidden_size} and mlp_ratio {g.mlp_ratio}",
        )  # fmt: skip


def _data(template: Template, leaves: dict[str, Any]) -> Iterator[FieldProblem]:
    data, second = template.data, template.encoder.second_encoder
    side = EMBEDDED_SIDES.get(data.dataset)
    for field, value in {**EMBEDDED_DATA, "data.resolution": side}.items() if side else ():
        if leaves[field] != value:
            yield FieldProblem(field, str(leaves[field]), f"{value}, as {data.dataset} is")
    mirrors = ("flip", "none", "unstated") if data.tokenizer == "none" else ("own-latent", "none")
    if data.mirror not in mirrors:
        yield FieldProblem(
            "data.mirror", data.mirror, f"{' or '.join(mirrors)} with tokenizer {data.tokenizer}"
        )
    if data.tokenizer == "none" and data.scaling_factor != 1.0:
        yield FieldProblem(
            "data.scaling_factor", str(data.scaling_factor), "1.0: pixels are not scaled"
        )
    if second.weights == "random":
        yield FieldProblem(
            "encoder.second_encoder.weights", "random", "a model repository or none: the engine "
            "reads weights and draws none"
        )  # fmt: skip


def ffn_inner_of(template: Template) -> int:
    """Inner width that the generator gives its feed-forward layer."""
    from drift.generator.config import swiglu_width  # imports torch

    plain = int(template.generator.hidden_size * template.generator.mlp_ratio)
    return swiglu_width(plain) if template.generator.ffn == "swiglu" else plain

"""The eight sections of a training template, typed and frozen.

Each field is one decision of a run under its standard name. Where authorities differ, or people
have chosen otherwise, the type lists the alternatives: a wrong choice can be written down and is
found by the gate, which names the fact and its place, instead of by a type error. There are no
defaults: a template says everything, so that two templates can be compared as files.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from drift.config import bounds

Width = Annotated[int, Field(ge=1, le=bounds.LARGEST)]  # or channels, or rows of a table
Rows = Annotated[int, Field(ge=0, le=bounds.LARGEST)]
Side = Annotated[int, Field(ge=1, le=bounds.MOST_SIDE)]
Layers = Annotated[int, Field(ge=1, le=bounds.MOST_LAYERS)]
Tables = Annotated[int, Field(ge=0, le=bounds.MOST_LAYERS)]
Tokens = Annotated[int, Field(ge=0, le=bounds.MOST_TOKENS)]
Count = Annotated[int, Field(ge=1, le=bounds.MOST_SAMPLES)]
Whole = Annotated[int, Field(ge=0, le=bounds.MOST_SAMPLES)]
Steps = Annotated[int, Field(ge=1, le=bounds.MOST_STEPS)]
SomeSteps = Annotated[int, Field(ge=0, le=bounds.MOST_STEPS)]
Seed = Annotated[int, Field(ge=0, le=bounds.LARGEST_SEED)]
Ratio = Annotated[float, Field(gt=0, le=bounds.MOST_RATIO)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(gt=0, lt=1)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
Precision = Literal["float32", "bfloat16"]
Schedule = Literal["const", "cosine"]


class Section(BaseModel):
    """Strict about types, immutable, without unknown keys, without NaN and infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Generator(Section):
    """The DiT generator (paper Table 8, A.2; reference models/generator.py)."""

    input_shape: tuple[Side, Side, Width]  # height, width, channels
    num_classes: Width
    patch_size: Side
    hidden_size: Width
    cond_dim: Width
    depth: Layers
    num_heads: Width
    mlp_ratio: Ratio
    ffn: Literal["swiglu", "gelu"]
    ffn_inner: Width
    register_tokens: Tokens
    style_tokens: Tables
    style_codes: Rows  # rows of a style table; 0: no tables
    style_tables: Literal["separate", "shared"]
    style_draw: Literal["uniform", "index-0"]
    positional_embedding: Literal["learned-sincos-init", "fixed-sincos", "none"]
    rope: Literal["1d-all-tokens", "2d-axial-patches", "none"]
    rope_layout: Literal["half-rotation", "interleaved"]
    rope_base: Positive
    rope_order: Literal["after-qk-norm", "before-qk-norm"]
    qk_norm: Literal["rmsnorm-affine", "layernorm-affine", "l2", "none"]
    qk_norm_eps: Positive
    norm: Literal["rmsnorm-affine", "rmsnorm-plain", "layernorm-plain"]
    norm_eps: Positive
    norm_statistics: Precision
    alpha_embedding: Literal["sinusoid-mlp-rmsnorm", "scalar-mlp"]
    alpha_embedding_dim: Width
    alpha_embedding_scale: Positive
    class_embedding_std: Positive
    output_head: Literal["adaln-zero-linear", "plain-linear"]
    attention_dtype: Precision
    activation_dtype: Precision
    activation_checkpointing: bool


class Pretrain(Section):
    """Pre-training of the masked autoencoder (paper A.3, Table 8; reference configs/mae)."""

    optimizer: Literal["adamw", "adam", "sgd"]
    learning_rate: Positive
    weight_decay: NonNegative
    warmup_steps: SomeSteps
    schedule: Schedule
    gradient_clip: Positive
    batch_size: Count
    epochs: Steps
    steps: Steps
    ema_decay: Decay
    augmentation: Literal["random-resized-crop", "none"]


class Finetune(Section):
    """Classification fine-tuning at the end of the pre-training; 0 steps: none."""

    steps: SomeSteps
    objective: Literal["joint", "classification-only", "none"]
    lambda_max: Share
    ramp_steps: SomeSteps


class SecondEncoder(Section):
    """Second frozen encoder of the pixel columns (paper A.4; reference models/convnext.py)."""

    model: Literal["none", "convnextv2-tiny", "convnextv2-base"]
    weights: Annotated[str, Field(min_length=1)]  # a model repository, `random` or `none`
    resize: Literal["none", "antialiased-bilinear-224", "bilinear-224"]


class Encoder(Section):
    """The masked autoencoder whose features the loss compares (paper A.3, Table 8)."""

    base_width: Width
    block_type: Literal["basic", "bottleneck"]
    blocks_per_stage: tuple[Layers, Layers, Layers, Layers]
    stage_sizes: tuple[Side, Side, Side, Side]
    input_patchify: Side
    num_classes: Width
    stage_norm: Literal["groupnorm", "none"]
    groupnorm_max_groups: Width
    groupnorm_eps: Positive
    decoder: Literal["bridge-4-up", "no-bridge-3-up"]
    mask_ratio: Share
    mask_patch: Side
    dropout: Share
    activation_dtype: Precision
    pretrain: Pretrain
    finetune: Finetune
    second_encoder: SecondEncoder


class Optimizer(Section):
    """Optimiser, schedule and averaged weights of the generator (paper Table 8)."""

    name: Literal["adamw", "adam", "sgd"]
    betas: tuple[Momentum, Momentum]
    eps: Positive
    learning_rate: Positive
    weight_decay: NonNegative
    weight_decay_scope: Literal["all-parameters", "matrices-only"]
    warmup_steps: SomeSteps
    warmup_start: NonNegative
    schedule: Schedule
    gradient_clip: Positive
    gradient_clip_kind: Literal["global-norm", "per-parameter"]
    training_steps: Steps
    ema_decay: Annotated[tuple[Decay, ...], Field(min_length=1)]
    parameter_dtype: Precision


class Loss(Section):
    """The drifting loss and the features it compares (paper Table 8, A.5 to A.7).

    The slugs of the first block are those of `drift.semantics.Semantics`.
    """

    uncond_weight_use: Literal["after_softmax", "in_kernel", "log_weight"]
    affinity_floor: NonNegative
    self_mask: Literal["normalised+100", "raw+1e6", "none"]
    temperature_aggregation: Literal["sum_forces", "sum_losses"]
    location_reduction: Literal["mean", "sum"]

    class_labels: Count
    positives: Count
    generated: Count
    unconditional: Whole
    temperatures: Annotated[tuple[Positive, ...], Field(min_length=1)]  # a set, ascending
    kernel_normalisation: Literal["xy", "y", "none"]
    feature_scale: Literal["batch", "per-class"]
    drift_scale: Literal["batch", "per-class"]
    vanilla_term: Literal["normalised", "unnormalised", "absent"]
    input_statistic: Literal["root-mean-square", "mean-square", "absent"]
    feature_taps: Literal["stem-stages-blocks", "blocks-and-stages", "none"]
    tap_every_blocks: Layers
    statistics: tuple[Literal["mean", "std"], ...]
    patch_sizes: tuple[Side, ...]
    patch_statistics: Literal["separate-keys", "shared-key"]
    statistics_eps: NonNegative
    dtype: Literal["float32", "autocast"]


class Cfg(Section):
    """Guidance scale alpha in training (paper Table 8, A.7)."""

    alpha_range: tuple[Annotated[float, Field(ge=1)], Annotated[float, Field(ge=1)]]
    alpha_power: NonNegative
    point_mass: Share
    weight_from_alpha: Literal["(alpha - 1) (N_neg - 1) / N_unc", "alpha - 1"]
    inference_alpha_search: tuple[Annotated[float, Field(ge=1)], Annotated[float, Field(ge=1)]]


class Queue(Section):
    """Queues of real samples (paper A.8)."""

    per_class_capacity: Count
    global_capacity: Count
    push_per_step: Count
    replacement: Literal["without", "fallback", "with"]
    class_labels_from: Literal["just-loaded", "uniform", "sampled"]
    resume: Literal["refill", "saved", "global-only"]
    resume_prefill_steps: SomeSteps


class Data(Section):
    """Images and their tokenizer (paper section 4; reference dataset/)."""

    dataset: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,79}$")]  # its own name
    resolution: Side
    # A model repository with a commit, `local:NAME` with the digest of its parameters (or none: the
    # digest in the cache is recorded), or `none`.
    tokenizer: Annotated[str, Field(min_length=1)]
    tokenizer_revision: Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64}|none)$")]
    scaling_factor: Positive
    posterior: Literal["sample", "mean", "no-tokenizer"]
    mirror: Literal["own-latent", "flip", "none", "unstated"]
    crop: Literal["adm-centre", "squash", "none", "unstated"]


class Evaluation(Section):
    """How the run's figure is measured (reference utils/fid_util.py)."""

    samples: Count
    alpha: Annotated[float, Field(ge=1)]
    weights: Literal["ema", "raw"]
    labels: Literal["imagenet-validation", "uniform"]
    extractor: Literal["fid-inception-2015-12-05", "torchvision-imagenet", "none"]
    resize: Literal["torchscript-bilinear-299", "squash-299", "none"]
    rounding: Literal["truncate", "round"]
    statistics: Literal["released", "own-training", "own-validation"]
    inception_splits: Count
    inception_seed: Seed
    precision_recall_k: Count
    precision_recall_samples: Count


class Inputs(Section):
    """Where a run's own images lie, so that its commands need no more than the template.

    Stated in a file of schema drift-own/1, which is a template and this section. It decides nothing
    that the digest of the data does not show, so it is no part of the template or its fingerprint.

    folder          of images, one folder a class, or a latent cache; from the template's file on
    licence         of the images, an SPDX expression; `unknown` where nobody has said it
    held_out_every  every so many-th image of each class is kept from training, for evaluation
    """

    folder: Annotated[str, Field(min_length=1)]
    licence: Annotated[str, Field(min_length=1)]
    held_out_every: Annotated[int, Field(ge=2)] | None


SECTIONS: dict[str, type[Section]] = {
    "generator": Generator,
    "encoder": Encoder,
    "optimizer": Optimizer,
    "loss": Loss,
    "cfg": Cfg,
    "queue": Queue,
    "data": Data,
    "evaluation": Evaluation,
}

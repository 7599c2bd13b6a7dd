"""Rules between fields: what no single field of a template can show to be wrong.

Each rule yields problems and changes nothing. None of them knows a number of the paper; that a
consistent value is also the right one is for the contracts to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Protocol

from drift.config import bounds
from drift.config.problems import FieldProblem
from drift.config.sections import (
    Cfg,
    Data,
    Encoder,
    Evaluation,
    Generator,
    Loss,
    Optimizer,
    Queue,
)


class Sections(Protocol):
    """What the rules look at of a template."""

    @property
    def generator(self) -> Generator: ...
    @property
    def encoder(self) -> Encoder: ...
    @property
    def optimizer(self) -> Optimizer: ...
    @property
    def loss(self) -> Loss: ...
    @property
    def cfg(self) -> Cfg: ...
    @property
    def queue(self) -> Queue: ...
    @property
    def data(self) -> Data: ...
    @property
    def evaluation(self) -> Evaluation: ...


Rule = Callable[[Sections], Iterator[FieldProblem]]
NONE = "none"
RGB = 3
DECODER_GROUPS = 32  # GroupNorm of the masked autoencoder's decoder, whatever the width
LOCAL = "local:"
LATENT_STRIDE = 8  # pixels of a side per latent cell: the f8 autoencoders of latent diffusion
_REVISIONS = {
    NONE: re.compile("none"),
    LOCAL: re.compile("[0-9a-f]{64}|[0-9a-f]{40}|none"),  # 40: a copy of a repository's commit
    "repository": re.compile("[0-9a-f]{40}"),
}


def inconsistencies(template: Sections) -> tuple[FieldProblem, ...]:
    """Everything that does not fit together, in the order of the sections."""
    return tuple(problem for rule in RULES for problem in rule(template))


def generator_fits(template: Sections) -> Iterator[FieldProblem]:
    """Heads divide the width, patches divide the sample, sample and positions are possible."""
    g = template.generator
    height, width, _ = g.input_shape
    if height != width:
        yield FieldProblem(
            "generator.input_shape", f"{height} x {width}", "a square sample", "crop or pad it"
        )
    yield from _divides("generator.hidden_size", g.hidden_size, g.num_heads, "generator.num_heads")
    if height % g.patch_size:
        yield FieldProblem(
            "generator.patch_size", str(g.patch_size), f"a divisor of {height}",
            "choose one, or another generator.input_shape",
        )  # fmt: skip
    tokens = (height // g.patch_size) ** 2 + g.register_tokens
    if tokens > bounds.MOST_TOKENS:
        yield FieldProblem(
            "generator.patch_size", f"{g.patch_size}, which makes {tokens:,} tokens of a sample",
            f"at most {bounds.MOST_TOKENS:,}", "cut larger patches, or smaller samples",
        )  # fmt: skip
    if g.positional_embedding != NONE:
        yield from _divides(
            "generator.hidden_size", g.hidden_size, 4, "sine and cosine on two axes"
        )
    if g.rope != NONE and g.hidden_size % g.num_heads == 0:
        yield from _divides(
            "generator.hidden_size / num_heads", g.hidden_size // g.num_heads, 2, "rotated pairs"
        )


def encoder_fits(template: Sections) -> Iterator[FieldProblem]:
    """Width, patchify, stages and masks fit the decoder and the sample that the generator makes."""
    e = template.encoder
    if e.decoder == "bridge-4-up":
        yield from _divides(
            "encoder.base_width", e.base_width, DECODER_GROUPS,
            "groups of the decoder's normalisation",
        )  # fmt: skip
    side = template.generator.input_shape[0]
    if side % e.input_patchify:
        yield FieldProblem(
            "encoder.input_patchify", str(e.input_patchify), f"a divisor of {side}", "choose one"
        )
        return
    sizes = [side // e.input_patchify]
    while len(sizes) < len(e.stage_sizes):
        sizes.append((sizes[-1] + 1) // 2)  # stride 2, padding 1
    if list(e.stage_sizes) != sizes:
        yield FieldProblem(
            "encoder.stage_sizes", str(list(e.stage_sizes)), str(sizes),
            "they follow from generator.input_shape and encoder.input_patchify",
        )  # fmt: skip
    yield from _divides("encoder.stage_sizes[0]", sizes[0], e.mask_patch, "encoder.mask_patch")


def encoder_training_fits(template: Sections) -> Iterator[FieldProblem]:
    """Warm-up and fine-tuning lie inside the pre-training; no fine-tuning means no loss of it."""
    pretrain, finetune = template.encoder.pretrain, template.encoder.finetune
    for field, steps in (
        ("encoder.pretrain.warmup_steps", pretrain.warmup_steps),
        ("encoder.finetune.steps", finetune.steps),
    ):
        yield from _at_most(field, steps, pretrain.steps, "encoder.pretrain.steps")
    yield from _at_most(
        "encoder.finetune.ramp_steps", finetune.ramp_steps, finetune.steps, "encoder.finetune.steps"
    )
    if (finetune.steps == 0) != (finetune.objective == NONE):
        yield FieldProblem(
            "encoder.finetune.objective", f"{finetune.objective} with {finetune.steps} steps",
            "none exactly where there are 0 steps", "change one of them",
        )  # fmt: skip
    if finetune.steps == 0 and finetune.lambda_max > 0:
        yield FieldProblem(
            "encoder.finetune.lambda_max", str(finetune.lambda_max), "0.0 without fine-tuning",
            "set it to 0.0, or give encoder.finetune.steps",
        )  # fmt: skip


def second_encoder_fits(template: Sections) -> Iterator[FieldProblem]:
    """Model, weights and resize of the second encoder are all there or all absent; it sees RGB."""
    second = template.encoder.second_encoder
    absent = [value == NONE for value in (second.model, second.weights, second.resize)]
    if any(absent) and not all(absent):
        yield FieldProblem(
            "encoder.second_encoder", f"{second.model}, {second.weights}, {second.resize}",
            "model, weights and resize, or none three times", "complete or remove it",
        )  # fmt: skip
    channels = template.generator.input_shape[2]
    if second.model != NONE and channels != RGB:
        yield FieldProblem(
            "encoder.second_encoder.model", f"{second.model} of {channels} channels",
            "none, or generator.input_shape with 3 channels", "it was trained on colour images",
        )  # fmt: skip


def optimizer_fits(template: Sections) -> Iterator[FieldProblem]:
    """The warm-up ends inside the run and rises; the decays of the averages differ."""
    o = template.optimizer
    yield from _at_most(
        "optimizer.warmup_steps", o.warmup_steps, o.training_steps, "optimizer.training_steps"
    )
    yield from _at_most(
        "optimizer.warmup_start", o.warmup_start, o.learning_rate, "optimizer.learning_rate"
    )
    yield from _ascending("optimizer.ema_decay", o.ema_decay)


def loss_fits(template: Sections) -> Iterator[FieldProblem]:
    """Sets are written once, in ascending order; queues can hold what a label draws."""
    loss, queue = template.loss, template.queue
    yield from _ascending("loss.temperatures", loss.temperatures)
    yield from _ascending("loss.patch_sizes", loss.patch_sizes)
    yield from _ascending("loss.statistics", loss.statistics)
    if queue.replacement != "without":
        return
    yield from _at_most(
        "loss.positives", loss.positives, queue.per_class_capacity, "queue.per_class_capacity"
    )
    yield from _at_most(
        "loss.unconditional", loss.unconditional, queue.global_capacity, "queue.global_capacity"
    )


def queue_fits(template: Sections) -> Iterator[FieldProblem]:
    """Queues that are saved need no filling after a resume."""
    queue = template.queue
    if queue.resume == "saved" and queue.resume_prefill_steps:
        yield FieldProblem(
            "queue.resume_prefill_steps", str(queue.resume_prefill_steps),
            "0 where queue.resume is saved", "set it to 0, or queue.resume to refill",
        )  # fmt: skip


def cfg_fits(template: Sections) -> Iterator[FieldProblem]:
    """Ranges of alpha go upwards; a run is evaluated at an alpha it was trained for."""
    low, high = template.cfg.alpha_range
    search = template.cfg.inference_alpha_search
    yield from _ascending("cfg.alpha_range", (low, high), strict=False)
    yield from _ascending("cfg.inference_alpha_search", search, strict=False)
    if low <= high and not low <= template.evaluation.alpha <= high:
        yield FieldProblem(
            "evaluation.alpha", str(template.evaluation.alpha), f"{low} to {high}",
            "choose an alpha of cfg.alpha_range: the network has seen no other",
        )  # fmt: skip
    if template.loss.unconditional == 0 and (high > 1 and template.cfg.point_mass < 1):
        yield FieldProblem(
            "loss.unconditional", "0", "at least 1 where alpha may exceed 1",
            "give unconditional samples, or set cfg.alpha_range to [1.0, 1.0]",
        )  # fmt: skip


def data_fits(template: Sections) -> Iterator[FieldProblem]:
    """A tokenizer has a revision and a posterior; the sample is what the data give."""
    data, side = template.data, template.generator.input_shape[0]
    plain = data.tokenizer == NONE
    if not _REVISIONS[_kind(data.tokenizer)].fullmatch(data.tokenizer_revision):
        yield FieldProblem(
            "data.tokenizer_revision", data.tokenizer_revision,
            "none without a tokenizer, else the 40 digits of a commit; of a local one the 64 of "
            "its parameters' digest, or none",
            "pin the commit: a branch name can change under a run",
        )  # fmt: skip
    if plain != (data.posterior == "no-tokenizer"):
        yield FieldProblem(
            "data.posterior", data.posterior,
            "no-tokenizer exactly where data.tokenizer is none", "change one of them",
        )  # fmt: skip
    expected = _sides(data.tokenizer, data.resolution)
    if side not in expected:
        yield FieldProblem(
            "generator.input_shape", f"side {side}", f"side {' or '.join(map(str, expected))}",
            "it follows from data.resolution and data.tokenizer",
        )  # fmt: skip
    if template.generator.num_classes != template.encoder.num_classes:
        yield FieldProblem(
            "encoder.num_classes", str(template.encoder.num_classes),
            str(template.generator.num_classes), "both count the classes of data.dataset",
        )  # fmt: skip


def _kind(tokenizer: str) -> str:
    if tokenizer == NONE:
        return NONE
    return LOCAL if tokenizer.startswith(LOCAL) else "repository"


def _sides(tokenizer: str, resolution: int) -> list[int]:
    """Sides that a sample may have. A local autoencoder halves as often as it does; which of these
    it is, the cache shows."""
    kind = _kind(tokenizer)
    if kind == LOCAL:
        strides = (2**n for n in range(resolution.bit_length()))
        return [resolution // stride for stride in strides if resolution % stride == 0]
    return [resolution if kind == NONE else resolution // LATENT_STRIDE]


def evaluation_fits(template: Sections) -> Iterator[FieldProblem]:
    """There are enough samples for the splits and the neighbours."""
    e = template.evaluation
    yield from _at_most(
        "evaluation.inception_splits", e.inception_splits, e.samples, "evaluation.samples"
    )
    yield from _at_most(
        "evaluation.precision_recall_k", e.precision_recall_k, e.samples - 1,
        "evaluation.samples - 1",
    )  # fmt: skip


RULES: tuple[Rule, ...] = (
    generator_fits,
    encoder_fits,
    encoder_training_fits,
    second_encoder_fits,
    optimizer_fits,
    loss_fits,
    queue_fits,
    cfg_fits,
    data_fits,
    evaluation_fits,
)


def _divides(field: str, value: int, divisor: int, reason: str) -> Iterator[FieldProblem]:
    if value % divisor:
        yield FieldProblem(field, str(value), f"a multiple of {divisor} ({reason})", "change one")


def _at_most(field: str, value: float, limit: float, name: str) -> Iterator[FieldProblem]:
    if value > limit:
        yield FieldProblem(
            field, str(value), f"at most {name} = {limit}", f"lower it or raise {name}"
        )


def _ascending(
    field: str, values: tuple[float | str, ...], *, strict: bool = True
) -> Iterator[FieldProblem]:
    ordered = sorted(set(values)) if strict else sorted(values)
    if list(values) != ordered:
        expected = f"{ordered}, ascending" + (", each value once" if strict else "")
        yield FieldProblem(field, str(list(values)), expected, "sort it")

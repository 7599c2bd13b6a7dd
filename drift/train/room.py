"""What a run holds at once, at the least, against the memory of this machine: before any work.

Counted from shapes; models are laid out without weights. It is a lower bound, so a run that is
refused here cannot be meant for this machine; `drift plan` estimates what is needed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from math import prod

import torch
from torch import nn

from drift.config import (
    FieldProblem,
    Template,
    TemplateError,
    encoder_kwargs,
    generator_kwargs,
    require_buildable,
)
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.generator import Generator, GeneratorConfig

FLOAT32, INT64, KEY = 4, 8, 8  # bytes; a draw without replacement sorts float64 keys
MOMENTS = 4  # copies of each parameter: itself, its gradient, both moments of AdamW

HOST = "cpu"

Parts = Mapping[str, int]  # fields of the template that decide a part -> its bytes


def memory(device: str) -> int:
    """Bytes of a device, or of the host where the device is the CPU."""
    if device.startswith("cuda"):
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def require_for_training(
    template: Template, device: str, *, world: int = 1, labels_per_pass: int | None = None
) -> None:
    """Raise TemplateError where a training run cannot fit; nothing is allocated.

    world  processes among which all of it may be spread
    """
    require_buildable(template)
    labels = min(labels_per_pass or template.loss.class_labels, template.loss.class_labels)
    _require(template, models(template, labels), samples(template), device, world)


def require_for_pretraining(template: Template, device: str, *, world: int = 1) -> None:
    """As `require_for_training`, of the masked autoencoder."""
    _require(template, autoencoder(template), {}, device, world)


def models(template: Template, labels: int) -> Parts:
    """Bytes on the device of a training run; `labels` are those of one pass."""
    g, loss = template.generator, template.loss
    config = GeneratorConfig.from_reference(generator_kwargs(template))
    copies = MOMENTS + len(template.optimizer.ema_decay)
    tokens = config.grid**2 + g.register_tokens
    kept = 2 if g.activation_dtype == "bfloat16" else FLOAT32
    return {
        "generator.hidden_size, depth, cond_dim, ffn_inner, num_classes, style_tokens, "
        "style_codes": _parameters(Generator(config, device="meta")) * FLOAT32 * copies,
        # Of each block at least its input is kept for the backward pass.
        "loss.class_labels, generated": labels * loss.generated
        * (tokens * g.hidden_size * g.depth * kept + prod(g.input_shape) * FLOAT32),
    }  # fmt: skip


def samples(template: Template) -> Parts:
    """Bytes in the host's memory of a training run: queues, what is pushed, what a step draws."""
    g, loss, queue = template.generator, template.loss, template.queue
    sample, labels = prod(g.input_shape) * FLOAT32, loss.class_labels
    slots = g.num_classes * queue.per_class_capacity + queue.global_capacity
    keys = labels * (queue.per_class_capacity + queue.global_capacity) * KEY
    return {
        "queue.per_class_capacity, global_capacity": slots * (sample + INT64) + keys,
        "queue.push_per_step": queue.push_per_step * (sample + INT64),
        "loss.class_labels, positives, unconditional": labels
        * (loss.positives + loss.unconditional) * sample,
        "loss.class_labels, generated": labels * loss.generated
        * (sample + g.style_tokens * INT64),
    }  # fmt: skip


def autoencoder(template: Template) -> Parts:
    """Bytes on the device of a pre-training run."""
    e, sample = template.encoder, prod(template.generator.input_shape) * FLOAT32
    model = MaskedAutoencoder(EncoderConfig.from_reference(encoder_kwargs(template)), device="meta")
    stem = e.stage_sizes[0] ** 2 * e.base_width * FLOAT32
    return {
        "encoder.base_width, blocks_per_stage, num_classes": _parameters(model)
        * FLOAT32 * (MOMENTS + 1),
        "encoder.pretrain.batch_size": e.pretrain.batch_size * (sample + stem),
    }  # fmt: skip


def _require(template: Template, own: Parts, hosted: Parts, device: str, world: int) -> None:
    """Parts on the device and in the host's memory, which are one where the device is the CPU."""
    if device == HOST:
        own, hosted = Counter(own) + Counter(hosted), {}
    problems = [*_too_much(own, device, world), *_too_much(hosted, HOST, world)]
    if problems:
        raise TemplateError(f"template {template.name}", problems)


def _too_much(parts: Parts, device: str, world: int) -> Iterator[FieldProblem]:
    """The parts that make up a sum that does not fit, each with its fields."""
    needed, limit = sum(parts.values()) // world, memory(device) if parts else 0
    if needed <= limit:
        return
    for fields, count in parts.items():
        if count // world * len(parts) > limit:
            yield FieldProblem(
                fields, f"{size(count // world)} of the {size(needed)} that a process needs",
                f"at most {size(limit)} in all, the memory of {device} here",
                "lower them; `drift plan TEMPLATE` estimates what fits",
            )  # fmt: skip


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def size(count: float) -> str:
    """Bytes for a person to read."""
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} PB"

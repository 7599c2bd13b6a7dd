"""The digits template cut down to steps of milliseconds, for checks and tests of whole runs."""

from __future__ import annotations

GENERATOR = (
    "generator.hidden_size=16",
    "generator.cond_dim=16",
    "generator.num_heads=2",
    "generator.depth=1",
    "generator.ffn_inner=64",
)
RUN = (
    "optimizer.training_steps=4",
    "optimizer.warmup_steps=1",
    "loss.class_labels=2",
    "loss.positives=4",
    "loss.generated=2",
    "loss.unconditional=2",
    "queue.push_per_step=16",
    *GENERATOR,
)
PRETRAIN = (
    "encoder.base_width=32",
    "encoder.blocks_per_stage=[1, 1, 1, 1]",
    "encoder.pretrain.steps=4",
    "encoder.pretrain.warmup_steps=1",
    "encoder.pretrain.batch_size=4",
    "encoder.finetune.steps=2",
    "encoder.finetune.ramp_steps=1",
)

"""What an optimisation step needs to know (paper Table 8; method, section 6)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drift.errors import InputError
from drift.features import FeatureConfig


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Optimiser, schedule, loss and averages of a run.

    learning_rate   peak; `schedule` is a kind of `drift.schedule.learning_rate`
    betas, eps      of AdamW; weight_decay is decoupled and on all parameters
    gradient_clip   global norm above which the gradient is scaled down to it
    ema_decays      one average of the parameters for each
    features        which entries of the feature dictionary the loss uses
    labels_per_pass labels whose activations are held at once; None: all. The gradient is that of
                    the whole batch either way
    kernel          of `drift.loss.feature_loss`; no template states it, so a variant
                    (`drift.variants`) is never trained unless it is asked for here
    """

    learning_rate: float
    warmup_steps: int
    total_steps: int
    schedule: str = "const"
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1.0e-8
    gradient_clip: float = 2.0
    ema_decays: tuple[float, ...] = (0.999,)
    temperatures: tuple[float, ...] = (0.02, 0.05, 0.2)
    semantics: str = "reference"
    features: FeatureConfig = field(default_factory=FeatureConfig)
    labels_per_pass: int | None = None
    kernel: str = "plain"

    def __post_init__(self) -> None:
        _check("learning_rate", self.learning_rate, self.learning_rate > 0, "above 0")
        _check("weight_decay", self.weight_decay, self.weight_decay >= 0, "at least 0")
        _check("eps", self.eps, self.eps > 0, "above 0")
        _check("gradient_clip", self.gradient_clip, self.gradient_clip > 0, "above 0")
        if self.labels_per_pass is not None:
            _check("labels_per_pass", self.labels_per_pass, self.labels_per_pass > 0, "above 0")
        for decay in (*self.betas, *self.ema_decays):
            _check("betas, ema_decays", decay, 0 <= decay < 1, "in [0, 1)")
        if len(set(self.ema_decays)) != len(self.ema_decays):
            raise InputError("TrainConfig.ema_decays", found=self.ema_decays, expected="no twins")

    @classmethod
    def from_reference(cls, described: Mapping[str, Any]) -> TrainConfig:
        """From the reference's keyword arguments as a recorded training step describes them.

        Reads `optimizer` (with `adamw` and `lr_schedule`), `loss_kwargs.R_list`, `max_grad_norm`,
        `ema_decay` and, where given, `dropped_features` and `activation_kwargs.every_k_block`.
        """
        optimizer, schedule = described["optimizer"], described["optimizer"]["lr_schedule"]
        adamw = optimizer["adamw"]
        activations = described.get("activation_kwargs", {})
        return cls(
            learning_rate=schedule["learning_rate"],
            warmup_steps=schedule["warmup_steps"],
            total_steps=schedule["total_steps"],
            schedule=schedule["lr_schedule"],
            weight_decay=adamw["weight_decay"],
            betas=(adamw["adam_b1"], adamw["adam_b2"]),
            eps=optimizer["eps"],
            gradient_clip=described["max_grad_norm"],
            ema_decays=(described["ema_decay"],),
            temperatures=tuple(described["loss_kwargs"]["R_list"]),
            features=FeatureConfig.from_activation_kwargs(
                activations, without=frozenset(described.get("dropped_features", ()))
            ),
        )


def _check(name: str, value: float, good: bool, expected: str) -> None:
    if not (math.isfinite(value) and good):
        raise InputError(f"TrainConfig.{name}", found=value, expected=f"a number {expected}")

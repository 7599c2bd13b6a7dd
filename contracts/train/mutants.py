"""Mistakes in an optimisation step that have been made, or nearly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

import torch

from drift import features, schedule
from drift.state import modules
from drift.train import step
from verify.api import mutant

Patch = AbstractContextManager[object]


@mutant("train.alpha_ignored", features, "sample_loss")
def alpha_ignored(
    original: Any, extractor: Any, samples: Any, pos: Any, unc: Any, alpha: Any, **kw: Any
) -> Any:
    """The loss weights the unconditional samples as if alpha were one."""
    return original(extractor, samples, pos, unc, torch.ones_like(alpha), **kw)


@mutant("train.wrong_temperatures", features, "sample_loss")
def wrong_temperatures(original: Any, *args: Any, temperatures: Any, **kw: Any) -> Any:
    """0.1 instead of 0.2."""
    return original(*args, temperatures=(0.1, 0.05, 0.02), **kw)


def _keeps_no_vanilla(self: Any, name: str) -> bool:
    return name != features.VANILLA and name not in self.without


@mutant("train.real_features_with_gradient_sign")
def wrong_gradient_sign(subject: object) -> Patch:
    """The force is followed backwards."""
    from drift import target

    original = target.gradient_factor
    return patch.object(target, "gradient_factor", lambda *args: -original(*args))


@mutant("train.rate_of_the_next_update", schedule, "learning_rate")
def rate_of_the_next_update(original: Any, i: Any, **kw: Any) -> Any:
    """Updates are counted from one: the first uses lr(1)."""
    return original(i + 1, **kw)


@mutant("train.clip_each_parameter", step, "clip")
def clip_each_parameter(real: Any, gradients: Any, norm: Any, limit: float) -> None:
    """Each parameter's gradient is clipped by its own norm."""
    for gradient in gradients:
        gradient.mul_(torch.clamp(limit / gradient.norm(), max=1.0))


@mutant("train.ema_before_update")
@contextmanager
def ema_before_update(subject: object) -> Iterator[None]:
    """The average takes the parameters of before the update."""
    original, optimise = modules.average, step.optimise

    def too_early(state: Any) -> None:
        original(state.generator, state.ema)
        optimise(state)

    with (
        patch.object(modules, "average", lambda model, ema: None),
        patch.object(step, "optimise", too_early),
    ):
        yield


@mutant("train.ema_swapped", modules, "average")
def ema_swapped(real: Any, model: Any, ema: Any) -> None:
    """d weighs the new parameters and 1 - d the average."""
    for decay, averaged in ema.items():
        for name, parameter in model.named_parameters():
            averaged[name].mul_(1 - decay).add_(parameter, alpha=decay)


@mutant("train.no_weight_decay")
def no_weight_decay(subject: object) -> Patch:
    """The optimiser decays nothing."""
    return _optimizer(weight_decay=0.0)


@mutant("train.default_betas")
def default_betas(subject: object) -> Patch:
    """The library's second beta, 0.999."""
    return _optimizer(betas=(0.9, 0.999))


@mutant("train.added_label_by_label", step, "accumulate")
def added_label_by_label(real: Any, state: Any, batch: Any, labels: int) -> Any:
    """Each pass computes a loss of its own, with its own scales, and the losses are averaged."""
    parts = step.split(batch, labels)
    losses = [step.sample_and_compare(state, part) for part in parts]
    loss = torch.stack([value for value, _ in losses]).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach(), losses[0][1]


@mutant("train.passes_of_the_first_label", step, "split")
def passes_of_the_first_label(original: Any, batch: Any, labels: int) -> Any:
    """Every pass takes the rows of the first labels."""
    parts = original(batch, labels)
    return [parts[0]] * len(parts)


def _optimizer(**changed: Any) -> Patch:
    original = step.OPTIMIZER
    return patch.object(step, "OPTIMIZER", lambda params, **kw: original(params, **(kw | changed)))


OTHER_VALUES = (
    # Labels repeated as a whole instead of label by label.
    mutant("train.tiled_labels", step, per_sample=lambda values, times: values.repeat(times)),
    # The flattened sample is left out of the dictionary.
    mutant("train.no_vanilla_term", features.FeatureConfig, keeps=_keeps_no_vanilla),
    # Gradients go to the optimiser as they are.
    mutant("train.no_clipping", step, clip=lambda gradients, norm, limit: None),
    # Adam with the decay added to the gradient instead of AdamW.
    mutant("train.coupled_weight_decay", step, OPTIMIZER=torch.optim.Adam),
    # Nobody looks before the update.
    mutant("train.finite_check_missing", step, require_finite=lambda name, value, state: None),
)

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


@mutant("train.tiled_labels")
def tiled_labels(subject: object) -> Patch:
    """Labels repeated as a whole instead of label by label."""
    return patch.object(step, "per_sample", lambda values, times: values.repeat(times))


@mutant("train.alpha_ignored")
def alpha_ignored(subject: object) -> Patch:
    """The loss weights the unconditional samples as if alpha were one."""
    original = features.sample_loss

    def unguided(extractor: Any, samples: Any, pos: Any, unc: Any, alpha: Any, **kw: Any) -> Any:
        return original(extractor, samples, pos, unc, torch.ones_like(alpha), **kw)

    return patch.object(features, "sample_loss", unguided)


@mutant("train.wrong_temperatures")
def wrong_temperatures(subject: object) -> Patch:
    """0.1 instead of 0.2."""
    original = features.sample_loss

    def cooler(*args: Any, temperatures: Any, **kw: Any) -> Any:
        return original(*args, temperatures=(0.1, 0.05, 0.02), **kw)

    return patch.object(features, "sample_loss", cooler)


@mutant("train.no_vanilla_term")
def no_vanilla_term(subject: object) -> Patch:
    """The flattened sample is left out of the dictionary."""
    return patch.object(features.FeatureConfig, "keeps", _keeps_no_vanilla)


def _keeps_no_vanilla(self: Any, name: str) -> bool:
    return name != features.VANILLA and name not in self.without


@mutant("train.real_features_with_gradient_sign")
def wrong_gradient_sign(subject: object) -> Patch:
    """The force is followed backwards."""
    from drift import loss

    original = loss.gradient_of_sum
    return patch.object(loss, "gradient_of_sum", lambda *args: -original(*args))


@mutant("train.rate_of_the_next_update")
def rate_of_the_next_update(subject: object) -> Patch:
    """Updates are counted from one: the first uses lr(1)."""
    original = schedule.learning_rate
    return patch.object(schedule, "learning_rate", lambda i, **kw: original(i + 1, **kw))


@mutant("train.no_clipping")
def no_clipping(subject: object) -> Patch:
    """Gradients go to the optimiser as they are."""
    return patch.object(step, "clip", lambda gradients, norm, limit: None)


@mutant("train.clip_each_parameter")
def clip_each_parameter(subject: object) -> Patch:
    """Each parameter's gradient is clipped by its own norm."""

    def each(gradients: Any, norm: Any, limit: float) -> None:
        for gradient in gradients:
            gradient.mul_(torch.clamp(limit / gradient.norm(), max=1.0))

    return patch.object(step, "clip", each)


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


@mutant("train.ema_swapped")
def ema_swapped(subject: object) -> Patch:
    """d weighs the new parameters and 1 - d the average."""

    @torch.no_grad()
    def swapped(model: Any, ema: Any) -> None:
        for decay, averaged in ema.items():
            for name, parameter in model.named_parameters():
                averaged[name].mul_(1 - decay).add_(parameter, alpha=decay)

    return patch.object(modules, "average", swapped)


@mutant("train.no_weight_decay")
def no_weight_decay(subject: object) -> Patch:
    """The optimiser decays nothing."""
    return _optimizer(weight_decay=0.0)


@mutant("train.default_betas")
def default_betas(subject: object) -> Patch:
    """The library's second beta, 0.999."""
    return _optimizer(betas=(0.9, 0.999))


@mutant("train.coupled_weight_decay")
def coupled_weight_decay(subject: object) -> Patch:
    """Adam with the decay added to the gradient instead of AdamW."""
    return patch.object(step, "OPTIMIZER", torch.optim.Adam)


@mutant("train.finite_check_missing")
def finite_check_missing(subject: object) -> Patch:
    """Nobody looks before the update."""
    return patch.object(step, "require_finite", lambda name, value, state: None)


@mutant("train.added_label_by_label")
def added_label_by_label(subject: object) -> Patch:
    """Each pass computes a loss of its own, with its own scales, and the losses are averaged."""

    def separate(state: Any, batch: Any, labels: int) -> Any:
        parts = step.split(batch, labels)
        losses = [step.sample_and_compare(state, part) for part in parts]
        loss = torch.stack([value for value, _ in losses]).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach(), losses[0][1]

    return patch.object(step, "accumulate", separate)


@mutant("train.passes_of_the_first_label")
def passes_of_the_first_label(subject: object) -> Patch:
    """Every pass takes the rows of the first labels."""
    original = step.split

    def stuck(batch: Any, labels: int) -> Any:
        parts = original(batch, labels)
        return [parts[0]] * len(parts)

    return patch.object(step, "split", stuck)


def _optimizer(**changed: Any) -> Patch:
    original = step.OPTIMIZER
    return patch.object(step, "OPTIMIZER", lambda params, **kw: original(params, **(kw | changed)))

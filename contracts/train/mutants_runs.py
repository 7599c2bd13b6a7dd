"""Mistakes in a run that its in-run clauses are for, and ways to lose the clauses themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from drift.queue import SampleQueue
from drift.train import draw, run, step, watch
from drift.train.step import TrainState
from verify.api import mutant

Patch = AbstractContextManager[object]


@mutant("train.queue_shuffles_labels")
def queue_shuffles_labels(subject: object) -> Patch:
    """Each batch is pushed with its labels in another order."""
    original = SampleQueue.push

    def shuffled(self: SampleQueue, samples: Tensor, labels: Tensor) -> None:
        original(self, samples, labels.roll(1))

    return patch.object(SampleQueue, "push", shuffled)


@mutant("train.samples_reordered")
def samples_reordered(subject: object) -> Patch:
    """Samples come back from their readers in another order than they were asked for."""
    original = SampleQueue.push

    def reordered(self: SampleQueue, samples: Tensor, labels: Tensor) -> None:
        original(self, samples.flip(0) if samples.ndim == 4 else samples, labels)

    return patch.object(SampleQueue, "push", reordered)


@mutant("train.optimiser_holds_the_encoder")
def optimiser_holds_the_encoder(subject: object) -> Patch:
    """The optimiser is given the encoder's parameters as well."""
    original = TrainState.create

    def both(*args: Any, **kwargs: Any) -> TrainState:
        state = original(*args, **kwargs)
        parameters = list(state.extractor.encoder.parameters())
        state.optimizer.add_param_group({"params": parameters})
        return state

    return patch.object(TrainState, "create", both)


@mutant("train.encoder_with_gradient")
def encoder_with_gradient(subject: object) -> Patch:
    """Somebody asks for gradients of the frozen encoder."""
    original = TrainState.create

    def thawed(*args: Any, **kwargs: Any) -> TrainState:
        state = original(*args, **kwargs)
        state.extractor.encoder.requires_grad_(True)
        return state

    return patch.object(TrainState, "create", thawed)


@mutant("train.nan_injected")
def nan_injected(subject: object) -> Patch:
    """The third update makes one parameter NaN."""
    original = step.optimise

    def spoiled(state: TrainState) -> None:
        original(state)
        if state.step == 2:
            with torch.no_grad():
                next(state.generator.parameters()).view(-1)[0] = float("nan")

    return patch.object(step, "optimise", spoiled)


@mutant("train.queues_refilled_with_repeats")
def queues_refilled_with_repeats(subject: object) -> Patch:
    """Queues are opened as the release opens them: they repeat samples where they hold too few."""
    original = SampleQueue.__init__

    def loose(self: SampleQueue, classes: int, capacity: int, *, strict: bool = True) -> None:
        original(self, classes, capacity, strict=False)

    return patch.object(SampleQueue, "__init__", loose)


@mutant("train.check_disabled")
@contextmanager
def check_disabled(subject: object, name: str) -> Iterator[None]:
    """One of the checks of a run looks away: labels, frozen, finite or strict."""
    blind: Mapping[str, tuple[tuple[Any, str, Any], ...]] = {
        "labels": ((watch.Watch, "require_true_labels", lambda self, drawn: None),),
        "frozen": (
            (watch.Watch, "require_frozen", lambda self: None),
            (watch.Watch, "require_same_encoder", lambda self: None),
        ),
        "finite": (
            (step, "require_finite", lambda name, value, state: None),
            (watch.Watch, "require_finite", lambda self, metrics: None),
            (watch.Watch, "require_finite_weights", lambda self: None),
        ),
        "strict": (
            (watch.Watch, "require_strict", lambda self, feed, replacement: None),
            (SampleQueue, "_refuse_underflow", lambda self, labels, n: None),
        ),
    }
    patches = [patch.object(*one) for one in blind[name]]
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in reversed(patches):
            one.stop()


@mutant("train.saved_unseen")
def saved_unseen(subject: object) -> Patch:
    """A checkpoint is written before anybody looks at what is in it."""
    return patch.object(run.Run, "snapshot", lambda self: run.snapshot(self))


@mutant("train.bypass_unsaid")
def bypass_unsaid(subject: object) -> Patch:
    """A check that is left out is recorded beside the weights and not in them."""
    return patch.object(watch, "bypasses", lambda skipped: [])


@mutant("train.bypass_forgotten_by_the_record")
def bypass_forgotten_by_the_record(subject: object) -> Patch:
    """The record lists every check as done."""
    return patch.object(
        watch.Watch, "record", lambda self: {"checked": list(watch.NAMES), "bypassed": []}
    )


@mutant("train.bypass_is_diagnostic_only")
def bypass_is_diagnostic_only(subject: object) -> Patch:
    """The mark is one of a diagnostic run: its numbers keep a tier."""
    return patch.object(
        watch, "bypasses", lambda skipped: [f"{one} was not checked" for one in skipped]
    )


@mutant("train.failure_unrecorded")
def failure_unrecorded(subject: object) -> Patch:
    """A run that is stopped goes on saying that it runs."""
    from drift.state import loop

    return patch.object(loop, "_record_end", lambda record, step, error, saved: None)


@mutant("train.origins_drift_apart")
def origins_drift_apart(subject: object) -> Patch:
    """The places of samples are pushed one batch late, so a slot holds what does not belong."""
    original = draw.push

    def late(feed: Any, n: int) -> Tensor:
        labels = original(feed, n)
        feed.origins.push(labels.new_zeros(1), labels[:1])
        return labels

    return patch.object(draw, "push", late)

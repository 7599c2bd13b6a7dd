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


@mutant("train.queue_shuffles_labels", SampleQueue, "push")
def queue_shuffles_labels(
    original: Any, self: SampleQueue, samples: Tensor, labels: Tensor
) -> None:
    """Each batch is pushed with its labels in another order."""
    original(self, samples, labels.roll(1))


@mutant("train.samples_reordered", SampleQueue, "push")
def samples_reordered(original: Any, self: SampleQueue, samples: Tensor, labels: Tensor) -> None:
    """Samples come back from their readers in another order than they were asked for."""
    original(self, samples.flip(0) if samples.ndim == 4 else samples, labels)


@mutant("train.optimiser_holds_the_encoder", TrainState, "create")
def optimiser_holds_the_encoder(original: Any, *args: Any, **kwargs: Any) -> Any:
    """The optimiser is given the encoder's parameters as well."""
    state = original(*args, **kwargs)
    parameters = list(state.extractor.encoder.parameters())
    state.optimizer.add_param_group({"params": parameters})
    return state


@mutant("train.encoder_with_gradient", TrainState, "create")
def encoder_with_gradient(original: Any, *args: Any, **kwargs: Any) -> Any:
    """Somebody asks for gradients of the frozen encoder."""
    state = original(*args, **kwargs)
    state.extractor.encoder.requires_grad_(True)
    return state


@mutant("train.nan_injected", step, "optimise")
def nan_injected(original: Any, state: TrainState) -> None:
    """The third update makes one parameter NaN."""
    original(state)
    if state.step == 2:
        with torch.no_grad():
            next(state.generator.parameters()).view(-1)[0] = float("nan")


@mutant("train.queues_refilled_with_repeats", SampleQueue, "__init__")
def queues_refilled_with_repeats(
    original: Any, self: SampleQueue, classes: int, capacity: int, *, strict: bool = True
) -> None:
    """Queues are opened as the release opens them: they repeat samples where they hold too few."""
    original(self, classes, capacity, strict=False)


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


@mutant("train.failure_unrecorded")
def failure_unrecorded(subject: object) -> Patch:
    """A run that is stopped goes on saying that it runs."""
    from drift.state import loop

    return patch.object(loop, "_record_end", lambda record, step, error, saved: None)


@mutant("train.origins_drift_apart", draw, "push")
def origins_drift_apart(original: Any, feed: Any, n: int) -> Any:
    """The places of samples are pushed one batch late, so a slot holds what does not belong."""
    labels = original(feed, n)
    feed.origins.push(labels.new_zeros(1), labels[:1])
    return labels


OTHER_VALUES = (
    # A checkpoint is written before anybody looks at what is in it.
    mutant("train.saved_unseen", run.Run, snapshot=lambda self: run.snapshot(self)),
    # A check that is left out is recorded beside the weights and not in them.
    mutant("train.bypass_unsaid", watch, bypasses=lambda skipped: []),
    # The record lists every check as done.
    mutant(
        "train.bypass_forgotten_by_the_record",
        watch.Watch,
        record=lambda self: {"checked": list(watch.NAMES), "bypassed": []},
    ),
    # The mark is one of a diagnostic run: its numbers keep a tier.
    mutant(
        "train.bypass_is_diagnostic_only",
        watch,
        bypasses=lambda skipped: [f"{one} was not checked" for one in skipped],
    ),
)

"""Mistakes that the clauses about queues have to notice, planted in the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from drift import queue
from verify.api import mutant


@mutant("queue.pointer_stuck")
def pointer_stuck(subject: object) -> Any:
    """The write pointer does not advance: every push begins at slot 0."""
    return patch.object(queue, "advanced", lambda ptr, pushed, capacity: ptr)


@mutant("queue.pointer_does_not_wrap")
def pointer_does_not_wrap(subject: object) -> Any:
    """At the end the pointer stays on the last slot instead of returning to the first."""

    def saturated(ptr: Tensor, pushed: Tensor, capacity: int) -> Tensor:
        return (ptr + pushed).clamp(max=capacity - 1)

    return patch.object(queue, "advanced", saturated)


@mutant("queue.count_forgets_the_cap")
def count_forgets_the_cap(subject: object) -> Any:
    return patch.object(queue, "filled", lambda count, pushed, capacity: count + pushed)


@mutant("queue.batch_reversed")
def batch_reversed(subject: object) -> Any:
    """Within a batch the later sample is written first."""
    real = queue.batch_ranks

    def ranks(labels: Tensor, pushed: Tensor) -> Tensor:
        return pushed[labels] - 1 - real(labels, pushed)

    return patch.object(queue, "batch_ranks", ranks)


@mutant("queue.with_replacement")
def with_replacement(subject: object) -> Any:
    def draw(counts: Tensor, capacity: int, n: int, generator: torch.Generator) -> Tensor:
        return queue.draw_repeating(counts, n, generator)

    return patch.object(queue, "draw_distinct", draw)


@mutant("queue.newest_first")
def newest_first(subject: object) -> Any:
    """The draw is not random: always the last filled slots."""

    def draw(counts: Tensor, capacity: int, n: int, generator: torch.Generator) -> Tensor:
        return counts[:, None] - 1 - torch.arange(n)[None]

    return patch.object(queue, "draw_distinct", draw)


@mutant("queue.unfilled_slots")
def unfilled_slots(subject: object) -> Any:
    """Slots that were never filled, all zeros, are drawn as samples."""

    def everything(counts: Tensor, capacity: int) -> Tensor:
        return torch.ones(len(counts), capacity, dtype=torch.bool)

    return patch.object(queue, "available", everything)


@mutant("queue.relabelled")
def relabelled(subject: object) -> Any:
    """Labels are shuffled within the batch before the push."""
    real = queue.SampleQueue.push

    def push(self: Any, samples: Tensor, labels: Tensor) -> None:
        real(self, samples, torch.as_tensor(labels).roll(1, dims=0))

    return patch.object(queue.SampleQueue, "push", push)


@mutant("queue.silent_fallback")
def silent_fallback(subject: object) -> Any:
    """Every queue falls back as the reference does, asked or not."""
    real = queue.SampleQueue.__init__

    def init(self: Any, classes: int, capacity: int, *, strict: bool = True) -> None:
        real(self, classes, capacity, strict=False)

    return patch.object(queue.SampleQueue, "__init__", init)


@mutant("queue.capacity_off_by_one")
def capacity_off_by_one(subject: object) -> Any:
    """Each ring has one slot more than it was given."""
    real = queue.SampleQueue.__init__

    def init(self: Any, classes: int, capacity: int, *, strict: bool = True) -> None:
        real(self, classes, capacity + 1, strict=strict)

    return patch.object(queue.SampleQueue, "__init__", init)


@mutant("queue.first_short_class_only")
def first_short_class_only(subject: object) -> Any:
    """The error names one class and hides the others."""
    real = queue.QueueUnderflow.__init__

    def init(self: Any, held: Mapping[int, int], requested: int, capacity: int) -> None:
        real(self, dict(list(held.items())[:1]), requested, capacity)

    return patch.object(queue.QueueUnderflow, "__init__", init)


@mutant("queue.labels_wrapped")
def labels_wrapped(subject: object) -> Any:
    """A label that is no class is folded into one instead of being refused."""
    real = queue.checked_labels

    def folded(labels: Tensor, classes: int) -> Tensor:
        return real(torch.as_tensor(labels) % classes, classes)

    return patch.object(queue, "checked_labels", folded)


@mutant("queue.resume_forgets_pointer")
def resume_forgets_pointer(subject: object) -> Any:
    """A restored queue writes from slot 0 again."""
    real = queue.SampleQueue.load_state_dict

    def load(self: Any, state: Mapping[str, Tensor]) -> None:
        real(self, state)
        self._ptr = torch.zeros_like(self._ptr)

    return patch.object(queue.SampleQueue, "load_state_dict", load)


@mutant("queue.resume_forgets_samples")
def resume_forgets_samples(subject: object) -> Any:
    """A checkpoint without the classes' samples: the depth is gone after a restart."""
    real = queue.SampleQueue.state_dict

    def state(self: Any) -> dict[str, Tensor]:
        kept: dict[str, Tensor] = real(self)
        return {name: torch.zeros_like(value) for name, value in kept.items()}

    return patch.object(queue.SampleQueue, "state_dict", state)

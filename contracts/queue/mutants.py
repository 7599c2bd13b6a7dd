"""Mistakes that the clauses about queues have to notice, planted in the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from drift import queue
from verify.api import mutant


@mutant("queue.pointer_does_not_wrap", queue, "advanced")
def pointer_does_not_wrap(real: Any, ptr: Tensor, pushed: Tensor, capacity: int) -> Tensor:
    """At the end the pointer stays on the last slot instead of returning to the first."""
    return (ptr + pushed).clamp(max=capacity - 1)


@mutant("queue.batch_reversed", queue, "batch_ranks")
def batch_reversed(real: Any, labels: Tensor, pushed: Tensor) -> Any:
    """Within a batch the later sample is written first."""
    return pushed[labels] - 1 - real(labels, pushed)


@mutant("queue.with_replacement", queue, "draw_distinct")
def with_replacement(
    real: Any, counts: Tensor, capacity: int, n: int, generator: torch.Generator
) -> Tensor:
    return queue.draw_repeating(counts, n, generator)


@mutant("queue.newest_first", queue, "draw_distinct")
def newest_first(
    real: Any, counts: Tensor, capacity: int, n: int, generator: torch.Generator
) -> Tensor:
    """The draw is not random: always the last filled slots."""
    return counts[:, None] - 1 - torch.arange(n)[None]


@mutant("queue.unfilled_slots", queue, "available")
def unfilled_slots(real: Any, counts: Tensor, capacity: int) -> Tensor:
    """Slots that were never filled, all zeros, are drawn as samples."""
    return torch.ones(len(counts), capacity, dtype=torch.bool)


@mutant("queue.relabelled", queue.SampleQueue, "push")
def relabelled(real: Any, self: Any, samples: Tensor, labels: Tensor) -> None:
    """Labels are shuffled within the batch before the push."""
    real(self, samples, torch.as_tensor(labels).roll(1, dims=0))


@mutant("queue.silent_fallback", queue.SampleQueue, "__init__")
def silent_fallback(
    real: Any, self: Any, classes: int, capacity: int, *, strict: bool = True
) -> None:
    """Every queue falls back as the reference does, asked or not."""
    real(self, classes, capacity, strict=False)


@mutant("queue.capacity_off_by_one", queue.SampleQueue, "__init__")
def capacity_off_by_one(
    real: Any, self: Any, classes: int, capacity: int, *, strict: bool = True
) -> None:
    """Each ring has one slot more than it was given."""
    real(self, classes, capacity + 1, strict=strict)


@mutant("queue.first_short_class_only", queue.QueueUnderflow, "__init__")
def first_short_class_only(
    real: Any, self: Any, held: Mapping[int, int], requested: int, capacity: int
) -> None:
    """The error names one class and hides the others."""
    real(self, dict(list(held.items())[:1]), requested, capacity)


@mutant("queue.labels_wrapped", queue, "checked_labels")
def labels_wrapped(real: Any, labels: Tensor, classes: int) -> Any:
    """A label that is no class is folded into one instead of being refused."""
    return real(torch.as_tensor(labels) % classes, classes)


@mutant("queue.resume_forgets_pointer", queue.SampleQueue, "load_state_dict")
def resume_forgets_pointer(real: Any, self: Any, state: Mapping[str, Tensor]) -> None:
    """A restored queue writes from slot 0 again."""
    real(self, state)
    self._ptr = torch.zeros_like(self._ptr)


@mutant("queue.resume_forgets_samples", queue.SampleQueue, "state_dict")
def resume_forgets_samples(real: Any, self: Any) -> dict[str, Tensor]:
    """A checkpoint without the classes' samples: the depth is gone after a restart."""
    kept: dict[str, Tensor] = real(self)
    return {name: torch.zeros_like(value) for name, value in kept.items()}


OTHER_VALUES = (
    # The write pointer does not advance: every push begins at slot 0.
    mutant("queue.pointer_stuck", queue, advanced=lambda ptr, pushed, capacity: ptr),
    mutant(
        "queue.count_forgets_the_cap", queue, filled=lambda count, pushed, capacity: count + pushed
    ),
)

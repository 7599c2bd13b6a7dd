"""Queues of real samples: one ring buffer per class, or a single one over all classes (paper A.8).

The unconditional queue of the paper is the same thing with one class: SampleQueue(1, 1000), pushed
and sampled with labels that are all 0.

Strict queues draw without replacement and raise QueueUnderflow when a class holds too little. The
reference falls back silently instead (memory_bank.py:62-67); ask for that by name with
strict=False. Samples keep the label they were pushed with; there is no relabelling.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from drift.errors import DriftError, InputError

NAMED_CLASSES = 10  # an underflow message names this many classes and counts the rest


class QueueUnderflow(DriftError, LookupError):  # noqa: N818 - a name of the interface
    """A strict draw wanted more samples than a class holds; nothing was drawn.

    held       class -> samples held, for every class that is short
    requested  samples wanted per label
    capacity   slots per class
    """

    def __init__(self, held: Mapping[int, int], requested: int, capacity: int) -> None:
        self.held = dict(held)
        self.requested = requested
        self.capacity = capacity
        named = [f"class {c} holds {n}" for c, n in list(self.held.items())[:NAMED_CLASSES]]
        rest = len(self.held) - len(named)
        more = f" and {rest} more classes are short" if rest > 0 else ""
        remedy = (
            f"No queue can ever hold them: raise the capacity above {capacity} or ask for less."
            if requested > capacity
            else "Push more samples of these classes before drawing, or ask for less."
        )
        super().__init__(
            f"queue of capacity {capacity} per class, {requested} samples requested per label",
            found=", ".join(named) + more,
            expected=f"at least {requested} in every class drawn from",
            remedy=remedy,
        )

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.held, self.requested, self.capacity)


class SampleQueue:
    """Ring buffers of `capacity` samples for each of `classes` labels.

    strict=True   draws are without replacement; too few samples raise QueueUnderflow
    strict=False  the reference's fallback: with replacement where a class holds fewer than asked
                  for, and the zeros of row 0 where it holds none

    Memory is taken at the first push, with the shape, dtype and device of its samples. Indices are
    computed on the CPU, so a seed gives the same draws wherever the samples live.
    """

    def __init__(self, classes: int, capacity: int, *, strict: bool = True) -> None:
        if classes < 1 or capacity < 1:
            raise InputError(
                "SampleQueue: classes, capacity",
                found=f"{classes}, {capacity}",
                expected="at least 1 each",
            )
        self.classes = classes
        self.capacity = capacity
        self.strict = strict
        self._bank: Tensor | None = None  # [classes, capacity, ...]
        self._ptr = torch.zeros(classes, dtype=torch.int64, device="cpu")  # the slot written next
        self._count = self._ptr.clone()  # slots filled, from slot 0 up

    @property
    def counts(self) -> Tensor:
        """Samples held per class, int64 [classes]."""
        return self._count.clone()

    @property
    def pointers(self) -> Tensor:
        """The slot of each class that is written next, int64 [classes]."""
        return self._ptr.clone()

    def push(self, samples: Tensor, labels: Tensor) -> None:
        """Append samples [B, ...] in batch order under their labels, integers [B].

        A full class drops its oldest samples. Everything is checked before anything is written:
        after an InputError the queue is what it was.
        """
        labels = checked_labels(labels, self.classes)
        self._check_samples(samples, len(labels))
        if len(labels) == 0:
            return
        pushed = torch.bincount(labels, minlength=self.classes)
        ranks = batch_ranks(labels, pushed)
        # Of more samples than slots only the last `capacity` stay; writing only those keeps the
        # slots of one write distinct.
        keep = ranks >= pushed[labels] - self.capacity
        slots = (self._ptr[labels] + ranks) % self.capacity
        bank = self._allocated(samples)
        where = (labels[keep].to(bank.device), slots[keep].to(bank.device))
        bank[where] = samples.detach()[keep.to(samples.device)].to(bank.device)
        self._ptr = advanced(self._ptr, pushed, self.capacity)
        self._count = filled(self._count, pushed, self.capacity)

    def sample(self, labels: Tensor, n: int, *, generator: torch.Generator) -> Tensor:
        """n samples for each label, labels [B] -> [B, n, ...]; rows are drawn independently.

        Raises QueueUnderflow in a strict queue before the generator is touched; the queue itself
        never changes.
        """
        return self.gather(labels, self.slots(labels, n, generator=generator))

    def slots(self, labels: Tensor, n: int, *, generator: torch.Generator) -> Tensor:
        """What `sample` draws: n slots for each label, labels [B] -> int64 [B, n].

        Two queues that were pushed with the same labels hold in one slot what belongs together.
        """
        labels = checked_labels(labels, self.classes)
        if n < 0:
            raise InputError("SampleQueue.sample: n", found=n, expected="at least 0")
        if not isinstance(generator, torch.Generator):
            raise InputError(
                "SampleQueue.sample: generator",
                found=type(generator).__name__,
                expected="a torch.Generator: a draw has no hidden randomness",
            )
        counts = self._count[labels]
        if self.strict or self._bank is None:
            self._refuse_underflow(labels, n)
        if self.strict:
            return draw_distinct(counts, self.capacity, n, generator)
        return draw_reference(counts, self.capacity, n, generator)

    def gather(self, labels: Tensor, indices: Tensor) -> Tensor:
        """The samples in given slots, labels [B] and slots [B, n] -> [B, n, ...]; slots from 0."""
        labels = checked_labels(labels, self.classes)
        if self._bank is None:
            raise QueueUnderflow({0: 0}, 1, self.capacity)
        outside = (indices < 0) | (indices >= self.capacity)
        if indices.ndim != 2 or len(indices) != len(labels) or bool(outside.any()):
            raise InputError(
                "SampleQueue.gather: indices",
                found=f"shape {tuple(indices.shape)}, {int(outside.sum())} out of range",
                expected=f"[{len(labels)}, n] slots in 0 .. {self.capacity - 1}",
            )
        device = self._bank.device
        return self._bank[labels[:, None].to(device), indices.long().to(device)]

    def state_dict(self) -> dict[str, Tensor]:
        """Copies: ptr and count, int64 [classes], and after the first push bank
        [classes, capacity, ...], with zeros in the slots that were never filled."""
        state = {"ptr": self._ptr.clone(), "count": self._count.clone()}
        if self._bank is not None:
            state["bank"] = self._bank.clone()
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over a state exactly; it is checked as a whole before anything changes.

        Raises InputError that names every entry that does not fit this queue.
        """
        problems = state_problems(state, self.classes, self.capacity, self._bank)
        if problems:
            raise InputError(
                "SampleQueue.load_state_dict",
                found="; ".join(problems),
                expected=f"the state of a queue of {self.classes} classes, {self.capacity} slots",
            )
        self._ptr = state["ptr"].long().cpu().clone()
        self._count = state["count"].long().cpu().clone()
        bank = state.get("bank")
        if bank is None:
            self._bank = None
            return
        device = bank.device if self._bank is None else self._bank.device
        self._bank = bank.detach().to(device, copy=True)

    def _allocated(self, samples: Tensor) -> Tensor:
        if self._bank is None:
            shape = (self.classes, self.capacity, *samples.shape[1:])
            self._bank = torch.zeros(shape, dtype=samples.dtype, device=samples.device)
        return self._bank

    def _check_samples(self, samples: Tensor, labels: int) -> None:
        if samples.ndim < 1 or len(samples) != labels:
            raise InputError(
                "SampleQueue.push",
                found=f"samples of shape {tuple(samples.shape)} with {labels} labels",
                expected="one label per sample",
            )
        bank = self._bank
        if bank is not None and (samples.shape[1:], samples.dtype) != (bank.shape[2:], bank.dtype):
            raise InputError(
                "SampleQueue.push: samples",
                found=f"{tuple(samples.shape[1:])} of {samples.dtype}",
                expected=f"{tuple(bank.shape[2:])} of {bank.dtype}, as in the first push",
            )
        # One NaN in the bank would reach every later loss of its class.
        bad = ~torch.isfinite(samples)
        if bool(bad.any()):
            rows = bad.reshape(labels, -1).any(1).nonzero().flatten().tolist()
            raise InputError(
                "SampleQueue.push: samples",
                found=f"NaN or infinity in {len(rows)} of {labels} samples, first in row {rows[0]}",
                expected="finite values",
            )

    def _refuse_underflow(self, labels: Tensor, n: int) -> None:
        wanted = max(n, 1) if self._bank is None else n
        short = sorted(set(labels[self._count[labels] < wanted].tolist()))
        if short:
            raise QueueUnderflow({c: int(self._count[c]) for c in short}, n, self.capacity)


def checked_labels(labels: Tensor, classes: int) -> Tensor:
    """Labels as int64 on the CPU, [B]; InputError for a type, shape or value that is none."""
    labels = torch.as_tensor(labels, device="cpu")
    integer = not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)
    if labels.numel() == 0:  # torch.tensor([]) is float
        integer = True
    if labels.ndim != 1 or not integer:
        raise InputError(
            "SampleQueue: labels",
            found=f"shape {tuple(labels.shape)} of {labels.dtype}",
            expected="integers of shape [B]",
        )
    labels = labels.long()
    outside = labels[(labels < 0) | (labels >= classes)]
    if len(outside):
        values = ", ".join(map(str, sorted(set(outside.tolist()))[:NAMED_CLASSES]))
        raise InputError(
            "SampleQueue: labels", found=values, expected=f"classes 0 .. {classes - 1}"
        )
    return labels


def batch_ranks(labels: Tensor, pushed: Tensor) -> Tensor:
    """For each sample the number of earlier ones in the batch with its label, [B] -> [B]."""
    order = torch.argsort(labels, stable=True)
    first = torch.cumsum(pushed, 0) - pushed  # where each class begins in that order
    ranks = torch.empty_like(labels)
    ranks[order] = torch.arange(len(labels), device=labels.device) - first[labels[order]]
    return ranks


def advanced(ptr: Tensor, pushed: Tensor, capacity: int) -> Tensor:
    """The slot written next, after `pushed` samples per class."""
    return (ptr + pushed) % capacity


def filled(count: Tensor, pushed: Tensor, capacity: int) -> Tensor:
    """Slots filled after `pushed` samples per class; a ring never holds more than its capacity."""
    return (count + pushed).clamp(max=capacity)


def available(counts: Tensor, capacity: int) -> Tensor:
    """Which slots hold a sample: counts [B] -> bool [B, capacity]."""
    return torch.arange(capacity, device=counts.device)[None] < counts[:, None]


def draw_distinct(counts: Tensor, capacity: int, n: int, generator: torch.Generator) -> Tensor:
    """n distinct filled slots per row in random order, counts [B] (each >= n) -> int64 [B, n]."""
    # The n smallest of independent uniform keys are a uniform draw without replacement.
    keys = _uniforms((len(counts), capacity), generator)
    keys = keys.masked_fill(~available(counts, capacity), torch.inf)
    return keys.topk(n, dim=1, largest=False, sorted=True).indices


def draw_repeating(counts: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """n filled slots per row with replacement, slot 0 for an empty row: counts [B] -> [B, n]."""
    # Uniforms end at 1 - 2^-53, whose product with a count never rounds up to it.
    return (_uniforms((len(counts), n), generator) * counts[:, None]).long()


def draw_reference(counts: Tensor, capacity: int, n: int, generator: torch.Generator) -> Tensor:
    """The reference's rule (memory_bank.py:62-67): distinct slots where a row holds at least n,
    repeating ones where it holds fewer. The numbers of NumPy's generator are not reproduced."""
    slots = draw_repeating(counts, n, generator)
    enough = counts >= n
    if bool(enough.any()):
        slots[enough] = draw_distinct(counts[enough], capacity, n, generator)
    return slots


def state_problems(
    state: Mapping[str, Tensor], classes: int, capacity: int, bank: Tensor | None
) -> list[str]:
    """What keeps `state` from being a state of such a queue, one line each."""
    unknown = sorted(set(state) - {"ptr", "count", "bank"})
    problems = [f"unknown entry {name}" for name in unknown]
    for name in ("ptr", "count"):
        value = state.get(name)
        if value is None:
            problems.append(f"{name} is missing")
        elif tuple(value.shape) != (classes,) or value.is_floating_point():
            problems.append(f"{name} is {tuple(value.shape)} of {value.dtype}, not [{classes}]")
    if problems:
        return problems
    ptr, count = state["ptr"].long(), state["count"].long()
    full = count == capacity
    # A ring that never wrapped writes next where it ends, which no bad count can be.
    wrong = (ptr < 0) | (ptr >= capacity) | (~full & (ptr != count))
    if bool(wrong.any()):
        c = int(wrong.nonzero()[0])
        problems.append(f"class {c} has ptr {int(ptr[c])} and count {int(count[c])}")
    problems.extend(_bank_problems(state.get("bank"), int(count.sum()), classes, capacity, bank))
    return problems


def _bank_problems(
    given: Tensor | None, held: int, classes: int, capacity: int, bank: Tensor | None
) -> list[str]:
    if given is None:
        return [f"bank is missing although {held} samples are counted"] if held else []
    if tuple(given.shape[:2]) != (classes, capacity):
        return [f"bank is {tuple(given.shape)}, not [{classes}, {capacity}, ...]"]
    if bank is not None and (given.shape, given.dtype) != (bank.shape, bank.dtype):
        return [
            f"bank is {tuple(given.shape)} of {given.dtype}, this queue holds "
            f"{tuple(bank.shape)} of {bank.dtype}"
        ]
    return []


def _uniforms(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """float64 uniforms on the CPU from a generator of any device."""
    drawn = torch.rand(shape, dtype=torch.float64, generator=generator, device=generator.device)
    return drawn.cpu()

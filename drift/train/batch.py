"""What one step draws, and how it is cut: over processes, and on one of them into passes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from drift.errors import InputError


@dataclass(frozen=True)
class StepBatch:
    """What one step draws: B labels, G generated, P positive, N unconditional samples of each.

    labels [B]; positives [B, P, C, H, W]; unconditional [B, N, C, H, W]; noise [B*G, C, H, W] and
    style [B*G, style_tokens], label by label; alpha [B]
    """

    labels: Tensor
    positives: Tensor
    unconditional: Tensor
    noise: Tensor
    style: Tensor
    alpha: Tensor

    @property
    def generated(self) -> int:
        """G; raises InputError where the parts do not fit together."""
        labels = len(self.labels)
        counts = {
            "positives": len(self.positives),
            "unconditional": len(self.unconditional),
            "alpha": len(self.alpha),
        }
        for name, count in counts.items():
            if count != labels:
                raise InputError(f"StepBatch.{name}", found=count, expected=f"{labels} labels")
        if labels == 0 or len(self.noise) % labels or len(self.style) != len(self.noise):
            raise InputError(
                "StepBatch.noise, style",
                found=f"{len(self.noise)} and {len(self.style)} rows for {labels} labels",
                expected="the same number of rows, a multiple of the labels",
            )
        return len(self.noise) // labels

    @property
    def counted(self) -> int:
        """Labels that count in the loss."""
        return len(self.labels)

    @property
    def most(self) -> int:
        """Labels of the process that has the most of them."""
        return len(self.labels)

    def to(self, device: str) -> StepBatch:
        """The same on a device."""
        if device == "cpu":
            return self
        held = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        return dataclasses.replace(self, **{name: t.to(device) for name, t in held.items()})


@dataclass(frozen=True)
class Share(StepBatch):
    """The labels of a step that one of several processes has.

    largest  labels of the process that has the most
    idle     a process, or a pass, without labels: its one label takes part in the collectives of
             the network and counts for nothing
    """

    largest: int
    idle: bool = False

    @property
    def counted(self) -> int:
        return 0 if self.idle else len(self.labels)

    @property
    def most(self) -> int:
        return self.largest


Batch = TypeVar("Batch", bound=StepBatch)


def rows(batch: Batch, first: int, stop: int) -> Batch:
    """The labels first .. stop - 1 of a batch, with all that belongs to them."""
    generated = batch.generated
    n = slice(first * generated, stop * generated)
    return dataclasses.replace(
        batch,
        labels=batch.labels[first:stop],
        positives=batch.positives[first:stop],
        unconditional=batch.unconditional[first:stop],
        noise=batch.noise[n],
        style=batch.style[n],
        alpha=batch.alpha[first:stop],
    )


def resting(batch: StepBatch, largest: int) -> Share:
    """The first label alone, counting for nothing."""
    return held(rows(batch, 0, 1), largest, idle=True)


def share(batch: StepBatch, sizes: Sequence[int], rank: int) -> Share:
    """The labels of one process: so many for each, in order; `resting` for one that has none.

    Raises InputError where the sizes are not those of the batch.
    """
    if sum(sizes) != len(batch.labels) or min(sizes) < 0:
        raise InputError("share", found=list(sizes), expected=f"{len(batch.labels)} labels in all")
    if not sizes[rank]:
        return resting(batch, max(sizes))
    first = sum(sizes[:rank])
    return held(rows(batch, first, first + sizes[rank]), max(sizes))


def split(batch: StepBatch, labels: int) -> list[StepBatch]:
    """Batches of at most `labels` labels, in order, and as many as the largest share has."""
    count = len(batch.labels)
    parts = [rows(batch, i, min(i + labels, count)) for i in range(0, count, labels)]
    more = -(-batch.most // labels) - len(parts)
    return [*parts, *[resting(parts[0], batch.most)] * more]


def held(batch: StepBatch, largest: int, *, idle: bool = False) -> Share:
    """What a process was given, as its share."""
    parts = {field.name: getattr(batch, field.name) for field in dataclasses.fields(StepBatch)}
    return Share(**parts, largest=largest, idle=idle)


def per_sample(values: Tensor, times: int) -> Tensor:
    """[B] -> [B*G], label by label: G neighbours share a value."""
    return values.repeat_interleave(times)

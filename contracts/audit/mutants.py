"""Mistakes that other rooms have no need of: constants of the loss, and a subject that is deaf."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

import drift.loss
import drift.pairs
import drift.target
from drift.queue import SampleQueue
from verify.api import mutant


@mutant("audit.constant")
def constant(subject: object, *, name: str, value: float) -> Any:
    """Another number in place of a constant of drift.pairs."""
    return patch.object(drift.pairs, name, value)


@mutant("audit.distances_unfloored")
def distances_unfloored(subject: object) -> Any:
    """The floor of the scale under the divisor of coordinates alone."""
    real = drift.pairs.normalised_distances

    def unfloored(distance: Tensor, scale: Tensor, *rest: Any) -> Any:
        with patch.object(drift.pairs, "SCALE_FLOOR", 1e-8):
            return real(distance, scale, *rest)

    return patch.object(drift.pairs, "normalised_distances", unfloored)


@mutant("audit.replays")
def replays(subject: object) -> Any:
    """The first answer again and again, whatever is asked."""
    real, kept = drift.loss.drift_loss, list[Any]()

    def replayed(gen: Tensor, *rest: Any, **options: Any) -> Any:
        if not kept:
            kept.append(real(gen, *rest, **options))
        loss, info = kept[0]
        return loss.detach()[: len(gen)] + 1e-3 * gen.mean((1, 2)), info

    return patch.object(drift.loss, "drift_loss", replayed)


@mutant("audit.forgets_between_calls")
def forgets(subject: object) -> Any:
    """The same input gives another answer the second time."""
    real, calls = drift.loss.drift_loss, list[int]()

    def drifting(gen: Tensor, *rest: Any, **options: Any) -> Any:
        calls.append(1)
        loss, info = real(gen, *rest, **options)
        return loss * (1.0 + 0.1 * len(calls)), info

    return patch.object(drift.loss, "drift_loss", drifting)


@mutant("audit.oldest_class_lost")
def oldest_class_lost(subject: object) -> Any:
    """A saved queue keeps as many samples in all as one class may hold twice: a shared bank."""
    real = SampleQueue.state_dict

    def shared(self: Any) -> dict[str, Tensor]:
        state = real(self)
        count = state["count"].clone()
        count[: len(count) // 2] = 0
        ptr = torch.where(count == 0, torch.zeros_like(count), state["ptr"])
        return {**state, "count": count, "ptr": ptr}

    return patch.object(SampleQueue, "state_dict", shared)


@mutant("audit.loss_halved")
def loss_halved(subject: object) -> Any:
    """Half the mean square, as some write a regression."""
    real = drift.target.objective
    return patch.object(drift.target, "objective", lambda *call: real(*call) / 2)

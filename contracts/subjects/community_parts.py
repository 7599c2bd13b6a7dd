"""Departures of the public reproduction that no other room has as a mutant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

import drift.pairs
import drift.target
from drift import schedule, trace
from drift.generator import condition, init, layers
from drift.queue import SampleQueue
from verify.api import mutant

from ..generator.mutants import no_final_adaln

GLOBAL_CAPACITY = 1000  # samples of all classes together, by default
POSITION_STD = 0.02


@mutant("community.no_loss_floors")
@contextmanager
def no_loss_floors(subject: object) -> Iterator[None]:
    """No clip under a distance, 1e-8 under the scale and under the root mean square of a force."""
    with ExitStack() as stack:
        for owner, name, value in (
            (drift.pairs, "SQUARED_DISTANCE_CLIP", 0.0),
            (drift.pairs, "SCALE_FLOOR", 1.0e-8),
            (drift.target, "FORCE_POWER_FLOOR", 1.0e-16),
        ):
            stack.enter_context(patch.object(owner, name, value))
        yield


# The warm-up starts at a step's share of the base rate, not at 1e-6.
WARMUP_COUNTED_FROM_ONE = mutant(
    "community.warmup_counted_from_one",
    schedule,
    warmup=lambda step, base, warmup_steps: base * (step + 1) / warmup_steps,
)


@mutant("community.global_queue_saved")
def global_queue_saved(subject: object) -> Any:
    """A saved queue holds the newest samples of all classes together, and no class's own."""
    real = SampleQueue.state_dict

    def newest(self: Any) -> Mapping[str, Tensor]:
        state = real(self)
        kept = state["count"].clamp(max=GLOBAL_CAPACITY // self.classes)
        return {**state, "count": kept, "ptr": kept % self.capacity}

    return patch.object(SampleQueue, "state_dict", newest)


@mutant("community.alpha_by_scalar")
def alpha_by_scalar(subject: object) -> Any:
    """A linear map of the scalar, SiLU, a linear map; no sinusoid, no norm, no factor."""

    def embedded(self: Any, alpha: Tensor, dtype: torch.dtype) -> Tensor:
        width = self.mlp_out.weight.shape[0]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            scalar = nn.Sequential(nn.Linear(1, 128), nn.SiLU(), nn.Linear(128, width))
        out: Tensor = scalar.to(alpha.device)(alpha.float()[:, None])
        trace.record("step/cond/cfg_emb", out)
        return (out / condition.ALPHA_SCALE).to(dtype)

    return patch.object(condition.AlphaEmbedding, "forward", embedded)


@mutant("community.normal_positions")
def normal_positions(subject: object) -> Any:
    """Learned positions that start normal with standard deviation 0.02."""

    def normal(weight: Tensor, grid: int) -> None:
        draw = torch.Generator().manual_seed(0)
        with torch.no_grad():
            weight.copy_(POSITION_STD * torch.randn(weight.shape, generator=draw))

    return patch.object(init, "positions_", normal)


# RMSNorm with eps 1e-8; it has its gain.
NORM_EPS = mutant("community.norm_eps", layers, NORM_EPS=1.0e-8)


@mutant("community.plain_head")
@contextmanager
def plain_head(subject: object) -> Iterator[None]:
    """No shift and scale in the head, which starts as torch's linear maps do."""

    def drawn(weight: Tensor, generator: torch.Generator | None) -> None:
        nn.init.kaiming_uniform_(weight, a=5**0.5, generator=generator)

    with no_final_adaln(subject), patch.object(init, "output_", drawn):
        yield

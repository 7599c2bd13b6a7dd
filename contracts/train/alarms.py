"""Alarms of a run: each in figures that must ring it, and in figures beside them that must not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from drift.train import alarms
from drift.train.batch import StepBatch
from verify.api import CheckContext, Measurement, check, mutant

from ..common import oracle

HEALTHY = {"spread": 0.5, "overlap": 0.5, "floor/0.02": 0.995, "floor/0.2": 0.5}
RINGS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any], tuple[str, ...]]] = {
    "healthy": ({}, {}, ()),
    "healthy while it warms up": ({}, {"warming": True}, ()),
    "spread at the limit": ({"spread": 0.1}, {}, ()),
    "spread below it, wide before": ({"spread": 0.099}, {"widest": 0.1}, ("collapse",)),
    "spread below it, never wide": ({"spread": 0.09}, {"widest": 0.099}, ("no spread yet",)),
    "spread below it at its default": ({"spread": 0.09}, {}, ("collapse",)),
    "never wide, still warming": (
        {"spread": 0.0, "overlap": 0.0}, {"widest": 0.09, "warming": True}, ()),
    "wide once, still warming": (
        {"spread": 0.0}, {"widest": 0.1, "warming": True}, ("collapse",)),
    "every temperature on the floor": ({"floor/0.2": 0.991}, {}, ("no signal",)),
    "every temperature at the limit": ({"floor/0.02": 0.99, "floor/0.2": 0.99}, {}, ()),
    "apart": ({"overlap": 0.019}, {}, ("apart",)),
    "near enough": ({"overlap": 0.02}, {}, ()),
    "all at once": (
        {"spread": 0.0, "floor/0.2": 1.0, "overlap": 0.0}, {}, ("collapse", "no signal", "apart")),
}  # fmt: skip


@check("train.alarms")
def rings(ctx: CheckContext) -> Measurement:
    """What is said of figures on both sides of every limit."""
    for what, (changed, given, wanted) in RINGS.items():
        said = alarms.alarms({**HEALTHY, **changed}, **given)
        heads = tuple(one.partition(":")[0] for one in said)
        if heads != wanted:
            return ctx.decide(False, f"{what}: {said or 'silence'}, expected {wanted or 'silence'}")
    without = alarms.alarms({"spread": 0.5, "overlap": 0.5})
    return ctx.decide(not without, f"{len(RINGS)} sets of figures ring what they must {without}")


@check("train.diagnosis")
def diagnosis(ctx: CheckContext) -> Measurement:
    """Figures of batches made by hand, whose spread, overlap, floor and entropy are known."""
    line = torch.arange(4.0)[:, None].expand(4, 3)  # samples 0, 1, 2, 3 along a diagonal
    real = torch.stack([line, line + 10])
    beside = torch.tensor([1.0, -1.0, 0.0]) * 1.5**0.5  # across, as long as neighbours are apart
    cases = {
        "the real samples": (real, {"spread": 1.0, "overlap": 1.0}),
        "half as wide": ((real - 1.5) / 2 + 1.5, {"spread": 0.5}),
        "one point": (torch.zeros_like(real) + real[:, 1:2], {"spread": 0.0, "overlap": 1.0}),
        "far away": (real + 1000, {"spread": 1.0, "overlap": 0.0}),
        "just within twice their distance": (real + 1.99 * beside, {"overlap": 1.0}),
        "just beyond it": (real + 2.01 * beside, {"overlap": 0.0}),
        "two near, two far": (
            torch.cat([real[:, :2], real[:, :2] + 1000], 1), {"overlap": 0.5}),
    }  # fmt: skip
    for what, (generated, wanted) in cases.items():
        found = alarms.diagnose(generated.flatten(0, 1).reshape(8, 3, 1, 1), _batch(real), (0.2,))
        off = {name: found[name] for name, value in wanted.items()
               if not abs(found[name] - value) < 1e-4}  # fmt: skip
        if off:
            return ctx.decide(False, f"{what}: {off}, expected {wanted}")
        if set(found) != {"spread", "overlap", "floor/0.2", "entropy/0.2"}:
            return ctx.decide(False, f"figures {', '.join(found)}")
    far = alarms.diagnose((real + 1e4).flatten(0, 1).reshape(8, 3, 1, 1), _batch(real), (0.01,))
    near = alarms.diagnose(torch.zeros(8, 3, 1, 1), _batch(torch.zeros(2, 4, 3)), (0.2,))
    known = {"floor of far samples": (far["floor/0.01"], 0.5, 1.0),
             "entropy of far samples": (far["entropy/0.01"], 0.0, 0.7),
             "floor of equal samples": (near["floor/0.2"], 0.0, 0.0),
             "entropy of equal samples": (near["entropy/0.2"], 0.9, 1.0)}  # fmt: skip
    one = torch.zeros(2, 1, 3)
    alone = alarms.diagnose(torch.zeros(2, 3, 1, 1), _batch(one), (0.2,))
    known |= {"spread of one sample": (alone["spread"], 0.0, 0.0),
              "overlap of one sample": (alone["overlap"], 1.0, 1.0)}  # fmt: skip
    uneven = torch.tensor([[[0.0], [1.0], [3.0]], [[0.0], [0.0], [0.0]]]).expand(2, 3, 3)
    pairs = float(torch.tensor(3.0).sqrt()) * 2  # of three points 1, 2 and 3 apart, in three axes
    mean = alarms._mean_pair(torch.cdist(uneven, uneven))
    known["mean distance"] = (mean, pairs / 2 - 1e-4, pairs / 2 + 1e-4)
    known |= {name: (value, held - 1e-4, held + 1e-4) for name, value, held in _by_oracle()}
    wrong = {name: value for name, (value, low, high) in known.items() if not low <= value <= high}
    return ctx.decide(not wrong, f"{len(cases)} batches by hand; {wrong or 'floors and entropies'}")


def _by_oracle() -> Iterator[tuple[str, float, float]]:
    """Floors and entropies of a drawn batch under guidance, some on the floor -> name, found, held.

    Labels, samples, unconditional samples and numbers of a sample all differ in count.
    """
    stream = torch.Generator().manual_seed(0)
    labels, generated, positives, unconditional, shape = 3, 4, 5, 2, (1, 7, 1)
    batch = StepBatch(
        labels=torch.arange(labels),
        positives=torch.randn(labels, positives, *shape, generator=stream),
        unconditional=3 * torch.randn(labels, unconditional, *shape, generator=stream),
        noise=torch.zeros(labels * generated, 1, 1, 1),
        style=torch.zeros(labels * generated, 0, dtype=torch.int64),
        alpha=torch.tensor([1.0, 2.0, 4.0]),
    )
    samples = torch.randn(labels * generated, *shape, generator=stream)
    taus = (0.2, 0.05)
    found = alarms.diagnose(samples, batch, taus)
    weight = oracle.uncond_weight(batch.alpha, generated=generated, unconditional=unconditional)
    stages = oracle.trace_loss(
        samples.reshape(labels, generated, -1),
        batch.positives.flatten(2),
        batch.unconditional.flatten(2),
        {"neg": np.repeat(weight[:, None], unconditional, axis=1)},
        temperatures=taus,
    ).stages
    targets = generated + unconditional + positives
    others = ~np.eye(generated, targets, dtype=bool)  # a sample is no target of its own
    for tau in taus:
        rows, clipped = stages[f"R{tau}/affinity_row"], stages[f"R{tau}/affinity_clipped"]
        floor = np.sqrt(oracle.AFFINITY_FLOOR)
        share = float(np.mean(clipped[:, others] <= floor * (1 + 1e-6)))
        entropy = -np.sum(rows * np.log(np.maximum(rows, 1e-300)), axis=2).mean() / np.log(targets)
        yield f"floor of a drawn batch at {tau}", found[f"floor/{tau}"], share
        yield f"entropy of a drawn batch at {tau}", found[f"entropy/{tau}"], float(entropy)


def _batch(real: Tensor) -> StepBatch:
    """Two labels, four positives each, one unconditional sample, no guidance."""
    return StepBatch(
        labels=torch.tensor([0, 1]), positives=real.reshape(2, -1, 3, 1, 1),
        unconditional=real[:, :1].reshape(2, 1, 3, 1, 1),
        noise=torch.zeros(2 * real.shape[1], 1, 1, 1),
        style=torch.zeros(2 * real.shape[1], 0, dtype=torch.int64), alpha=torch.ones(2),
    )  # fmt: skip


@check("train.field_norms")
def field_norms(ctx: CheckContext) -> Measurement:
    """The figure that falls is the mean over features, temperature by temperature."""
    metrics = {"loss_0.2/a": 1.0, "loss_0.2/b": 3.0, "loss_0.02/a": 5.0, "loss/a": 100.0,
               "loss_0.02/b": 9.0, "scale/a": 7.0}  # fmt: skip
    found = alarms.field_norms({name: torch.tensor(v) for name, v in metrics.items()}, (0.2, 0.02))
    good = found == {"field/0.2": 2.0, "field/0.02": 7.0}
    return ctx.decide(good, f"{found}, expected 2 and 7")


@mutant("train.alarms_upside_down", alarms, "alarms")
def alarms_upside_down(real: Any, figures: Mapping[str, float], **more: Any) -> Any:
    """Wide samples ring, collapsed ones do not."""
    return real({**figures, "spread": 0.2 - figures["spread"]}, **more)


@mutant("train.alarm_limit")
def alarm_limit(subject: object, name: str, value: float) -> AbstractContextManager[object]:
    """An alarm rings elsewhere, or never."""
    return patch.object(alarms, name, value)


@mutant("train.largest_field_norm", alarms, "field_norms")
def largest_field_norm(
    real: Any, metrics: Mapping[str, Tensor], taus: tuple[float, ...]
) -> dict[str, float]:
    """The largest feature stands for all."""
    return {
        f"field/{tau}": max(float(v) for n, v in metrics.items() if n.startswith(f"loss_{tau}/"))
        for tau in taus
    }


OTHER_VALUES = (
    # Distances of a sample to itself count in the mean.
    mutant(
        "train.spread_of_the_batch",
        alarms,
        _mean_pair=lambda distances: float(distances.mean()) + 1e-3,
    ),
)

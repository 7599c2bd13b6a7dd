"""What the flat, normalised loss hides: signs that a run collapses or has stopped to learn.

The loss is the mean square of a force that was normalised to one, so it does not fall. These
figures are computed once a window, without gradient, from the batch of that step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from drift import cfg, loss, trace
from drift.ranks import ALONE, Ranks
from drift.train.batch import StepBatch

FLOOR_TOLERANCE = 1.001  # an affinity within a thousandth of its floor lies on it
LEAST_SPREAD = 0.1  # of the real samples' spread
MOST_FLOOR = 0.99  # share of affinities on the floor at every temperature
LEAST_OVERLAP = 0.02  # share of generated samples nearer to a real one than real ones are


def field_norms(metrics: Mapping[str, Tensor], temperatures: tuple[float, ...]) -> dict[str, float]:
    """Mean over features of the raw force's mean square, by temperature: the figure that falls."""
    norms = {}
    for tau in temperatures:
        values = [v for name, v in metrics.items() if name.startswith(f"loss_{tau}/")]
        norms[f"field/{tau}"] = float(torch.stack(values).mean())
    return norms


@torch.no_grad()
def diagnose(
    samples: Tensor, batch: StepBatch, temperatures: tuple[float, ...], ranks: Ranks = ALONE
) -> dict[str, float]:
    """samples [B*G, C, H, W] of a step -> figures by name, those of the labels of all processes.

    spread         mean distance between generated samples of a label, over that of real ones
    overlap        share of generated samples whose nearest positive is nearer than the median
                   distance from a positive to its nearest other positive, times two
    floor/<tau>    share of affinities on the floor, self pairs left out
    entropy/<tau>  mean entropy of a sample's softmax over its targets, over its maximum
    """
    labels = len(batch.labels)
    gen = samples.reshape(labels, batch.generated, -1).float()
    pos = batch.positives.flatten(2).float()
    unc = batch.unconditional.flatten(2).float()  # of none as well
    own, real = torch.cdist(gen, gen), torch.cdist(pos, pos)
    means = {
        "own": _mean_pair(own),
        "real": _mean_pair(real),
        "overlap": _overlap(torch.cdist(gen, pos), real),
    }
    weight = cfg.uncond_weight(batch.alpha, generated=batch.generated, unconditional=unc.shape[1])
    some = slice(batch.counted)
    with trace.recording() as stages:
        loss.drift_loss(
            gen[some],
            pos[some],
            unc[some],
            weight_neg=weight[some, None].expand(-1, unc.shape[1]),
            temperatures=temperatures,
            group=ranks.group,
        )
    for tau in temperatures:
        means |= _affinity_figures(stages, tau, batch.generated)
    means = ranks.mean(means, batch.counted)
    spread = means.pop("own") / max(means.pop("real"), 1e-12)
    return {"spread": spread, **means}


def alarms(
    figures: Mapping[str, float], *, widest: float = LEAST_SPREAD, warming: bool = False
) -> list[str]:
    """Sentences about figures that a healthy run does not show.

    widest   the largest spread of earlier windows; warming: the learning rate still rises. The last
             layer begins at zero, where all samples are one: what never spread has not collapsed,
             and is worth a word only when the warm-up is over
    """
    said: list[str] = []
    if warming and widest < LEAST_SPREAD:
        return said
    if figures["spread"] < LEAST_SPREAD:
        fell = "collapse: samples of a label"
        never = "no spread yet: after the warm-up, samples of a label still"
        said.append(
            f"{fell if widest >= LEAST_SPREAD else never} spread {figures['spread']:.2f} of the "
            "real spread"
        )
    floors = [value for name, value in figures.items() if name.startswith("floor/")]
    if floors and min(floors) > MOST_FLOOR:
        said.append(f"no signal: {min(floors):.0%} of affinities lie on the floor at every tau")
    if figures["overlap"] < LEAST_OVERLAP:
        said.append(f"apart: {figures['overlap']:.0%} of generated samples are near a real one")
    return said


def _mean_pair(distances: Tensor) -> float:
    count = distances.shape[-1]
    pairs = distances.sum(dim=(-1, -2)) / max(count * (count - 1), 1)
    return float(pairs.mean())


def _overlap(to_real: Tensor, real: Tensor) -> float:
    others = real + torch.eye(real.shape[-1], device=real.device) * 1e9
    typical = others.min(-1).values.median(-1).values * 2
    return float((to_real.min(-1).values <= typical[:, None]).float().mean())


def _affinity_figures(stages: Mapping[str, Tensor], tau: float, generated: int) -> dict[str, float]:
    clipped = stages[f"step32/R{tau}/affinity_clipped"]
    rows = stages[f"step32/R{tau}/affinity_row"]
    floor = math.sqrt(1.0e-6)
    mask = torch.ones(clipped.shape[-2:], dtype=torch.bool, device=clipped.device)
    mask[:, :generated] &= ~torch.eye(generated, dtype=torch.bool, device=clipped.device)
    on_floor = (clipped <= floor * FLOOR_TOLERANCE)[:, mask].float().mean()
    entropy = -(rows * rows.clamp_min(1e-30).log()).sum(-1).mean() / math.log(rows.shape[-1])
    return {f"floor/{tau}": float(on_floor), f"entropy/{tau}": float(entropy)}

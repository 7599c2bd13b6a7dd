"""Laws that only the recorded stages can show: weights, self mask, floor; and feature losses."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from verify.api import CheckContext, Measurement, check
from verify.numeric.arrays import Array, as_array, largest, worst_of
from verify.numeric.laws import judge_law

from ..common import oracle
from ..common.draws import LossDraw, loss_draws
from .laws import inputs, temperatures

NEEDS = ("drift_loss", "recording")


def stages_of(ctx: CheckContext, given: dict[str, Array]) -> dict[str, Array]:
    """The subject's recorded stages on float64 arrays."""
    tensors = {name: torch.tensor(value) for name, value in given.items()}
    with ctx.subject.recording() as trace:
        ctx.subject.drift_loss(
            tensors.pop("gen"), tensors.pop("pos"), temperatures=temperatures(ctx), **tensors
        )
    return {name.removeprefix("step32/"): as_array(value) for name, value in trace.items()}


@check("loss.zero_weight", needs=NEEDS)
def zero_weight(ctx: CheckContext) -> Measurement:
    """alpha = 1: other samples exert no force at all, and still take part in both softmaxes."""

    def error(draw: LossDraw) -> float:
        given = inputs(draw)
        given["weight_neg"] = np.zeros_like(given["weight_neg"])
        stages = stages_of(ctx, given)
        others = slice(draw.g, draw.g + draw.n)
        errors = list[float]()
        for tau in temperatures(ctx):
            row, col = (stages[f"R{tau}/affinity_{axis}"] for axis in ("row", "col"))
            logits = -stages["dist_normed_masked"] / tau
            parts = stages[f"R{tau}/R_coeff"][..., others]
            errors += [largest(parts), largest(row - _softmax(logits, axis=2))]
            errors += [largest(col - _softmax(logits, axis=1))]
        return worst_of(errors)

    law = "a weight of zero removes the force and nothing else"
    return judge_law(ctx, loss_draws(least_negatives=1), error, law=law)


@check("loss.linear_weight", needs=NEEDS)
def linear_weight(ctx: CheckContext) -> Measurement:
    """The coefficient of a target is its affinity times w, and not times sqrt(w)."""

    def error(draw: LossDraw) -> float:
        given = inputs(draw)
        stages = stages_of(ctx, given)
        w = np.concatenate([given[f"weight_{name}"] for name in ("gen", "neg", "pos")], axis=1)
        repelling = draw.g + draw.n
        worst = 0.0
        for tau in temperatures(ctx):
            at_tau = {name: stages[f"R{tau}/{name}"] for name in STAGES}
            other = np.where(
                np.arange(w.shape[1]) >= repelling,
                at_tau["sum_neg"][..., None],
                -at_tau["sum_pos"][..., None],
            )
            effective = at_tau["R_coeff"] / (at_tau["affinity_clipped"] * other)
            worst = worst_of(
                (worst, largest((effective - w[:, None]) / np.maximum(w[:, None], 1.0)))
            )
            affinity = at_tau["affinity_clipped"] * w[:, None]
            for total, side in (("sum_neg", slice(repelling)), ("sum_pos", slice(repelling, None))):
                summed = affinity[..., side].sum(-1)
                worst = worst_of((worst, largest(at_tau[total] - summed) / largest(summed)))
        return worst

    law = "twice the weight is twice the contribution"
    return judge_law(ctx, loss_draws(least_negatives=1), error, law=law)


STAGES = ("affinity_clipped", "sum_pos", "sum_neg", "R_coeff")


@check("loss.self_mask", needs=NEEDS)
def self_mask(ctx: CheckContext) -> Measurement:
    """100 is added to the normalised distance of a generated sample to itself, and nowhere else."""

    def error(draw: LossDraw) -> float:
        stages = stages_of(ctx, inputs(draw))
        own = np.zeros_like(stages["dist"])
        own[:, range(draw.g), range(draw.g)] = ctx.params["added"]
        expected = stages["dist"] / np.maximum(stages["scale"], 1e-3) + own
        return largest(stages["dist_normed_masked"] - expected) / largest(expected)

    return judge_law(ctx, loss_draws(), error, law="only the own distance is masked")


@check("loss.affinity_floor", needs=NEEDS)
def affinity_floor(ctx: CheckContext) -> Measurement:
    """The smallest affinity of far apart samples is the square root of the stated floor."""
    floor = float(ctx.fact(ctx.params["fact"]))
    stages = stages_of(ctx, inputs(LossDraw(1, 2, 4, 4, 3, 3, 1.0, 0.0)))
    smallest = {tau: float(stages[f"R{tau}/affinity_clipped"].min()) for tau in temperatures(ctx)}
    expected = floor**0.5
    off = max(abs(value - expected) / expected for value in smallest.values())
    return ctx.judge(
        off,
        f"smallest affinities {smallest}, expected {expected:.3g}",
        details={str(tau): value for tau, value in smallest.items()},
    )


@check("loss.features", needs=("feature_loss",))
def features(ctx: CheckContext) -> Measurement:
    """Total and info of the feature loss are the oracle's, for maps and for vectors."""
    semantics = ctx.params["semantics"]

    def error(draw: LossDraw) -> float:
        gen, real, alpha = feature_maps(draw)
        call: dict[str, Any] = {
            "positives": draw.p,
            "temperatures": temperatures(ctx),
            "semantics": semantics,
        }
        tensors = [
            {name: torch.tensor(value) for name, value in side.items()} for side in (gen, real)
        ]
        total, info = ctx.subject.feature_loss(*tensors, torch.tensor(alpha), **call)
        expected, stated = oracle.feature_loss(gen, real, alpha, **call)
        if set(info) != set(stated):
            return float("inf")
        errors = [abs(float(total) - expected) / max(abs(expected), 1.0)]
        errors += [
            largest(as_array(info[key]) - value) / max(abs(value), 1e-8)
            for key, value in stated.items()
        ]
        return worst_of(errors)

    law = "one loss per name over all labels and locations"
    return judge_law(ctx, loss_draws(least_samples=2), error, law=law)


def feature_maps(draw: LossDraw) -> tuple[dict[str, Array], dict[str, Array], Array]:
    """A map of three locations of different width and a vector, for b labels; alpha of each."""
    rng = np.random.default_rng(draw.seed)
    alpha = np.concatenate([[1.0], rng.uniform(1.0, 4.0, size=draw.b - 1)])
    gen, real = {}, {}
    for name, width in (("map", np.array([1.0, 4.0, 0.3])), ("vector", np.ones(1))):
        shape = (draw.b, draw.g + draw.p + draw.n, len(width), draw.s)
        values = draw.spread * width[:, None] * rng.normal(size=shape)
        gen[name], real[name] = values[:, : draw.g], values[:, draw.g :]
    return gen, real, alpha


def _softmax(logits: Array, *, axis: int) -> Array:
    kernel = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return as_array(kernel / kernel.sum(axis=axis, keepdims=True))

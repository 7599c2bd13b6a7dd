"""Laws of the drifting loss on random clouds (paper A.6 and A.7)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from verify.api import CheckContext, Measurement, check
from verify.numeric.arrays import Array, as_array, largest, worst_of
from verify.numeric.laws import judge_law

from ..common import oracle
from ..common.draws import LossDraw, loss_draws
from ..common.plain import plain_loss

NEEDS = ("drift_loss",)
TEMPERATURES = "paper:drifting_loss.temperatures"


@dataclass(frozen=True)
class Outcome:
    """loss [B], gradient [B, G, S] of the sum of losses (None where there is none), info."""

    loss: Array
    gradient: Array | None
    info: dict[str, Array]


def run_loss(
    ctx: CheckContext, given: Mapping[str, Array | None], dtype: str = "float64", **options: Any
) -> Outcome:
    """The subject on arrays gen, pos, neg and weight_*."""
    tensors = {
        name: torch.tensor(value, dtype=getattr(torch, dtype))
        for name, value in given.items()
        if value is not None
    }
    gen = tensors.pop("gen").requires_grad_()
    loss, info = ctx.subject.drift_loss(gen, tensors.pop("pos"), **tensors, **options)
    gradient = None
    if getattr(loss, "requires_grad", False):
        loss.sum().backward()
        gradient = as_array(gen.grad)
    return Outcome(as_array(loss), gradient, {key: as_array(value) for key, value in info.items()})


def inputs(draw: LossDraw, *, weighted: bool = True) -> dict[str, Array]:
    """Clouds of a draw, with its weights."""
    return draw.clouds() | (draw.weights() if weighted else {})


def temperatures(ctx: CheckContext) -> tuple[float, ...]:
    """The set of temperatures, as the clause's fact states it."""
    return tuple(ctx.fact(TEMPERATURES))


def expected_of(
    ctx: CheckContext, given: Mapping[str, Any], semantics: str = "reference"
) -> oracle.Result:
    """The oracle on the same arrays."""
    weights = {name: given.get(f"weight_{name}") for name in ("gen", "pos", "neg")}
    return oracle.trace_loss(
        given["gen"],
        given["pos"],
        given["neg"],
        weights,
        temperatures=temperatures(ctx),
        semantics=semantics,
    )


def distance_to(expected: oracle.Result, found: Outcome) -> float:
    """Largest error of loss, force and info.

    The gradient is compared as the force it stands for, -G S c / 2 times itself, so that all parts
    are of order one; f and the scale are relative.
    """
    errors = [largest(found.loss - expected.loss)]
    if found.gradient is not None:
        _, samples, features = expected.gradient.shape
        c = float(expected.stages["scale_inputs"])
        errors.append(largest(found.gradient - expected.gradient) * samples * features * c / 2)
    for key, value in expected.info.items():
        if found.info[key].shape != ():
            return math.inf
        errors.append(largest(found.info[key] - value) / max(abs(value), 1e-8))
    return worst_of(errors)


@check("loss.oracle", needs=NEEDS)
def against_oracle(ctx: CheckContext) -> Measurement:
    """Loss, gradient and info are the oracle's, with and without weights and other samples."""
    semantics = ctx.params["semantics"]

    def error(draw: LossDraw) -> float:
        worst = 0.0
        for weighted in (False, True):
            given = inputs(draw, weighted=weighted)
            found = run_loss(
                ctx, given, ctx.params["dtype"], semantics=semantics, temperatures=temperatures(ctx)
            )
            worst = worst_of((worst, distance_to(expected_of(ctx, given, semantics), found)))
        return worst

    law = f"the loss under {semantics} semantics is the oracle's"
    conditioned = ctx.params["dtype"] == "float32"
    return judge_law(ctx, loss_draws(well_conditioned=conditioned), error, law=law)


@check("loss.batch_scale", needs=NEEDS)
def batch_scale(ctx: CheckContext) -> Measurement:
    """The scale is one weighted mean over the whole call, and the force has one norm too."""

    def error(draw: LossDraw) -> float:
        given = inputs(draw)
        for index, name in enumerate(("gen", "pos", "neg")):
            given[name] = given[name] * np.array([1.0, 8.0, 0.2])[: draw.b, None, None]
            given[name] = given[name] + index * 0.1 * draw.spread
        found = run_loss(ctx, given, temperatures=temperatures(ctx))
        x, y = given["gen"], np.concatenate([given["gen"], given["neg"], given["pos"]], axis=1)
        w = np.concatenate([given[f"weight_{name}"] for name in ("gen", "neg", "pos")], axis=1)
        distance = np.maximum(np.linalg.norm(x[:, :, None] - y[:, None], axis=-1), 1e-4)
        mean = float(np.average(distance, weights=np.broadcast_to(w[:, None], distance.shape)))
        if found.info["scale"].shape != ():
            return math.inf
        off = largest(found.info["scale"] - mean) / mean
        return worst_of((off, distance_to(expected_of(ctx, given), found)))

    law = "one scale and one norm for the whole batch, whatever the classes' widths"
    return judge_law(ctx, loss_draws(least_groups=2, least_samples=2), error, law=law)


@check("loss.permutation", needs=NEEDS)
def permutation(ctx: CheckContext) -> Measurement:
    """The order of positives and others, of generated samples and of groups does not matter."""

    def error(draw: LossDraw) -> float:
        rng = np.random.default_rng(draw.seed)
        given = inputs(draw)
        groups, order = rng.permutation(draw.b), rng.permutation(draw.g)
        orders = {"gen": order, "pos": rng.permutation(draw.p), "neg": rng.permutation(draw.n)}
        moved = {
            key: value[groups][:, orders[key.removeprefix("weight_")]]
            for key, value in given.items()
        }
        before = run_loss(ctx, given, temperatures=temperatures(ctx))
        after = run_loss(ctx, moved, temperatures=temperatures(ctx))
        error = largest(after.loss - before.loss[groups])
        if before.gradient is None or after.gradient is None:
            return error
        expected = before.gradient[groups][:, order]
        return worst_of((error, largest(after.gradient - expected) / largest(expected)))

    law = "samples and groups have no order"
    return judge_law(ctx, loss_draws(least_samples=2), error, law=law)


@check("loss.isometry", needs=NEEDS)
def isometry(ctx: CheckContext) -> Measurement:
    """Moving and rotating all samples alike leaves the loss and rotates the gradient."""

    def error(draw: LossDraw) -> float:
        rng = np.random.default_rng(draw.seed)
        given = inputs(draw)
        r, _ = np.linalg.qr(rng.normal(size=(draw.s, draw.s)))
        t = 3.0 * draw.spread * rng.normal(size=draw.s)
        moved = {k: v if k.startswith("weight_") else v @ r + t for k, v in given.items()}
        before = run_loss(ctx, given, temperatures=temperatures(ctx))
        after = run_loss(ctx, moved, temperatures=temperatures(ctx))
        error = largest(after.loss - before.loss)
        if before.gradient is None or after.gradient is None:
            return error
        expected = before.gradient @ r
        return worst_of((error, largest(after.gradient - expected) / largest(expected)))

    law = "the loss depends on the distances only"
    return judge_law(ctx, loss_draws(), error, law=law)


@check("loss.scale_invariance", needs=NEEDS)
def scale_invariance(ctx: CheckContext) -> Measurement:
    """Features times a factor: the same loss and f, the scale times it, the gradient over it."""

    def error(draw: LossDraw) -> float:
        given = inputs(draw)
        before = run_loss(ctx, given, temperatures=temperatures(ctx))
        worst = 0.0
        for factor in ctx.params["factors"]:
            scaled = {k: v if k.startswith("weight_") else v * factor for k, v in given.items()}
            after = run_loss(ctx, scaled, temperatures=temperatures(ctx))
            worst = worst_of((worst, largest(after.loss - before.loss)))
            for key, value in before.info.items():
                expected = value * (factor if key == "scale" else 1.0)
                worst = worst_of((worst, largest(after.info[key] - expected) / largest(expected)))
            if before.gradient is not None and after.gradient is not None:
                difference = after.gradient * factor - before.gradient
                worst = worst_of((worst, largest(difference) / largest(before.gradient)))
        return worst

    law = "multiplying all features by a factor leaves the loss"
    return judge_law(ctx, loss_draws(spreads=(1.0e4,)), error, law=law)


@check("loss.gradient", needs=NEEDS)
def gradient(ctx: CheckContext) -> Measurement:
    """The gradient is autograd's through x_n = gen / sg(c), and -2 force / (G S c)."""

    def error(draw: LossDraw) -> float:
        given = {key: torch.tensor(value) for key, value in inputs(draw).items()}
        clouds = [given[name].clone().requires_grad_() for name in ("gen", "pos", "neg")]
        weights = {key: value for key, value in given.items() if key.startswith("weight_")}
        loss, _ = ctx.subject.drift_loss(
            *clouds[:2], clouds[2], temperatures=temperatures(ctx), **weights
        )
        first = 1.0 + draw.seed % 2  # a half of the draws has the same for all groups
        upstream = torch.linspace(first, 2.0, draw.b, dtype=torch.float64)
        torch.autograd.backward((loss * upstream).sum())
        if any(real.grad is not None and real.grad.abs().max() > 0 for real in clouds[1:]):
            return math.inf
        gen = given["gen"].clone().requires_grad_()
        weight = torch.cat([given[f"weight_{name}"] for name in ("gen", "neg", "pos")], dim=1)
        plain = plain_loss(gen, given["pos"], given["neg"], weight, temperatures(ctx))
        torch.autograd.backward((plain * upstream).sum())
        closed = expected_of(ctx, inputs(draw)).gradient * as_array(upstream)[:, None, None]
        return worst_of(
            largest(as_array(clouds[0].grad) - as_array(reference)) / largest(reference)
            for reference in (gen.grad, closed)
        )

    probe = LossDraw(0, 1, 2, 2, 0, 2, 1.0, 0.0)
    if run_loss(ctx, inputs(probe), temperatures=temperatures(ctx)).gradient is None:
        return ctx.missing("the subject's loss carries no gradient")
    law = "the gradient is that of the regression onto a frozen target"
    return judge_law(ctx, loss_draws(), error, law=law)


@check("loss.temperature_set", needs=NEEDS)
def temperature_set(ctx: CheckContext) -> Measurement:
    """By default the temperatures are those of the cited facts, as `info` shows."""
    draw = LossDraw(0, 1, 3, 3, 2, 2, 1.0, 0.0)
    info = run_loss(ctx, inputs(draw)).info
    found = sorted(float(key.removeprefix("loss_")) for key in info if key.startswith("loss_"))
    stated = {name: sorted(ctx.fact(name)) for name in ctx.params["facts"]}
    wrong = {name: value for name, value in stated.items() if value != found}
    reason = f"default temperatures {found}" + (f", but {wrong}" if wrong else ", as stated")
    return ctx.decide(not wrong, reason, details={"found": found})


@check("loss.summed_forces", needs=NEEDS)
def summed_forces(ctx: CheckContext) -> Measurement:
    """The forces of the temperatures are normalised, added and then regressed once.

    The loss of one temperature alone is G S c^2 / 4 times the square of its gradient, which gives
    that factor; with it the loss of all temperatures follows from the sum of their gradients. The
    force of one alone has the mean square f / max(f, 1e-8).
    """

    def error(draw: LossDraw) -> float:
        given = inputs(draw)
        single = [run_loss(ctx, given, temperatures=(tau,)) for tau in temperatures(ctx)]
        gradients = [one.gradient for one in single if one.gradient is not None]
        together = run_loss(ctx, given, temperatures=temperatures(ctx))
        per_square = single[0].loss.sum() / np.sum(gradients[0] ** 2)
        expected = np.sum(np.sum(gradients, axis=0) ** 2, axis=(1, 2)) * per_square
        norms = []
        for tau, one in zip(temperatures(ctx), single, strict=True):
            f = float(np.mean(one.info[f"loss_{tau}"]))
            norms.append(abs(float(one.loss.mean()) - f / max(f, 1e-8)))
        return worst_of((largest(together.loss - expected), *norms))

    probe = LossDraw(0, 1, 2, 2, 0, 2, 1.0, 0.0)
    if run_loss(ctx, inputs(probe), temperatures=temperatures(ctx)).gradient is None:
        return ctx.missing("the subject's loss carries no gradient")
    law = "the loss is the mean square of the summed forces, each of mean square one"
    return judge_law(ctx, loss_draws(least_samples=2), error, law=law)


@check("loss.full_precision", needs=NEEDS)
def full_precision(ctx: CheckContext) -> Measurement:
    """bfloat16 and float16 inputs inside autocast: bit for bit the float32 loss of the inputs."""
    draw = LossDraw(3, 2, 8, 8, 4, 16, 1.0, 1.0)
    problems = []
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        low = {k: torch.tensor(v).to(dtype) for k, v in inputs(draw).items()}
        plain = {k: v.to(torch.float32) for k, v in low.items()}
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found, info = ctx.subject.drift_loss(low.pop("gen"), low.pop("pos"), **low)
        expected, stated = ctx.subject.drift_loss(plain.pop("gen"), plain.pop("pos"), **plain)
        same = [np.array_equal(as_array(info[key]), as_array(stated[key])) for key in stated]
        if not (np.array_equal(as_array(found), as_array(expected)) and all(same)):
            off = largest(as_array(found) - as_array(expected))
            problems.append(f"{dtype}: the loss differs by {off:.3g}")
    good = "three input types inside autocast give the float32 loss exactly"
    return ctx.decide(not problems, problems[0] if problems else good)

"""Ratios of two ways to compute the same thing, timed in pairs within one process.

A ratio is the plain way's time over ours. The two are timed in turn, the order changing from pair
to pair. What is counted is processor time of one thread, which other programs hardly change. Before
anything is timed, both ways have to agree.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

from drift.config import load_template
from drift.loss import drift_loss
from drift.queue import SampleQueue
from verify.api import CheckContext, Measurement, check

from ..common.plain import plain_loss

AGREEMENT = 2.0e-3  # float32, of the largest entry: both round differently
WARM_UP = 2


@check("speed.loss")
def loss(ctx: CheckContext) -> Measurement:
    """The loss with its closed-form gradient against autograd through the pairwise differences.

    params: groups, generated, positives, negatives, features, calls, pairs.
    """
    shape = {name: int(ctx.params[name]) for name in ("groups", "features")}
    stream = torch.Generator().manual_seed(ctx.seed)
    clouds = [
        torch.randn((shape["groups"], int(ctx.params[name]), shape["features"]), generator=stream)
        for name in ("generated", "positives", "negatives")
    ]
    gen, pos, neg = clouds
    temperatures = load_template("latent-b2").loss.temperatures
    weight = torch.ones(shape["groups"], sum(cloud.shape[1] for cloud in clouds))

    def ours() -> Tensor:
        x = gen.clone().requires_grad_()
        return _grad(drift_loss(x, pos, neg, temperatures=temperatures)[0], x)

    def plain() -> Tensor:
        x = gen.clone().requires_grad_()
        return _grad(plain_loss(x, pos, neg, weight, temperatures), x)

    one, two = ours(), plain()
    off = float((one - two).abs().max() / two.abs().max())
    if not off <= AGREEMENT:
        return ctx.decide(False, f"the two gradients differ by {off:.2g} of the largest entry")
    ratios = _pairs(ours, plain, int(ctx.params["pairs"]), int(ctx.params["calls"]))
    details = {"ratios": ratios, "agreement": off}
    return ctx.decide(True, f"{len(ratios)} pairs, gradients agree to {off:.1g}", details=details)


@check("speed.queue")
def queue(ctx: CheckContext) -> Measurement:
    """Push and draw of a full queue against one deque of tensors a class, as full.

    params: classes, capacity, features, pushed, labels, drawn, calls, pairs.
    """
    p = {name: int(value) for name, value in ctx.params.items()}
    stream = torch.Generator().manual_seed(ctx.seed)
    everything = torch.arange(p["classes"]).repeat(p["capacity"])
    filling = torch.randn((len(everything), p["features"]), generator=stream)
    bank = SampleQueue(p["classes"], p["capacity"])
    bank.push(filling, everything)
    plain_bank = [deque(filling[c :: p["classes"]], p["capacity"]) for c in range(p["classes"])]
    fresh = torch.randn((p["pushed"], p["features"]), generator=stream)
    labels = torch.randint(p["classes"], (p["pushed"],), generator=stream)
    wanted = torch.randint(p["classes"], (p["labels"],), generator=stream)
    draws = random.Random(ctx.seed)

    def ours() -> Tensor:
        bank.push(fresh, labels)
        return bank.sample(wanted, p["drawn"], generator=stream)

    def plain() -> Tensor:
        for sample, label in zip(fresh, labels.tolist(), strict=True):
            plain_bank[label].append(sample.clone())
        rows = [draws.sample(list(plain_bank[c]), p["drawn"]) for c in wanted.tolist()]
        return torch.stack([torch.stack(row) for row in rows])

    one, two = ours(), plain()
    if one.shape != two.shape or not bool(torch.isfinite(one).all()):
        return ctx.decide(False, f"draws of shape {tuple(one.shape)} and {tuple(two.shape)}")
    ratios = _pairs(ours, plain, p["pairs"], p["calls"])
    details = {"ratios": ratios}
    return ctx.decide(True, f"{len(ratios)} pairs, draws of one shape", details=details)


def _pairs(
    ours: Callable[[], Tensor], plain: Callable[[], Tensor], count: int, calls: int
) -> list[float]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    ratios = []
    for number in range(WARM_UP + count):
        first, second = (ours, plain) if number % 2 else (plain, ours)
        times = {one: _seconds(one, calls) for one in (first, second)}
        ratios.append(times[plain] / times[ours])
    torch.set_num_threads(threads)
    return ratios[WARM_UP:]


def _seconds(function: Callable[[], Tensor], calls: int) -> float:
    began = time.process_time()
    for _ in range(calls):
        function()
    return time.process_time() - began


def _grad(loss: Tensor, x: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(loss.sum(), x)
    return found

"""Checks of where numbers lie: with their inputs, whatever torch's default device is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from drift import field, loss
from drift.encoder import masking
from drift.queue import SampleQueue
from drift.sample import sampler
from drift.train import alarms
from verify.api import CheckContext, Measurement, check, mutant

from ..common.rows import Row, judge_rows
from ..metrics import cases

Found = list[Tensor]


@check("train.default_device")
def default_device(ctx: CheckContext) -> Measurement:
    """The same numbers where whatever names no device is made on one that keeps no numbers."""
    return judge_rows(ctx, _rows(), "computations that stay where their inputs are")


def _rows() -> Iterator[Row]:
    drawn = torch.Generator().manual_seed(0)
    x, y, z = (torch.randn(2, 3, 4, generator=drawn) for _ in range(3))
    images = torch.randn(4, 1, 8, 8, generator=drawn)
    yield _same(
        "a field", lambda: [field.drifting_field(x[0], y[0], x[0], temperature=0.2, mask_self=True)]
    )
    for semantics in ("reference", "paper"):
        yield _same(f"a loss, {semantics}", partial(_loss, x, y, z, semantics))
    yield _same("samples", partial(_samples, cases.generator(), images))
    yield _same("a mask", lambda: [masking.mask_from_uniform(x.sigmoid(), 0.5, patch=2)])
    yield _same("figures", partial(_figures, x, y))
    yield _same("inputs of a sample", lambda: [*sampler.inputs_of(cases.generator().config, 3, 5)])
    yield _same("a drawn mask", _mask)
    yield _same("a queue", partial(_queue, x[0]))


def _same(name: str, call: Callable[[], Found]) -> Row:
    def told() -> object:
        plain = call()
        try:
            with torch.device("meta"):
                found = call()
        except RuntimeError as error:  # what lies elsewhere is added to what does not
            return str(error)
        if any(one.is_meta for one in found):
            return "it lies elsewhere"
        return len(plain) == len(found) > 0 and all(map(torch.equal, plain, found))

    return name, told, True


def _loss(x: Tensor, y: Tensor, z: Tensor, semantics: str) -> Found:
    gen = x.clone().requires_grad_()
    value, info = loss.drift_loss(gen, y, z, semantics=semantics)
    return [value.detach(), *torch.autograd.grad(value.sum(), gen), *info.values()]


def _samples(model: Any, noise: Tensor) -> Found:
    labels, alpha = (torch.tensor(given, device="cpu") for given in ([0, 1, 2, 3], [1.0] * 4))
    style = labels.new_zeros(4, model.config.style_tokens)
    return [model(noise, labels, alpha, style).detach()]


def _mask() -> Found:
    drawn = torch.Generator().manual_seed(0)
    return [masking.draw_mask(2, (4, 4), ratio=(0.2, 0.8), patch=2, generator=drawn, device="cpu")]


def _queue(rows: Tensor) -> Found:
    """What is pushed after a queue was made, and drawn out of it."""
    held = SampleQueue(2, 4)
    labels = torch.tensor([0, 1, 1], device="cpu")
    held.push(rows, labels)
    sampled = held.sample(labels, 1, generator=torch.Generator().manual_seed(0))
    again = SampleQueue(2, 4)
    again.load_state_dict(held.state_dict())
    return [sampled, held.counts, held.pointers, again.pointers]


def _figures(x: Tensor, y: Tensor) -> Found:
    """Overlap, floor and entropy of a step."""
    affinities = torch.cdist(x, torch.cat([x, y], 1)).sigmoid()
    names = (f"step32/R0.2/affinity_{name}" for name in ("clipped", "row"))
    figures = alarms._affinity_figures(dict.fromkeys(names, affinities), 0.2, x.shape[1])
    figures["overlap"] = alarms._overlap(torch.cdist(x, y), torch.cdist(y, y))
    return [x.new_tensor(list(figures.values()))]


@mutant("train.mask_on_the_default_device", masking, "mask_from_uniform")
def mask_on_the_default_device(real: Any, uniform: Tensor, ratio: Any, *, patch: int) -> Any:
    """Shares are put where torch puts what names no device."""
    return real(uniform, torch.as_tensor(ratio), patch=patch).to(torch.get_default_device())


@mutant("train.own_on_the_default_device", field, "mask_own")
def own_on_the_default_device(real: Any, dist: Tensor) -> Any:
    """The diagonal is made where torch makes what names no device."""
    return dist + torch.eye(len(dist)) * field.SELF_MASK

"""Checks of memory that is allocated: filled with NaN, nothing is read before it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, product
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from drift import clouds, loss, target
from drift.config import load_template
from drift.encoder import EncoderConfig, MaskedAutoencoder, initialise
from drift.features import FeatureExtractor
from drift.queue import SampleQueue
from drift.train import build
from verify.api import CheckContext, Measurement, check, mutant

from ..common.rows import Row, judge_rows
from ..generator.limits import nans_allocated, not_drawn

SMALL: dict[str, Any] = {"base_channels": 32, "num_classes": 10}
SHAPES = (
    (1, 2, 2, 0, 1),
    (3, 4, 5, 2, 7),
    (5, 2, 3, 1, 3),
)  # groups, samples, real ones, others, S


@check("train.filled")
def filled(ctx: CheckContext) -> Measurement:
    """Encoders of every shape are drawn whole; losses, features and queues give the same twice."""
    return judge_rows(ctx, chain(_encoders(), _losses(), _queues(), _features()), "allocations")


def _encoders() -> Iterator[Row]:
    for channels, trunk, blocks, patch_size in product(
        (1, 4), (True, False), ((1, 1, 1, 1), (2, 1, 1, 2)), (1, 2)
    ):
        config = EncoderConfig(
            **SMALL, in_channels=channels, blocks=blocks, input_patch=patch_size, trunk_only=trunk
        )
        with nans_allocated():
            model = MaskedAutoencoder(config, generator=torch.Generator().manual_seed(1))
        yield f"encoder {channels} {trunk} {blocks} {patch_size}", partial(not_drawn, model), []


def _twice(name: str, call: Callable[[], list[Tensor]]) -> Row:
    """The same numbers, all of them finite, whatever lay in memory before."""

    def told() -> tuple[bool, bool]:
        plain = call()
        with nans_allocated():
            found = call()
        same = all(map(torch.equal, plain, found)) and len(plain) == len(found)
        return same, all(bool(one.isfinite().all()) for one in found)

    return name, told, (True, True)


def _losses() -> Iterator[Row]:
    """Forces in many pieces and in one, with and without other samples, in both semantics."""
    for (groups, samples, real, others, width), semantics, slab in product(
        SHAPES, ("reference", "paper"), (1, target.SLAB_BYTES)
    ):

        def call(shape: Any = (groups, samples, real, others, width),
                 semantics: str = semantics, slab: int = slab) -> list[Tensor]:  # fmt: skip
            b, g, p, n, s = shape
            drawn = torch.Generator().manual_seed(b)
            gen = torch.randn(b, g, s, generator=drawn, requires_grad=True)
            pos = torch.randn(b, p, s, generator=drawn)
            neg = torch.randn(b, n, s, generator=drawn) if n else None
            with patch.object(target, "SLAB_BYTES", slab):
                value, info = loss.drift_loss(gen, pos, neg, semantics=semantics)
                (gradient,) = torch.autograd.grad(value.sum(), gen)
            return [value.detach(), gradient, *info.values()]

        yield _twice(f"loss of {groups} groups, {semantics}, slabs of {slab}", call)


def _queues() -> Iterator[Row]:
    def call() -> list[Tensor]:
        queue = SampleQueue(3, 4)
        labels = torch.tensor([0, 2, 1, 0, 0, 2, 1, 0, 0])
        queue.push(torch.arange(18.0).reshape(9, 2), labels)
        drawn = torch.Generator().manual_seed(2)
        slots = queue.slots(torch.tensor([0, 2]), 2, generator=drawn)
        held = queue.state_dict()
        return [queue.gather(torch.tensor([0, 2]), slots), held["ptr"], held["count"]]

    yield _twice("a queue", call)


def _features() -> Iterator[Row]:
    template = load_template("digits")
    config = EncoderConfig(**SMALL, in_channels=1, blocks=(1, 1, 1, 1))
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(5))

    def call() -> list[Tensor]:
        encoder = MaskedAutoencoder(config, generator=torch.Generator().manual_seed(1))
        extractor = FeatureExtractor(encoder, config=build.feature_config(template))
        found: dict[str, Tensor] = extractor(images)
        return [found[name].detach() for name in sorted(found)]

    yield _twice("features", call)


@mutant("train.kernels_not_drawn", initialise, "lecun_normal_")
def kernels_not_drawn(real: Any, weight: Tensor, generator: Any) -> None:
    """Kernels are left as they were allocated."""


@mutant("train.side_not_filled", clouds, "centred")
def side_not_filled(real: Any, call: clouds.Clouds) -> clouds.Centred:
    """The last sample of the clouds is left as it was allocated."""
    found: clouds.Centred = real(call)
    found.targets[:, -1] = torch.empty_like(found.targets[:, -1])
    return found

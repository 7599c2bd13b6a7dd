"""Checks of what a run has to beat: Gaussians of each class, a loss on pixels, and their words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from functools import partial
from itertools import chain
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from drift.data.source import TensorSource
from drift.evaluate import baselines, comparison
from drift.evaluate.baselines import Conditions
from drift.evaluate.figures import Figure
from drift.evaluate.real import RealSet
from drift.train import build, draw, step
from verify.api import CheckContext, Measurement, check, mutant

from ..common.rows import Row, judge_rows
from .pictured import pictured
from .resamples import near

MADE = Conditions(steps=2, count=7, run_seed=3, seed=5, alpha=1.5, ema_decay=0.9)


@check("metrics.rivals")
def rivals(ctx: CheckContext) -> Measurement:
    """Gaussians drawn again by hand, a training that is counted, and how rivals are recorded."""
    rows = chain(_gaussians(), _trained(), _compared(), pictured(_real(), _figure))
    return judge_rows(ctx, rows, "facts of rivals")


def _real() -> RealSet:
    drawn = torch.Generator().manual_seed(0)
    labels = torch.arange(30) % 3
    samples = torch.randn(30, 1, 2, 2, generator=drawn) * 0.2 + labels.reshape(-1, 1, 1, 1)
    part = TensorSource(samples, labels, 3)
    return RealSet("blobs", "0" * 64, ("a", "b", "c"), part, part)


def _row(name: str, call: Any, wanted: Any, by: float = 1e-5) -> Row:
    rows = np.asarray(wanted).tolist()
    return name, lambda: near(np.asarray(call()).tolist(), rows, by=by), rows


def _by_hand(real: RealSet, independent: bool) -> Tensor:
    """One class after the other from one stream; a covariance over n - 1, or its diagonal."""
    stream = torch.Generator().manual_seed(9)
    found = torch.zeros(8, 4, dtype=torch.float64)
    for label in range(3):
        rows = real.training.samples[real.training.labels == label].flatten(1).double()
        covariance = torch.from_numpy(np.cov(rows.T.numpy())) + 1e-6 * torch.eye(4).double()
        if independent:
            covariance = torch.diag(torch.diag(covariance))
        places = range(label, 8, 3)
        drawn = torch.randn(len(places), 4, generator=stream).double()
        root = torch.linalg.cholesky(covariance)
        found[list(places)] = rows.mean(0) + drawn @ root.T
    return found


def _gaussians() -> Iterator[Row]:
    real = _real()

    def made(count: int = 8, **more: Any) -> tuple[Tensor, Tensor]:
        stream = torch.Generator().manual_seed(9)
        return baselines.class_gaussians(count, generator=stream, real=real, **more)

    samples, labels = made()
    told = (tuple(samples.shape), samples.dtype, labels.tolist())
    yield "samples", lambda: told, ((8, 1, 2, 2), torch.float32, [0, 1, 2, 0, 1, 2, 0, 1])
    for independent in (False, True):
        found = made(independent=independent)[0].flatten(1)
        wanted = _by_hand(real, independent)
        yield _row(f"independent {independent}", partial(np.asarray, found), wanted.numpy())
    usual = partial(np.asarray, samples.flatten(1))
    yield _row("as usual", usual, _by_hand(real, False).numpy())
    with patch.object(baselines, "embedded", lambda name: replace(real, classes=(name,))):
        default = baselines.class_gaussians(3, generator=torch.Generator())
    yield "by default", lambda: (default[1].tolist(), default[0].isfinite().all().item()), (
        [0, 0, 0], True
    )  # fmt: skip
    yield from _wide(real)
    one = real.of_class(0)[:1].double()
    for independent in (False, True):
        alone = baselines._gaussian(one, 5, torch.Generator(), independent=independent)
        yield _row(f"a single image {independent}", partial(np.asarray, alone),
                   one.expand(5, -1).numpy(), by=5e-3)  # fmt: skip
    pair = real.of_class(0)[:2].double()
    for most, independent in ((3, False), (3, True), (4, False), (4, True)):
        with patch.object(baselines, "MOST_SQUARED", most):
            two = baselines._gaussian(
                pair, 40_000, torch.Generator().manual_seed(1), independent=independent
            )
        spread, drawn = (np.cov(one.T.numpy()) for one in (pair, two))
        if independent:
            spread, drawn = np.diag(np.diag(spread)), np.diag(np.diag(drawn))
        share = partial(np.divide, drawn, spread.max())
        yield _row(f"two images, {most}, {independent}", share, spread / spread.max(), by=0.05)
    constants = baselines.RIDGE, baselines.MOST_SQUARED
    yield "constants", lambda: constants, (1e-6, 1024)


def _wide(real: RealSet) -> Iterator[Row]:
    """Of many values no covariance is formed: images are mixed, or variances scale each value."""
    rows = real.of_class(1).double()
    n = len(rows)
    for most in (3, 4):
        with patch.object(baselines, "MOST_SQUARED", most):
            both = [
                baselines._gaussian(rows, 6, torch.Generator().manual_seed(2), independent=alone)
                for alone in (False, True)
            ]
        stream = torch.Generator().manual_seed(2)
        plain = torch.randn(6, n if most == 3 else 4, generator=stream).double()
        scale = (rows.var(0) + 1e-6).sqrt()
        covariance = torch.from_numpy(np.cov(rows.T.numpy())) + 1e-6 * torch.eye(4).double()
        mixing = (rows - rows.mean(0)) / (n - 1) ** 0.5
        whole = plain @ (mixing if most == 3 else torch.linalg.cholesky(covariance).T)
        again = torch.randn(6, 4, generator=torch.Generator().manual_seed(2)).double()
        for name, found, wanted in (
            ("whole", both[0], whole),
            ("variances", both[1], again * scale),
        ):
            moved = (rows.mean(0) + wanted).numpy()
            yield _row(f"{name} of more than {most}", partial(np.asarray, found), moved, by=1e-9)


class _Cut(tuple[Any, ...]):
    """A template with other settings."""

    generator = SimpleNamespace(num_classes=3)


class _Training:
    """The parts of a training, each of which notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.step, self.ema, self.held = 0, {0.9: {"w": 2.0}}, None

    def state_dict(self) -> dict[str, float]:
        return {"w": 1.0, "fixed": 0.0}

    def load_state_dict(self, held: Any) -> None:
        self.held = held

    def made(self, cut: Any, *, seed: int) -> _Training:
        self.asked.append((cut, seed))
        return self

    def create(self, *given: Any) -> _Training:
        self.asked.append(given)
        return self

    def warm_up(self, feed: Any, cut: Any) -> None:
        self.asked.append(("warm", feed))

    def train_step(self, state: Any, batch: Any) -> None:
        self.asked.append(batch)
        self.step += 1

    def all(self, labels: Tensor, *, alpha: float, seed: int) -> object:
        return self.held, alpha, seed

    @contextmanager
    def planted(self) -> Iterator[None]:
        """These parts in place of the engine's."""
        with ExitStack() as stack:
            for owner, name, part in (
                (build, "override", lambda template, settings: _Cut((template, settings))),
                (build, "generator", self.made), (build, "feature_config", lambda cut: "features"),
                (build, "train_config", lambda cut: "settings"),
                (baselines, "FeatureExtractor", lambda encoder, config: (encoder, config)),
                (step.TrainState, "create", self.create), (draw, "warm_up", self.warm_up),
                (draw, "open_feed", lambda cut, source, seed: ("feed", source, seed)),
                (draw, "draw", lambda feed, cut, seed, step: (feed, seed, step)),
                (step, "train_step", self.train_step), (baselines, "Sampler", lambda model: self),
            ):  # fmt: skip
                stack.enter_context(patch.object(owner, name, part))
            yield


def _run(made: Conditions) -> tuple[Any, list[int], _Training, list[int]]:
    training, steps = _Training(), list[int]()
    template: Any = "t"
    source: Any = "source"
    encoder: Any = "encoder"
    with training.planted():
        samples, labels = baselines.raw_pixels(template, source, encoder, made, steps.append)
    return samples, labels.tolist(), training, steps


def _trained() -> Iterator[Row]:
    """As many steps as the run, its seed, the raw sample alone, the average that is asked for."""
    samples, labels, training, steps = _run(MADE)
    feed = ("feed", "source", 3)
    cut = ("t", ("loss.feature_taps=none", "loss.vanilla_term=normalised"))
    begun = [(_Cut(cut), 3), (training, ("encoder", "features"), "settings"), ("warm", feed)]
    yield "parts", lambda: training.asked, [*begun, (feed, 3, 0), (feed, 3, 1)]
    yield "steps", lambda: steps, [1, 2]
    yield "labels in turn", lambda: labels, [0, 1, 2, 0, 1, 2, 0]
    yield "the average", lambda: samples, ({"w": 2.0, "fixed": 0.0}, 1.5, 5)
    raw = _run(replace(MADE, ema_decay=None))[0]
    yield "raw weights", lambda: raw, (None, 1.5, 5)


def _figure(low: float, high: float, better: str = "lower") -> Figure:
    return Figure(value=(low + high) / 2, low=low, high=high, interval="i", definition="d",
                  count=3, better=better)  # fmt: skip


def _compared() -> Iterator[Row]:
    real, asked = _real(), list[Any]()
    figures = {name: _figure(1.0, 2.0) for name in (*comparison.COMPARED, "fid_pixel")}
    kept = {"fid_proxy/mu": 1, "fid_proxy/reference_mu": 2, "fid_pixel/x": 3, "coverage/hits": 4}

    def evaluated(pixels: Tensor, labels: Tensor, *, encoded: Any, seed: int) -> object:
        asked.append(
            (tuple(pixels.shape), pixels.dtype, labels.tolist(), encoded.real is real, seed)
        )
        return SimpleNamespace(figures=figures, components=kept)

    def trained(*given: Any) -> tuple[Tensor, Tensor]:
        asked.append(given)
        return raw

    encoded: Any = SimpleNamespace(real=real, encoder="encoder")
    raw = (torch.zeros(7, 1, 2, 2), torch.arange(7) % 3)
    with (
        patch.object(comparison, "evaluate_pixels", evaluated),
        patch.object(baselines, "raw_pixels", trained),
    ):
        template: Any = "t"
        listen: Any = "listen"
        found = comparison.rivals(template, encoded, MADE, listen)
    yield "what is trained", lambda: asked[0], ("t", real.training, "encoder", MADE, "listen")
    labels = [0, 1, 2, 0, 1, 2, 0]
    yield "all alike", lambda: asked[1:], [((7, 1, 2, 2), torch.uint8, labels, True, 5)] * 3
    names = [comparison.RAW, comparison.INDEPENDENT, comparison.GAUSSIANS]
    yield "names", lambda: [one.name for one in found], names
    yield "made", lambda: [one.made for one in found], [asdict(MADE), {"seed": 5}, {"seed": 5}]
    yield "figures", lambda: [list(one.figures) for one in found], [list(comparison.COMPARED)] * 3
    yield "kept", lambda: dict(found[0].components), {"fid_proxy/mu": 1, "coverage/hits": 4}
    for n, independent in ((1, True), (2, False)):
        stream = torch.Generator().manual_seed(5)
        drawn, _ = baselines.class_gaussians(
            7, generator=stream, independent=independent, real=real
        )
        levels = ((drawn.clamp(-1, 1) + 1) * 127.5).to(torch.uint8)
        off = int((found[n].pixels.int() - levels.int()).abs().max())
        yield f"drawn, {names[n]}", partial(lambda off: off <= 1, off), True
    ours = {name: _figure(3.0, 4.0) for name in comparison.COMPARED} | {
        "coverage": _figure(0.0, 0.5)
    }  # fmt: skip
    said = dict.fromkeys(comparison.COMPARED, "worse") | {"coverage": "better"}
    yield "against one", lambda: comparison.verdicts(ours, found[0]), said
    record = comparison.recorded(ours, found)
    yield "against all", lambda: record["against"], dict.fromkeys(names, said)
    metrics = {name: figures[name].as_dict() for name in comparison.COMPARED}
    yield "recorded", lambda: record["baselines"], {
        names[0]: {**asdict(MADE), "metrics": metrics}, names[1]: {"seed": 5, "metrics": metrics},
        names[2]: {"seed": 5, "metrics": metrics},
    }  # fmt: skip
    wanted = {f"baselines/{name}/{key}": value for name in names
              for key, value in (("fid_proxy/mu", 1), ("coverage/hits", 4))}  # fmt: skip
    yield "components", lambda: comparison.components(found), wanted


@mutant("metrics.gaussians_of_all", RealSet, "of_class")
def gaussians_of_all(real: Any, self: RealSet, label: int) -> Tensor:
    """One Gaussian for all classes."""
    return self.training.samples.flatten(1)


@mutant("metrics.rivals_unseeded", comparison, "_measured")
def rivals_unseeded(real: Any, name: str, samples: Any, labels: Any, encoded: Any, seed: int,
                    made: Any) -> Any:  # fmt: skip
    """Rivals are measured with another seed than the run."""
    return real(name, samples, labels, encoded, seed + 1, made)

"""Samples: which weights, which draws, how many passes, and the pipeline in diffusers' manner."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from drift import rng
from drift.errors import DriftError
from drift.generator import Generator
from drift.sample import loading, sampler
from verify.api import CheckContext, Measurement, check
from verify.numeric.arrays import worst_of

from ..common.places import folder
from . import cases

COUNT = 48


def _labels() -> Tensor:
    return sampler.cycled(range(10), COUNT)


@check("metrics.averaged_weights")
def averaged_weights(ctx: CheckContext) -> Measurement:
    """By default the named average, raw weights only where asked for, and the origin says which."""
    wanted = ctx.fact("reference:evaluation.weights")
    with folder() as place:
        run = cases.run_folder(place / "run", steps=(3, 10))
        expected = {("ema", "0.9"): 11, ("ema", "0.99"): 12, ("raw", None): 10}
        for (weights, decay), seed in expected.items():
            asked: dict[str, Any] = {} if weights == wanted else {"weights": weights}
            try:
                found = loading.load(run, ema_decay=decay, **asked)
            except DriftError as error:
                return ctx.decide(False, f"{weights} {decay}: {error}")
            same = _same(found.generator, cases.generator(seed))
            said = (found.origin.weights, found.origin.ema_decay)
            if not same or said != (weights, decay):
                return ctx.decide(
                    False, f"{weights} {decay}: the parameters are "
                    f"{'' if same else 'not '}these, the origin says {said}",
                )  # fmt: skip
        if not _refused(run):
            return ctx.decide(False, "two averages, none named: one of them was taken silently")
    return ctx.decide(True, "averages by name, raw weights only on request, both recorded")


def _same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def _refused(run: object) -> bool:
    try:
        loading.load(str(run))
    except DriftError as error:
        return "0.9, 0.99" in str(error)
    return False


@check("metrics.style_codes")
def style_codes(ctx: CheckContext) -> Measurement:
    """Every code of every table is drawn about equally often: largest deviation in sigmas."""
    if ctx.fact("reference:generator.style_draw") != "uniform":
        return ctx.decide(False, "the fact is no longer `uniform`")
    config, count = cases.generator().config, 1600
    seen: list[Tensor] = []
    model = _Recording(cases.generator(), seen)
    sampler.Sampler(model.generator, batch_size=160).all(
        sampler.cycled(range(10), count), alpha=1.0, seed=ctx.seed
    )
    codes = torch.cat(seen)
    if codes.shape != (count, config.style_tokens):
        return ctx.decide(False, f"styles of shape {tuple(codes.shape)}")
    share = 1.0 / config.style_codes
    sigma = (count * share * (1.0 - share)) ** 0.5
    held = torch.stack([(codes == code).sum(0) for code in range(config.style_codes)])
    worst = float((held - count * share).abs().max()) / sigma
    distinct = len(torch.unique(codes, dim=0))
    return ctx.judge(
        worst, f"{distinct} styles in {count} samples, counts off by {worst:.2g} sigma at most"
    )


class _Recording:
    """The styles that reach a generator."""

    def __init__(self, generator: Generator, seen: list[Tensor]) -> None:
        def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen.append(inputs[3].clone())

        generator.register_forward_pre_hook(keep)
        self.generator = generator


@check("metrics.one_pass")
def one_pass(ctx: CheckContext) -> Measurement:
    """Rows that went through the network for each sample, counted outside of the sampler."""
    generator = cases.generator()
    rows = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal rows
        rows += len(output)

    generator.register_forward_hook(count)
    drawn = sampler.Sampler(generator, batch_size=7)
    try:
        drawn.all(_labels(), alpha=2.0, seed=ctx.seed)
    except DriftError as error:
        return ctx.decide(False, f"{rows} rows: {error}")
    stated = drawn.passes
    return ctx.decide(
        rows == stated == COUNT, f"{rows} rows for {COUNT} samples, the sampler states {stated}"
    )


@check("metrics.batch_independence")
def batch_independence(ctx: CheckContext) -> Measurement:
    """Sample i is the same in batches of 1, 7 and 48, alone, and after a restart in the middle."""
    generator, labels = cases.generator(), _labels()
    whole = sampler.Sampler(generator, batch_size=COUNT).all(labels, alpha=2.0, seed=ctx.seed)
    worst = 0.0
    for size in (1, 7):
        found = sampler.Sampler(generator, batch_size=size).all(labels, alpha=2.0, seed=ctx.seed)
        worst = worst_of((worst, float((found - whole).abs().max())))
    part = sampler.Sampler(generator).all(labels[20:], alpha=2.0, seed=ctx.seed, first=20)
    worst = worst_of((worst, float((part - whole[20:]).abs().max())))
    other = sampler.Sampler(generator).all(labels, alpha=2.0, seed=ctx.seed + 1)
    alike = int((other - whole).flatten(1).abs().amax(1).lt(1e-4).sum())
    distinct = float(torch.cdist(whole.flatten(1), whole.flatten(1)).fill_diagonal_(9.0).min())
    if alike or distinct < 1e-4:
        return ctx.decide(False, f"{alike} samples do not depend on the seed, or two are the same")
    return ctx.judge(worst, f"largest difference {worst:.3g}")


@check("metrics.pipeline")
def pipeline(ctx: CheckContext) -> Measurement:
    """save_pretrained and from_pretrained give back the same samples, which are the sampler's."""
    from drift.sample import pipeline as module

    DriftPipeline: Any = module.DriftPipeline
    labels = [3, 1, 4, 1]
    with folder() as place:
        built = DriftPipeline(module.DriftTransformer.wrapping(cases.generator()))
        built.save_pretrained(place / "saved")
        loaded = DriftPipeline.from_pretrained(place / "saved", low_cpu_mem_usage=False)
    streams = [rng.stream(ctx.seed, sampler.PURPOSE, index) for index in range(len(labels))]
    found = loaded(labels, 2.0, streams, "latent").images
    direct = sampler.Sampler(cases.generator(), batch_size=len(labels)).all(
        torch.tensor(labels), alpha=2.0, seed=ctx.seed
    )
    one = torch.Generator().manual_seed(ctx.seed)
    again = built(labels, 2.0, one, "latent").images
    repeated = loaded(labels, 2.0, torch.Generator().manual_seed(ctx.seed), "latent").images
    return ctx.decide(
        torch.equal(found, direct) and torch.equal(again, repeated),
        f"against the sampler {float((found - direct).abs().max()):.3g}, after the round trip "
        f"{float((again - repeated).abs().max()):.3g}; expected 0",
    )

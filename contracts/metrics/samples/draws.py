"""Samples: which weights, which draws, how many passes, and the pipeline in diffusers' manner.

The realistic mistakes stand below the checks; each changes the engine in place and undoes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from drift import rng
from drift.errors import DriftError
from drift.generator import Generator, GeneratorConfig
from drift.sample import loading, sampler
from verify.api import CheckContext, Measurement, check, mutant
from verify.numeric.arrays import worst_of

from ...common.places import folder
from .. import cases

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


# -- what must turn them red ----------------------------------------------------------------------

Patched = AbstractContextManager[Any]


# The averages are loaded and not used.
raw_weights = mutant("metrics.raw_weights", loading, averaged=lambda kept, ema_decay: {})


@mutant("metrics.any_average", loading, "averaged")
def any_average(real: Any, kept: Any, ema_decay: Any) -> Any:
    """The largest decay is taken whatever was asked for."""
    return real(kept, "0.99")


@mutant("metrics.style_of_index_zero", sampler, "draw_style")
def style_of_index_zero(real: Any, config: GeneratorConfig, stream: torch.Generator) -> Tensor:
    """Every sample has the first code of every table."""
    return torch.zeros(config.style_tokens, dtype=torch.int64)


@mutant("metrics.one_style_for_all", sampler, "draw_style")
def one_style_for_all(real: Any, config: GeneratorConfig, stream: torch.Generator) -> Any:
    """A random style, the same one for every sample."""
    return real(config, torch.Generator().manual_seed(0))


@mutant("metrics.last_code_never", sampler, "draw_style")
def last_code_never(real: Any, config: GeneratorConfig, stream: torch.Generator) -> Tensor:
    """The upper bound of the draw is one too low."""
    return torch.randint(config.style_codes - 1, (config.style_tokens,), generator=stream)


@mutant("metrics.two_passes")
@contextmanager
def two_passes(subject: object, *, counted: bool) -> Iterator[None]:
    """Guidance at sampling: a second pass at alpha 1; `counted`: the sampler's own count works."""
    real = sampler.draw

    def twice(generator: Generator, labels: Tensor, alpha: float, seed: int, first: int) -> Tensor:
        plain = real(generator, labels, 1.0, seed, first)
        return plain + alpha * (real(generator, labels, alpha, seed, first) - plain)

    with ExitStack() as stack:
        stack.enter_context(patch.object(sampler, "draw", twice))
        if not counted:

            def once(self: sampler.Sampler, module: Any, inputs: Any, output: Tensor) -> None:
                self.passes = self.samples + len(output)

            stack.enter_context(patch.object(sampler.Sampler, "_count", once))
        yield


@mutant("metrics.stream_of_the_batch", sampler, "draw")
def stream_of_the_batch(
    real: Any, generator: Generator, labels: Tensor, alpha: float, seed: int, first: int
) -> Any:
    """Draws depend on the place in the batch, not on the index of the sample."""
    return real(generator, labels, alpha, seed, 0)


@mutant("metrics.seed_ignored", sampler, "inputs_of")
def seed_ignored(real: Any, config: Any, seed: Any, index: Any) -> Any:
    """The seed of the caller never reaches the draws."""
    return real(config, 0, index)


@mutant("metrics.pipeline_alpha")
def pipeline_alpha(subject: object) -> Patched:
    """The pipeline takes alpha - 1 for the guidance scale."""
    from drift.sample.pipeline import DriftPipeline

    real = DriftPipeline._sample

    def sample(self: Any, labels: list[int], alpha: float, streams: Any) -> Tensor:
        return real(self, labels, alpha - 1.0, streams)

    return patch.object(DriftPipeline, "_sample", sample)


@mutant("metrics.pipeline_order")
def pipeline_order(subject: object) -> Patched:
    """The pipeline draws styles before noise."""
    from drift.sample import pipeline

    def noise(config: GeneratorConfig, stream: torch.Generator) -> Tensor:
        torch.randint(config.style_codes, (config.style_tokens,), generator=stream)
        side = config.input_size
        return torch.randn(config.in_channels, side, side, generator=stream)

    class Sampler:
        draw_noise = staticmethod(noise)
        draw_style = staticmethod(sampler.draw_style)

    return patch.object(pipeline, "sampler", Sampler)

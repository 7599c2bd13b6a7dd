"""Realistic mistakes in sampling; each changes the engine in place and undoes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from drift.generator import Generator, GeneratorConfig
from drift.sample import loading, sampler
from verify.api import mutant

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

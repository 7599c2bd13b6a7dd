"""Samples in one forward pass each: a function of weights, label, alpha, seed and sample index.

Noise and style codes of sample i come from its own stream, so they are the same whatever the batch
size and whichever samples are drawn beside it. Batches are given one after the other; nothing that
grows with their number is kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor, nn

from drift import rng
from drift.artifacts.errors import shown
from drift.errors import InputError
from drift.generator import Generator, GeneratorConfig
from drift.generator.config import code_values
from drift.sample.loading import SampleError

PURPOSE = "sample"
BATCH = 64
LONGEST_RANGE = 20  # characters; longer numbers are no classes


@dataclass(frozen=True)
class Batch:
    """samples [B, C, H, W] float32 on the CPU, labels [B], index of the first sample."""

    samples: Tensor
    labels: Tensor
    first: int


class Sampler:
    """Draws samples of one generator and counts what it cost.

    passes  rows that went through the network; samples given out; seconds spent drawing them
    """

    def __init__(self, generator: Generator, *, batch_size: int = BATCH) -> None:
        if batch_size < 1:
            raise InputError("batch size", found=batch_size, expected="at least 1")
        self.generator = generator.eval()
        self.batch_size = batch_size
        self.passes = 0
        self.samples = 0
        self.seconds = 0.0

    @property
    def throughput(self) -> float:
        """Samples a second."""
        return self.samples / self.seconds if self.seconds else 0.0

    @torch.no_grad()
    def batches(
        self, labels: Tensor, *, alpha: float, seed: int, first: int = 0
    ) -> Iterator[Batch]:
        """Samples of labels [N], whose indices start at `first`; one batch at a time.

        Raises InputError for labels or alpha that the network cannot have, SampleError where the
        network was run more than once for a sample.
        """
        check(self.generator.config, labels, alpha)
        for start in self.starts(labels):
            yield self.batch(labels, start, alpha=alpha, seed=seed, first=first)

    def starts(self, labels: Tensor) -> range:
        """Where the batches of labels [N] begin."""
        return range(0, len(labels), self.batch_size)

    @torch.no_grad()
    def batch(
        self, labels: Tensor, start: int, *, alpha: float, seed: int, first: int = 0
    ) -> Batch:
        """The one batch of `batches` that begins at a place, whoever draws the others."""
        part = labels[start : start + self.batch_size]
        hook = self.generator.register_forward_hook(self._count)
        try:
            began = time.perf_counter()
            samples = draw(self.generator, part, alpha, seed, first + start)
            self.seconds += time.perf_counter() - began
        finally:
            hook.remove()
        self.samples += len(part)
        if self.passes != self.samples:
            raise SampleError(
                "sampler", found=f"{self.passes} forward passes for {self.samples} samples",
                expected="one each: the method has no second step",
            )  # fmt: skip
        return Batch(samples, part, first + start)

    def all(self, labels: Tensor, *, alpha: float, seed: int, first: int = 0) -> Tensor:
        """All samples at once, [N, C, H, W]; for numbers that fit into memory."""
        parts = [b.samples for b in self.batches(labels, alpha=alpha, seed=seed, first=first)]
        return torch.cat(parts) if parts else torch.empty(0)

    def _count(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.passes += len(output)


def draw(generator: Generator, labels: Tensor, alpha: float, seed: int, first: int) -> Tensor:
    """One batch: labels [B] -> samples [B, C, H, W] on the CPU."""
    config, device = generator.config, next(generator.parameters()).device
    drawn = [inputs_of(config, seed, first + i) for i in range(len(labels))]
    noise = torch.stack([noise for noise, _ in drawn])
    style = torch.stack([style for _, style in drawn])
    scale = torch.full((len(labels),), alpha, dtype=torch.float32)
    found: Tensor = generator(
        noise.to(device), labels.to(device), scale.to(device), style.to(device)
    )
    return found.float().cpu()


def inputs_of(config: GeneratorConfig, seed: int, index: int) -> tuple[Tensor, Tensor]:
    """(noise [C, H, W], style [style_tokens]) of one sample, from its own stream."""
    stream = rng.stream(seed, PURPOSE, index)
    return draw_noise(config, stream), draw_style(config, stream)


def draw_noise(config: GeneratorConfig, stream: torch.Generator) -> Tensor:
    """Standard normal, [C, H, W]."""
    side = config.input_size
    return torch.randn(config.in_channels, side, side, generator=stream, device=stream.device)


def draw_style(config: GeneratorConfig, stream: torch.Generator) -> Tensor:
    """One code for each style table, uniform as in training, [style_tokens]."""
    return torch.randint(
        code_values(config.style_codes),
        (config.style_tokens,),
        generator=stream,
        device=stream.device,
    )


def cycled(classes: Sequence[int], count: int) -> Tensor:
    """`count` labels that go round the classes: equal shares, to one.

    50,000 labels of 1,000 classes are 50 of each, which is the composition of the ImageNet
    validation labels.
    """
    if not classes:
        raise InputError("classes", found="none", expected="at least one class")
    return torch.tensor(classes, dtype=torch.int64).repeat(-(-count // len(classes)))[:count]


def parse_classes(text: str, classes: int) -> list[int]:
    """`all`, or numbers and ranges such as `0,3,5-9`; raises InputError for any other text."""
    if text == "all":
        return list(range(classes))
    found: list[int] = []
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()) or len(part) > LONGEST_RANGE:
            raise InputError("--classes", found=shown(part), expected="all, 3, or 5-9")
        first, last = int(low), int(high if dash else low)
        if last >= classes or first > last:  # before the range is made: it may be huge
            raise InputError(
                "--classes", found=shown(part) if dash else last,
                expected=f"classes 0 to {classes - 1}, ranges from low to high",
            )  # fmt: skip
        found += range(first, last + 1)
    return found


def check(config: GeneratorConfig, labels: Tensor, alpha: float, name: str = "alpha") -> None:
    """Raises InputError for labels or a guidance scale that the network cannot have.

    alpha reaches the network as float32: finite and above 0 is asked of that number. `name` is
    what the caller calls it.
    """
    if labels.ndim != 1 or labels.dtype != torch.int64 or not len(labels):
        raise InputError(
            "labels", found=f"{labels.dtype} {tuple(labels.shape)}", expected="int64 [N], N > 0"
        )
    if int(labels.min()) < 0 or int(labels.max()) >= config.num_classes:
        raise InputError(
            "labels",
            found=f"{int(labels.min())} to {int(labels.max())}",
            expected=f"0 to {config.num_classes - 1}",
        )
    number = isinstance(alpha, Real) and not isinstance(alpha, bool)  # NumPy's numbers too
    if not number or not 0.0 < _as_float32(alpha) < math.inf:
        raise InputError(
            name, found=repr(alpha), expected="a finite number above 0",
            remedy="1 is without guidance.",
        )  # fmt: skip


def _as_float32(number: float) -> float:
    """The nearest float32; beyond its range infinity or 0."""
    try:
        return float(torch.tensor(float(number), dtype=torch.float64).to(torch.float32))
    except OverflowError:  # a whole number beyond all floats
        return math.inf

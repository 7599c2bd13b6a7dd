"""What a step draws (method, section 6): real samples through queues, labels, noise, style, alpha.

Labels come without replacement from the labels just pushed, so that a class that is trained has
fresh samples. Every draw is a function of seed and step.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from drift import cfg, rng
from drift.config import Template
from drift.data import Loader, Source
from drift.errors import DriftError
from drift.queue import SampleQueue
from drift.train.step import StepBatch


@dataclass(frozen=True)
class Feed:
    """The loader and both queues of a run: one ring per class, and one over all classes.

    origins  beside `by_class`, slot for slot: the place of each sample in the source
    """

    loader: Loader
    by_class: SampleQueue
    overall: SampleQueue
    origins: SampleQueue

    def queues(self) -> dict[str, SampleQueue]:
        """By name, as a checkpoint holds them."""
        return {"by_class": self.by_class, "overall": self.overall, "origins": self.origins}


@dataclass(frozen=True)
class Drawn:
    """The batch of a step, and the place in the source of each positive, int64 [B, P]."""

    batch: StepBatch
    origins: Tensor


def open_feed(template: Template, source: Source, *, seed: int) -> Feed:
    """Empty queues in front of the first sample.

    Raises DriftError where a step would want more labels than it pushes: columns state the push of
    one host of several (DEC-0103), and this is one process.
    """
    queue = template.queue
    _require_labels(queue.push_per_step, template.loss.class_labels)
    strict = queue.replacement == "without"
    return Feed(
        loader=Loader(source, seed=seed),
        by_class=SampleQueue(source.classes, queue.per_class_capacity, strict=strict),
        overall=SampleQueue(1, queue.global_capacity, strict=strict),
        origins=SampleQueue(source.classes, queue.per_class_capacity, strict=strict),
    )


def push(feed: Feed, n: int) -> Tensor:
    """Move the next n real samples into the queues, with their own labels -> these labels [n]."""
    places = feed.loader.indices(n)
    source = feed.loader.source
    samples, labels = source.get(places), source.labels[places]
    feed.by_class.push(samples, labels)
    feed.origins.push(places, labels)
    feed.overall.push(samples, torch.zeros_like(labels))
    return labels


def warm_up(feed: Feed, template: Template) -> int:
    """Push real samples until every class can be drawn from without replacement -> their number.

    Raises DriftError where two epochs of the data are not enough: some class is too small.
    """
    needed, unconditional = template.loss.positives, template.loss.unconditional
    limit = 2 * len(feed.loader.source.labels)
    pushed = 0
    while pushed < limit:
        if bool((feed.by_class.counts >= needed).all()) and (
            int(feed.overall.counts[0]) >= unconditional
        ):
            return pushed
        pushed += len(push(feed, template.queue.push_per_step))
    short = (feed.by_class.counts < needed).nonzero().flatten().tolist()
    raise DriftError(
        "warm-up of the queues",
        found=f"classes {short[:10]} below {needed} samples after {pushed} real samples",
        expected=f"at least {needed} samples of each of {feed.by_class.classes} classes",
        remedy="Add data of these classes, or lower loss.positives.",
    )


def draw(feed: Feed, template: Template, *, seed: int, step: int) -> StepBatch:
    """Push fresh samples, then draw everything that one optimisation step needs."""
    return draw_traced(feed, template, seed=seed, step=step).batch


def draw_traced(feed: Feed, template: Template, *, seed: int, step: int) -> Drawn:
    """`draw`, and where the positives come from."""
    pushed = push(feed, template.queue.push_per_step)
    generator = rng.stream(seed, "draw", step)
    loss, shape = template.loss, template.generator.input_shape
    labels = draw_labels(pushed, loss.class_labels, generator)
    rows = len(labels) * loss.generated
    height, width, channels = shape
    slots = feed.by_class.slots(labels, loss.positives, generator=generator)
    batch = StepBatch(
        labels=labels,
        positives=feed.by_class.gather(labels, slots),
        unconditional=feed.overall.sample(
            torch.zeros_like(labels), loss.unconditional, generator=generator
        ),
        noise=torch.randn(rows, channels, height, width, generator=generator),
        style=torch.randint(
            template.generator.style_codes,
            (rows, template.generator.style_tokens),
            generator=generator,
        ),
        alpha=draw_alpha(template, len(labels), generator),
    )
    return Drawn(batch, feed.origins.gather(labels, slots))


def draw_labels(pushed: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """n of the labels just pushed, without replacement: [pushed] -> [n]."""
    _require_labels(len(pushed), n)
    return pushed[torch.randperm(len(pushed), generator=generator)[:n]]


def _require_labels(pushed: int, wanted: int) -> None:
    if wanted > pushed:
        raise DriftError(
            "labels of a step",
            found=f"{pushed} samples pushed, {wanted} labels wanted",
            expected="at least as many samples pushed as labels drawn from them",
            remedy="Raise queue.push_per_step, or lower loss.class_labels.",
        )


def draw_alpha(template: Template, n: int, generator: torch.Generator) -> Tensor:
    """One guidance scale for each label, [n]."""
    low, high = template.cfg.alpha_range
    u, u_point = torch.rand(2, n, generator=generator, dtype=torch.float64)
    alpha = cfg.sample_alpha(
        u,
        power=template.cfg.alpha_power,
        minimum=low,
        maximum=high,
        point_mass=template.cfg.point_mass,
        u_point=u_point,
    )
    return torch.as_tensor(alpha).float()

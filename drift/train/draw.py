"""What a step draws (method, section 6): real samples through queues, labels, noise, style, alpha.

Labels come without replacement from the labels just pushed, so that a class that is trained has
fresh samples. Every draw is a function of seed and step. Several processes draw the same, each for
all, and keep what belongs to their labels: what is drawn does not depend on their number.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from drift import cfg, rng, spans
from drift.config import Template
from drift.data import Loader, Source
from drift.errors import DriftError
from drift.generator.config import code_values
from drift.queue import SampleQueue
from drift.ranks import ALONE, Ranks
from drift.train.batch import StepBatch, held
from drift.train.shards import ShardedQueue

Queue = SampleQueue | ShardedQueue


@dataclass(frozen=True)
class Feed:
    """The loader and both queues of a run: one ring per class, and one over all classes.

    origins  beside `by_class`, slot for slot: the place of each sample in the source
    ranks    the processes that hold the samples between them
    """

    loader: Loader
    by_class: Queue
    overall: Queue
    origins: SampleQueue
    ranks: Ranks = ALONE

    def queues(self) -> dict[str, Queue]:
        """By name, as a checkpoint holds them: `origins` last, for it knows places best."""
        return {"by_class": self.by_class, "overall": self.overall, "origins": self.origins}


@dataclass(frozen=True)
class Drawn:
    """The batch of a step on this process, and the place in the source of each positive, [B, P]."""

    batch: StepBatch
    origins: Tensor


def open_feed(template: Template, source: Source, *, seed: int, ranks: Ranks = ALONE) -> Feed:
    """Empty queues in front of the first sample.

    Raises DriftError where a step would want more labels than it pushes, however many processes
    there are: columns state the push of one host of several (DEC-0103).
    """
    queue = template.queue
    _require_labels(queue.push_per_step, template.loss.class_labels)
    strict = queue.replacement == "without"
    if ranks.control is not None:
        return _sharded_feed(template, Loader(source, seed=seed), strict, ranks)
    return Feed(
        loader=Loader(source, seed=seed),
        by_class=SampleQueue(source.classes, queue.per_class_capacity, strict=strict),
        overall=SampleQueue(1, queue.global_capacity, strict=strict),
        origins=SampleQueue(source.classes, queue.per_class_capacity, strict=strict),
    )


def _sharded_feed(template: Template, loader: Loader, strict: bool, ranks: Ranks) -> Feed:
    queue, source = template.queue, loader.source
    by_class, overall = (
        ShardedQueue(classes, capacity, strict=strict, ranks=ranks, shape=source.shape)
        for classes, capacity in (
            (source.classes, queue.per_class_capacity), (1, queue.global_capacity),
        )
    )  # fmt: skip
    return Feed(loader, by_class, overall, by_class.places, ranks)


def push(feed: Feed, n: int) -> Tensor:
    """Move the next n real samples into the queues, with their own labels -> these labels [n].

    Of several processes each reads what it keeps; an error of one is everybody's.
    """
    places = feed.loader.indices(n)
    source = feed.loader.source
    if feed.ranks.control is not None:
        with feed.ranks.agreed():
            _push_shares(feed, places)
        return source.labels[places]
    with spans.span("load"):
        samples, labels = source.get(places), source.labels[places]
    for queue, of in ((feed.by_class, labels), (feed.overall, torch.zeros_like(labels))):
        assert isinstance(queue, SampleQueue)
        queue.push(samples, of)
    feed.origins.push(places, labels)
    return labels


def _push_shares(feed: Feed, places: Tensor) -> None:
    """The samples of a push that this process keeps, each read once, into both queues."""
    source = feed.loader.source
    labels = source.labels[places]
    pairs = [(feed.by_class, labels), (feed.overall, torch.zeros_like(labels))]
    queues = [(q, of, q.mine(of)) for q, of in pairs if isinstance(q, ShardedQueue)]
    read = torch.stack([mine for _, _, mine in queues]).any(0)
    with spans.span("load"):
        samples = source.get(places[read]) if bool(read.any()) else torch.empty(0, *source.shape)
    for queue, of, mine in queues:
        queue.push(places, of, samples[mine[read]])


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


@spans.span("queue")
def draw_traced(feed: Feed, template: Template, *, seed: int, step: int) -> Drawn:
    """`draw`, and where the positives come from."""
    pushed = push(feed, template.queue.push_per_step)
    generator = rng.stream(seed, "draw", step)
    loss, ranks = template.loss, feed.ranks
    labels = draw_labels(pushed, loss.class_labels, generator)
    of_one = torch.zeros_like(labels)
    slots = feed.by_class.slots(labels, loss.positives, generator=generator)
    shared = feed.overall.slots(of_one, loss.unconditional, generator=generator)
    noise, style = draw_inputs(template, len(labels) * loss.generated, generator)
    alpha = draw_alpha(template, len(labels), generator)
    positives = feed.by_class.gather(labels, slots)
    unconditional = feed.overall.gather(of_one, shared)
    origins = feed.origins.gather(labels, slots)
    if ranks.control is None:
        return Drawn(StepBatch(labels, positives, unconditional, noise, style, alpha), origins)
    own, sizes = ranks.share(len(labels)), ranks.sizes(len(labels))
    idle = own.start == own.stop
    one = slice(0, 1) if idle else own  # of a process without labels, which takes part all the same
    inputs = slice(one.start * loss.generated, one.stop * loss.generated)
    if idle:
        positives, unconditional = (
            t.new_zeros(1, *t.shape[1:]) for t in (positives, unconditional)
        )
    batch = StepBatch(
        labels[one], positives, unconditional, noise[inputs], style[inputs], alpha[one]
    )
    return Drawn(held(batch, max(sizes), idle=idle), origins[own])


def draw_inputs(template: Template, rows: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(noise [rows, C, H, W], style codes [rows, style_tokens])."""
    shape = template.generator
    height, width, channels = shape.input_shape
    noise = torch.randn(rows, channels, height, width, generator=generator)
    codes = code_values(shape.style_codes)
    style = torch.randint(codes, (rows, shape.style_tokens), generator=generator)
    return noise, style


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

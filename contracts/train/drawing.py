"""Checks of what a step draws: queues, labels, samples, noise, style and alpha, drawn again."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from types import SimpleNamespace
from typing import Any

import torch

from drift import cfg, rng
from drift.config import Template, load_template, override
from drift.data.source import TensorSource
from drift.queue import SampleQueue
from drift.train import draw, shards
from verify.api import CheckContext, Measurement, check, mutant

from ..common import small_run
from ..common.rows import Refused, Row, judge_rows


@check("train.drawn")
def drawn(ctx: CheckContext) -> Measurement:
    """Everything that a step draws, drawn again from its stream in the order that is stated."""
    return judge_rows(ctx, chain(_feed(), _draws(), _alphas()), "facts of draws")


def _template() -> Template:
    return override(load_template("digits"), small_run.RUN)


def _source(count: int = 40) -> TensorSource:
    """Sample i has the value i and the label i % 10."""
    places = torch.arange(count)
    samples = places.reshape(-1, 1, 1, 1).expand(-1, 1, 8, 8).float()
    return TensorSource(samples, places % 10, 10)


def _feed() -> Iterator[Row]:
    template = _template()
    feed = draw.open_feed(template, _source(), seed=3)
    queues = feed.queues()
    sizes = {name: (q.classes, q.capacity, q.strict) for name, q in queues.items()}
    queue = template.queue
    yield "queues", lambda: sizes, {
        "by_class": (10, queue.per_class_capacity, True), "overall": (1, queue.global_capacity,
            True),
        "origins": (10, queue.per_class_capacity, True),
    }  # fmt: skip
    loose = draw.open_feed(override(template, ("queue.replacement=with",)), _source(), seed=3)
    yield "loose queues", lambda: [q.strict for q in loose.queues().values()], [False] * 3
    for rank, wanted in ((1, [False, True]), (3, [False, False])):  # more processes than classes
        ranks: Any = SimpleNamespace(rank=rank, world=4)
        own = shards.ShardedQueue(2, 8, strict=True, ranks=ranks, shape=(1,))
        yield f"held by process {rank}", partial(own._held_by, rank), (int(rank < 2), 8)
        nothing = torch.zeros(1, 1, dtype=torch.int64)
        sent = own._rows(nothing[0], nothing, torch.tensor([False]))  # and it holds nothing yet
        yield f"sent by process {rank}", partial(list, sent.shape), [0, 1]
        yield f"of process {rank}", partial(list, own.mine(torch.tensor([0, 1])).tolist()), wanted
    order = torch.randperm(40, generator=rng.stream(3, "epoch", 0))
    pushed = draw.push(feed, 16)
    yield "labels of a push", lambda: pushed.tolist(), (order[:16] % 10).tolist()
    yield "its place", lambda: feed.loader.position, 16
    held = torch.bincount(order[:16] % 10, minlength=10).tolist()
    yield "held by class", lambda: feed.by_class.counts.tolist(), held
    yield (
        "and in all",
        lambda: (feed.overall.counts.tolist(), feed.origins.counts.tolist()),
        ([16], held),
    )
    count = draw.warm_up(feed, template)
    least = int(feed.by_class.counts.min())
    yield "warm", lambda: (count % 16, least >= 4, feed.loader.position), (0, True, count + 16)
    yield "warm already", lambda: draw.warm_up(feed, template), 0
    scarce = TensorSource(_source(11).samples, torch.tensor([*range(9), 9, 0]), 10)
    again = draw.open_feed(template, scarce, seed=3)
    short = override(template, ("queue.push_per_step=2", "loss.positives=8"))
    said = Refused("below 8 samples after 22", "lower loss.pos")
    yield "too few", partial(draw.warm_up, again, short), said
    few = override(template, ("queue.push_per_step=1",))
    said = Refused("1 samples pushed, 2 labels wanted", "Raise queue.push_per_step")
    yield "fewer than labels", partial(draw.open_feed, few, _source(), seed=3), said


def _draws() -> Iterator[Row]:
    template = _template()
    feed = draw.open_feed(template, _source(), seed=3)
    draw.warm_up(feed, template)
    begun = feed.loader.position
    found = draw.draw_traced(feed, template, seed=3, step=5)
    made = found.batch
    other = draw.open_feed(template, _source(), seed=3)
    draw.warm_up(other, template)
    alone = draw.draw(other, template, seed=3, step=5)
    same = [torch.equal(getattr(alone, name), part) for name, part in vars(made).items()]
    yield "without its origins", lambda: same, [True] * 6
    order = torch.cat([torch.randperm(40, generator=rng.stream(3, "epoch", e)) for e in range(9)])
    pushed = order[begun : begun + 16] % 10
    stream = rng.stream(3, "draw", 5)
    labels = pushed[torch.randperm(16, generator=stream)[:2]]
    yield "labels", lambda: made.labels.tolist(), labels.tolist()
    yield from _slots()
    slots = feed.by_class.slots(labels, 4, generator=stream)
    shared = feed.overall.slots(torch.zeros_like(labels), 2, generator=stream)
    positives = feed.by_class.gather(labels, slots)
    yield "positives", lambda: torch.equal(made.positives, positives), True
    one = feed.overall.gather(torch.zeros_like(labels), shared)
    yield "unconditional", lambda: torch.equal(made.unconditional, one), True
    yield "origins", lambda: torch.equal(found.origins.float(), positives[:, :, 0, 0, 0]), True
    noise = torch.randn(4, 1, 8, 8, generator=stream)
    codes = template.generator.style_codes
    style = torch.randint(codes, (4, template.generator.style_tokens), generator=stream)
    yield "noise and style", lambda: (torch.equal(made.noise, noise), torch.equal(made.style,
        style)), (
        True, True
    )  # fmt: skip
    u, u_point = torch.rand(2, 2, generator=stream, dtype=torch.float64)
    low, high = template.cfg.alpha_range
    alpha = cfg.sample_alpha(
        u, power=template.cfg.alpha_power, minimum=low, maximum=high,
        point_mass=template.cfg.point_mass, u_point=u_point,
    )  # fmt: skip
    yield "alpha", lambda: made.alpha.tolist(), torch.as_tensor(alpha).float().tolist()
    yield "single", lambda: made.alpha.dtype, torch.float32
    yield "pushed first", lambda: feed.loader.position, begun + 16
    again = draw.draw_labels(torch.tensor([5, 6]), 2, rng.stream(0, "x"))
    yield "all labels", lambda: sorted(again.tolist()), [5, 6]
    more = partial(draw.draw_labels, torch.tensor([5, 6]), 3, rng.stream(0, "x"))
    yield "more labels than there are", more, Refused("2 samples pushed, 3 labels wanted")


def _slots() -> Iterator[Row]:
    """Slots are those of the smallest keys, in double precision: without repeats, or with them."""
    for strict, n in ((True, 9), (False, 50)):
        held = SampleQueue(1, 40, strict=strict)
        held.push(torch.zeros(40, 1), torch.zeros(40, dtype=torch.int64))
        found = held.slots(torch.tensor([0]), n, generator=rng.stream(3, "slots"))
        stream = rng.stream(3, "slots")
        keys = torch.rand((1, 40 if strict else n), dtype=torch.float64, generator=stream)
        by_hand = keys.argsort(dim=1)[:, :n] if strict else (keys * 40).long()
        yield f"slots, strict {strict}", partial(torch.equal, found, by_hand), True


def _alphas() -> Iterator[Row]:
    """Guidance scales lie in their range; a point mass is at one."""
    template = override(_template(), ("cfg.point_mass=0.5",))
    low, high = template.cfg.alpha_range
    found = draw.draw_alpha(template, 4000, rng.stream(0, "alpha"))
    share = float((found == 1.0).float().mean())
    yield (
        "in the range",
        lambda: (float(found.min()) >= low, float(found.max()) <= high),
        (True, True),
    )
    yield "at one", lambda: abs(share - 0.5) < 0.05, True


@mutant("train.noise_before_slots", draw, "draw_inputs")
def noise_before_slots(real: Any, template: Any, rows: int, generator: torch.Generator) -> Any:
    """A number is drawn that nobody uses."""
    torch.rand(1, generator=generator)
    return real(template, rows, generator)


# The labels that were pushed first are trained.
FIRST_LABELS = mutant(
    "train.first_labels", draw, draw_labels=lambda pushed, n, generator: pushed[:n]
)

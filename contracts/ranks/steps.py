"""Steps of several processes, as threads with a process group each, against those of one."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drift.config import Template, load_template
from drift.data import Source, TensorSource
from drift.errors import DriftError
from drift.features import FeatureExtractor
from drift.ranks import ALONE, Ranks
from drift.ranks.processes import Elsewhere
from drift.state.checkpoint import Checkpoint
from drift.train import build, draw, run
from drift.train.batch import StepBatch
from drift.train.watch import Breach
from verify.api import CheckContext, Measurement, check
from verify.numeric.arrays import worst_of

from ..common import small_run
from ..common.processes import each_process

SETTINGS = (*small_run.RUN, "loss.class_labels=3", "loss.positives=3", "queue.global_capacity=37")
LOSS, GRADIENT, RATE = 1.0e-6, 1.0e-5, 0.06  # the last of the learning rate
STIR = 0.1


@dataclass(frozen=True)
class Steps:
    """What each step gave on one process, and the state after them.

    norms      of the gradients before they are clipped, which hides a common factor
    gradients  after it
    drawn      labels and positives
    """

    losses: list[float]
    norms: list[float]
    gradients: list[dict[str, Tensor]]
    drawn: list[tuple[Tensor, Tensor]]
    state: Checkpoint


@cache
def template() -> Template:
    """The digits template cut down."""
    return build.override(load_template("digits"), SETTINGS)


@cache
def source() -> Source:
    """Noise under ten labels, for all processes; the digits' package takes long to import."""
    drawn = torch.Generator().manual_seed(0)
    samples = torch.rand(400, 1, *template().generator.input_shape[:2], generator=drawn)
    return TensorSource(2 * samples - 1, torch.arange(400) % 10, classes=10)


@cache
def extractor(seed: int) -> FeatureExtractor:
    """Random features, frozen and for all processes: to make them takes longer than a step."""
    encoder = small_run.encoder(seed, width=64)
    return FeatureExtractor(encoder, config=build.feature_config(template()))


def begun(folder: Path, seed: int, ranks: Ranks, **options: Any) -> run.Run:
    """A run on digits whose generator has left its start, where most gradients are rounding."""
    chosen = run.RunOptions(folder, seed=seed, window=2, ranks=ranks, **options)
    started = run.start(template(), source(), extractor(seed), chosen, say=lambda text: None)
    drawn = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in started.state.generator.parameters():
            parameter.add_(STIR * torch.randn(parameter.shape, generator=drawn))
    return started


def taken(started: run.Run, count: int) -> Steps:
    """So many steps, and what they left."""
    losses, norms, gradients, drawn = [], [], [], []
    for _ in range(count):
        figures = started.step_once()
        losses.append(figures["loss"])
        norms.append(figures["grad_norm"])
        named = started.state.generator.named_parameters()
        gradients.append({name: p.grad.clone() for name, p in named if p.grad is not None})
        assert started._last is not None
        batch, _ = started._last
        drawn.append((batch.labels[: batch.counted], batch.positives[: batch.counted]))
    kept = started.snapshot()
    tensors = {
        name: value.clone() for name, value in kept.tensors.items()
    }  # further steps change it
    return Steps(losses, norms, gradients, drawn, Checkpoint(kept.step, tensors, kept.facts))


@contextmanager
def folder() -> Iterator[Path]:
    """For the files of runs, gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@check("ranks.steps")
def steps(ctx: CheckContext) -> Measurement:
    """Two steps of one process and of several."""

    def compared(place: Path) -> dict[str, float]:
        one = taken(begun(place / "one", ctx.seed, ALONE), 2)
        several = each_process(
            ctx.params["processes"],
            lambda ranks: taken(begun(place / "several", ctx.seed, ranks), 2),
        )
        return errors_of(several, one)

    return _judged(ctx, compared)


@check("ranks.resumed")
def resumed(ctx: CheckContext) -> Measurement:
    """One step, a checkpoint, and another step by other numbers of processes."""

    def compared(place: Path) -> dict[str, float]:
        def saved_and_on(ranks: Ranks) -> tuple[Checkpoint, Steps]:
            started = begun(place / "saved", ctx.seed, ranks)
            return taken(started, 1).state, taken(started, 1)

        found = each_process(ctx.params["saved_by"], saved_and_on)
        kept, expected = found[0][0], together([on for _, on in found])

        def on(ranks: Ranks) -> Steps:
            started = begun(place / f"by {ranks.world}", ctx.seed, ranks)
            run.restore(started, kept)
            return taken(started, 1)

        errors: dict[str, float] = {}
        for world in ctx.params["resumed_by"]:
            others = [on(ALONE)] if world == 1 else each_process(world, on)
            of = errors_of(others, expected)
            errors |= {f"{name}, {world} processes": error for name, error in of.items()}
        return errors

    return _judged(ctx, compared)


def _judged(ctx: CheckContext, compared: Callable[[Path], dict[str, float]]) -> Measurement:
    """The worst of some errors; an in-run clause that one process would never break is a fail."""
    try:
        with folder() as place:
            errors = compared(place)
    except Breach as error:
        return ctx.decide(False, str(error))
    return ctx.judge_worst(errors, "share of what is allowed")


def together(several: Sequence[Steps]) -> Steps:
    """The steps of all processes as those of one; the state is the writer's."""
    first = several[0]
    drawn = [
        (torch.cat([one.drawn[i][0] for one in several]),
         torch.cat([one.drawn[i][1] for one in several]))
        for i in range(len(first.drawn))
    ]  # fmt: skip
    return Steps(first.losses, first.norms, first.gradients, drawn, first.state)


def errors_of(several: Sequence[Steps], one: Steps) -> dict[str, float]:
    """By name: the largest error over what is allowed; infinite where equality is."""
    whole = together(several)
    exact = all(
        torch.equal(mine, theirs)
        for drawn, expected in zip(whole.drawn, one.drawn, strict=True)
        for mine, theirs in zip(drawn, expected, strict=True)
    )
    errors = {"labels and positives": 0.0 if exact else float("inf")}
    errors["loss"] = worst_of(_off(steps.losses, one.losses) for steps in several) / LOSS
    errors["norm"] = worst_of(_off(steps.norms, one.norms) for steps in several) / GRADIENT
    errors["gradients"] = worst_of(
        float((steps.gradients[i][name] - value).abs().max() / value.abs().max())
        for steps in several
        for i, gradients in enumerate(one.gradients)
        for name, value in gradients.items()
        if value.any()
    ) / GRADIENT  # fmt: skip
    return errors | dict(_state_errors(whole.state, one.state))


def _off(found: Sequence[float], expected: Sequence[float]) -> float:
    return worst_of(
        abs(mine - theirs) / theirs for mine, theirs in zip(found, expected, strict=True)
    )


def _state_errors(found: Checkpoint, expected: Checkpoint) -> Iterator[tuple[str, float]]:
    """Of queues, averages, and everything that has to be there."""
    same = found.tensors.keys() == expected.tensors.keys() and found.facts == expected.facts
    yield "names and facts of the checkpoint", 0.0 if same else float("inf")
    if not same:
        return
    queues = [name for name in expected.tensors if name.startswith("queue/")]
    equal = all(torch.equal(found.tensors[name], expected.tensors[name]) for name in queues)
    yield "queues", 0.0 if equal else float("inf")
    allowed = RATE * template().optimizer.learning_rate
    averages = [name for name in expected.tensors if name.startswith("ema/")]
    yield (
        "averages",
        worst_of(
            float((found.tensors[name] - expected.tensors[name]).abs().max()) for name in averages
        )
        / allowed,
    )


@check("ranks.drawn")
def drawn(ctx: CheckContext) -> Measurement:
    """Two draws of one process, and of more processes than there are labels."""
    world = ctx.params["processes"]

    def of(ranks: Ranks) -> tuple[list[draw.Drawn], dict[str, Tensor]]:
        feed = draw.open_feed(template(), source(), seed=ctx.seed, ranks=ranks)
        draw.warm_up(feed, template())
        draw.push(feed, 1)  # of which all processes but one keep nothing
        found = [draw.draw_traced(feed, template(), seed=ctx.seed, step=step) for step in (0, 1)]
        queues = feed.queues().items()
        return found, {f"{n}/{k}": v for n, one in queues for k, v in one.state_dict().items()}

    (one, queues), several = of(ALONE), each_process(world, of)
    problems = [
        f"step {step}: {problem}"
        for step, whole in enumerate(one)
        for problem in _unlike(whole, [found[step] for found, _ in several])
    ]
    held = several[0][1]
    problems += [name for name, kept in queues.items() if not torch.equal(held[name], kept)]
    said = problems[0] if problems else f"{world} processes draw what one draws, and one rests"
    return ctx.decide(not problems, said)


def _unlike(whole: draw.Drawn, shares: Sequence[draw.Drawn]) -> Iterator[str]:
    """How the shares depart from a label for each process, and none for the last."""
    *busy, idle = shares
    counts = [(one.batch.counted, one.batch.most) for one in shares]
    if counts != [(1, 1)] * len(busy) + [(0, 1)]:
        yield f"(labels, most) are {counts}"
    for name in (*(field.name for field in fields(StepBatch)), "origins"):
        parts = [_part_of(found, name) for found in busy]
        if not torch.equal(torch.cat(parts), _part_of(whole, name)):
            yield f"{name} are not those of one process"
        first = torch.zeros_like(parts[0]) if name in ("positives", "unconditional") else parts[0]
        if name != "origins" and not torch.equal(_part_of(idle, name), first):
            yield f"{name} of the process that rests are neither the first label's nor zeros"


def _part_of(found: draw.Drawn, name: str) -> Tensor:
    part: Tensor = found.origins if name == "origins" else getattr(found.batch, name)
    return part


@check("ranks.first_error")
def first_error(ctx: CheckContext) -> Measurement:
    """The last process cannot read a sample in the middle of a run."""
    last = ctx.params["processes"] - 1

    def process(ranks: Ranks) -> str:
        started = begun(place / "run", ctx.seed, ranks)
        if ranks.rank == last:
            started.feed.loader.source = _Gone(started.feed.loader.source)  # type: ignore[assignment]
        try:
            run.train(started, lambda window: None)
        except Elsewhere:
            return "nothing"
        except DriftError as error:
            return str(error)
        return "that it went on"

    with folder() as place:
        said = each_process(last + 1, process)
        record = json.loads((place / "run" / "run_metadata.json").read_text(encoding="utf-8"))
    ends = (record["status"], _Gone.WHY in record.get("error", ""))
    good = said == ["nothing"] * last + [f"a sample: {_Gone.WHY}"] and ends == ("failed", True)
    return ctx.decide(
        good, f"the processes say {said}; the record {ends[0]}, {record.get('error')}"
    )


class _Gone:
    """A source whose samples cannot be read any more."""

    WHY = "found no such file; expected one"

    def __init__(self, source: Any) -> None:
        self.labels, self.shape = source.labels, source.shape

    def get(self, places: Tensor) -> Tensor:
        raise DriftError("a sample", found="no such file", expected="one")

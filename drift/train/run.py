"""A training run: its folder, its loop, and how it goes on after any kind of end.

A run is a function of template, data, encoder and seed. Its state is a step file; what is drawn at
a step depends on seed and step only, so a resumed run is, bit for bit on the CPU, the run that was
never interrupted.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drift.compiling import Policy, compiled
from drift.config import Template, fingerprint
from drift.data import Source
from drift.errors import DriftError
from drift.features import FeatureExtractor
from drift.state import RunRecord, WindowLog, atomic, checkpoint, modules
from drift.state.checkpoint import Checkpoint
from drift.train import alarms, build, draw, step
from drift.train.draw import Feed
from drift.train.step import TrainState


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out; nothing here changes what a step computes.

    window           steps a row of the metric log
    checkpoint_every steps between step files; the last step always has one
    resume           go on from the newest good checkpoint of the folder
    model_from       a finished or broken run whose parameters and averages this one starts with,
                     with fresh moments, queues and schedule: a diagnostic run
    compile          what to do where torch.compile fails; see drift.compiling
    labels_per_pass  labels whose activations are held at once; the gradient stays the batch's
    learning_rate    replaces the template's on resume: a diagnostic run
    """

    folder: Path
    seed: int = 0
    window: int = 10
    checkpoint_every: int = 100
    device: str = "cpu"
    resume: bool = False
    model_from: Path | None = None
    compile: Policy = "disable"
    learning_rate: float | None = None
    labels_per_pass: int | None = None
    labels: Mapping[str, Any] = field(default_factory=dict)  # of the record: gates, bypasses


@dataclass(frozen=True)
class Window:
    """What happened in a window of steps."""

    step: int
    row: Mapping[str, Any]
    alarms: tuple[str, ...]


@dataclass
class Run:
    """A run between two steps."""

    template: Template
    options: RunOptions
    state: TrainState
    feed: Feed
    facts: dict[str, Any]

    @property
    def total_steps(self) -> int:
        """Updates of the whole run."""
        return self.template.optimizer.training_steps


def start(
    template: Template,
    source: Source,
    extractor: FeatureExtractor,
    options: RunOptions,
    say: Callable[[str], None] = print,
) -> Run:
    """A run before its next step: fresh, or from the newest good checkpoint of its folder."""
    if source.shape != _shape(template):
        raise DriftError(
            "data",
            found=f"samples of shape {list(source.shape)}",
            expected=f"{list(_shape(template))}, as generator.input_shape says",
        )
    generator = build.generator(template, seed=options.seed).to(options.device)
    config = dataclasses.replace(
        build.train_config(template), labels_per_pass=options.labels_per_pass
    )
    state = TrainState.create(generator, extractor.to(options.device), config)
    if options.compile != "disable":
        # On the instance, so that names in the state dict stay as they are.
        generator.forward = compiled(generator.forward, options.compile)  # type: ignore[method-assign]
    run = Run(
        template=template,
        options=options,
        state=state,
        feed=draw.open_feed(template, source, seed=options.seed),
        facts={
            "seed": options.seed,
            "fingerprint": fingerprint(template),
            "template": template.leaves(),
            "data": source.digest,
            "encoder": build.parameters_digest(extractor.encoder),
            "diagnostic": [],
        },
    )
    if options.folder.is_dir():
        atomic.sweep(_checkpoints(options.folder))
    if options.resume:
        kept = checkpoint.require_latest(_checkpoints(options.folder), say)
        restore(run, kept)
        say(f"resumed from step {kept.step}")
        return run
    checkpoint.require_none(_checkpoints(options.folder))
    if options.model_from is not None:
        kept = checkpoint.require_latest(_checkpoints(options.model_from), say)
        modules.put_weights(kept, generator, state.ema)
        run.facts["diagnostic"] = [f"parameters of step {kept.step} of another run"]
    draw.warm_up(run.feed, template)
    return run


def advance(run: Run) -> Iterator[Window]:
    """Do the remaining steps; yields after every window. The caller records and shows.

    Checkpoints are written on the way, the first before any update.
    """
    options = run.options
    folder = _checkpoints(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    if run.state.step == 0 and 0 not in checkpoint.steps(folder):
        checkpoint.write(folder, snapshot(run))
    sums: dict[str, float] = {}
    count = 0
    while run.state.step < run.total_steps:
        batch = _to(draw.draw(run.feed, run.template, seed=options.seed, step=run.state.step), run)
        _, metrics = step.train_step(run.state, batch)
        count += 1
        for name in ("loss", "grad_norm"):
            sums[name] = sums.get(name, 0.0) + float(metrics[name])
        at_end = run.state.step == run.total_steps
        if run.state.step % options.window == 0 or at_end:
            yield _window(run, batch, metrics, sums, count)
            sums, count = {}, 0
        if run.state.step % options.checkpoint_every == 0 or at_end:
            checkpoint.write(folder, snapshot(run))


def train(run: Run, listen: Callable[[Window], None]) -> None:
    """`advance` with the run's record: metadata live, one row a window, every end accounted for."""
    options = run.options
    options.folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(options.folder / "template.json", _pretty(run.template.model_dump(
        mode="json", by_alias=True)))  # fmt: skip
    record = RunRecord(options.folder, {**run.facts, **options.labels, "total": run.total_steps})
    log = WindowLog(options.folder / "metrics", after_step=run.state.step)
    record.update("running", step=run.state.step)
    try:
        for window in advance(run):
            log.append(dict(window.row))
            saved = checkpoint.steps(_checkpoints(options.folder))
            record.update("running", step=window.step, latest_window=window.step,
                          latest_checkpoint=saved[-1] if saved else None)  # fmt: skip
            listen(window)
    except BaseException as error:
        record.update("failed", step=run.state.step, error=f"{type(error).__name__}: {error}")
        raise
    saved = checkpoint.steps(_checkpoints(options.folder))
    record.update("completed", step=run.state.step, latest_checkpoint=saved[-1])


def snapshot(run: Run) -> Checkpoint:
    """Everything a later process needs to go on exactly."""
    state = run.state
    tensors = modules.capture(state.generator, state.optimizer, state.ema)
    for name, queue in (("by_class", run.feed.by_class), ("overall", run.feed.overall)):
        tensors |= {f"queue/{name}/{key}": value for key, value in queue.state_dict().items()}
    return Checkpoint(state.step, tensors, {**run.facts, "position": run.feed.loader.position})


def restore(run: Run, kept: Checkpoint) -> None:
    """Put a checkpoint into a run that was just built; a mismatch names the differing keys."""
    checkpoint.require_same(kept, run.facts)
    state = run.state
    modules.put_weights(kept, state.generator, state.ema)
    modules.put_moments(kept, state.generator, state.optimizer)
    if run.options.learning_rate is not None:
        state.config = dataclasses.replace(
            state.config, learning_rate=run.options.learning_rate, warmup_steps=0
        )
    run.feed.loader.position = kept.facts["position"]
    if run.template.queue.resume == "saved":
        run.feed.by_class.load_state_dict(kept.group("queue/by_class"))
        run.feed.overall.load_state_dict(kept.group("queue/overall"))
    else:  # the release fills its queues anew (DEC-0121): faithful, and not the same run bit by bit
        for _ in range(run.template.queue.resume_prefill_steps):
            draw.push(run.feed, run.template.queue.push_per_step)
    run.facts["diagnostic"] = list(kept.facts["diagnostic"])
    if run.options.learning_rate is not None:
        run.facts["diagnostic"].append(
            f"learning rate {run.options.learning_rate} from {kept.step}"
        )
    state.step = kept.step


def _window(
    run: Run, batch: step.StepBatch, metrics: Mapping[str, Tensor], sums: dict[str, float],
    count: int,
) -> Window:  # fmt: skip
    temperatures = run.template.loss.temperatures
    with torch.no_grad():
        samples = step.generate(run.state, batch)
    figures = alarms.diagnose(samples, batch, temperatures)
    row = {
        "step": run.state.step,
        "steps": count,
        "lr": float(metrics["lr"]),
        **{name: total / count for name, total in sums.items()},
        **alarms.field_norms(metrics, temperatures),
        **figures,
        "real_samples": run.feed.loader.position,
        "generated_samples": run.state.step * len(batch.noise),
    }
    said = alarms.alarms(figures)
    return Window(run.state.step, {**row, "alarms": said}, tuple(said))


def _to(batch: step.StepBatch, run: Run) -> step.StepBatch:
    device = run.options.device
    return batch if device == "cpu" else step.StepBatch(
        **{name: value.to(device) for name, value in vars(batch).items()}
    )  # fmt: skip


def _shape(template: Template) -> tuple[int, int, int]:
    height, width, channels = template.generator.input_shape
    return channels, height, width


def _checkpoints(folder: Path) -> Path:
    return folder / "checkpoints"


def _pretty(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"

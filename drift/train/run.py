"""A training run: its folder, its loop, and how it goes on after any kind of end.

A run is a function of template, data, encoder and seed. Its state is a step file; what is drawn at
a step depends on seed and step only, so a resumed run is, bit for bit on the CPU, the run that was
never interrupted. Neither depends on how many processes carry it out (`drift.ranks`).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drift import atomic, kernels
from drift.compiling import Policy, compiled
from drift.config import INPUTS, Template, fingerprint
from drift.data import Source
from drift.features import FeatureExtractor
from drift.queue import QueueUnderflow
from drift.ranks import ALONE, Ranks, parallel
from drift.sample.loading import BYPASSED, NO_GATES
from drift.state import checkpoint, loop, mirrors, modules, record, trial
from drift.state.checkpoint import Checkpoint
from drift.state.loop import Pace
from drift.train import alarms, beginning, build, draw, room, step, watch
from drift.train.batch import StepBatch
from drift.train.draw import Feed
from drift.train.step import TrainState
from drift.train.watch import Watch

Say = Callable[[str], None]


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
    kernel           of the loss, plain or compiled: the same loss to rounding (drift.kernels)
    learning_rate    replaces the template's on resume: a diagnostic run
    ranks, parallel  the processes of the run, and how they hold the generator between them
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
    kernel: str = "plain"
    labels: Mapping[str, Any] = field(default_factory=dict)  # of the record: gates, claims
    bypass_checks: tuple[str, ...] = ()
    mirrors: Mapping[str, Any] = field(default_factory=dict)
    ranks: Ranks = ALONE
    parallel: parallel.Kind = "ddp"


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
    watch: Watch
    say: Say = print
    widest: float = 0.0  # the largest spread of the windows so far
    _begun: bool = False  # whether this process has done a step
    _last: tuple[StepBatch, Mapping[str, Tensor]] | None = None

    @property
    def total_steps(self) -> int:
        """Updates of the whole run."""
        return self.template.optimizer.training_steps

    @property
    def done(self) -> int:
        """Updates done."""
        return self.state.step

    @property
    def pace(self) -> Pace:
        """Length and rhythm of the run."""
        options, loss = self.options, self.template.loss
        return Pace(
            options.folder, self.total_steps, options.window, options.checkpoint_every,
            options.device, images=loss.class_labels * loss.generated, from_the_start=True,
            ranks=options.ranks,
        )  # fmt: skip

    def step_once(self) -> Mapping[str, float]:
        """One update under its in-run clauses -> loss, gradient norm and raw fields.

        Raises Breach where one is broken; what was drawn or computed is then not used.
        """
        first, self._begun = not self._begun, True
        ranks = self.options.ranks
        if first:
            self.watch.require_strict(self.feed, replacement=self.template.queue.replacement)
        try:
            drawn = draw.draw_traced(
                self.feed, self.template, seed=self.options.seed, step=self.state.step
            )
            with ranks.agreed():
                self.watch.require_true_labels(drawn)
            batch = drawn.batch.to(self.options.device)
            _, metrics = step.train_step(self.state, batch)
        except QueueUnderflow as error:
            raise self.watch.breach(
                watch.STRICT, found=f"{error.found} ({error.place})", expected=error.expected,
                remedy=error.remedy,
            ) from error  # fmt: skip
        except step.NotFinite as error:
            raise self.watch.not_finite(error.figure) from error
        figures = {name: float(metrics[name]) for name in ("loss", "grad_norm")}
        figures |= alarms.field_norms(metrics, self.template.loss.temperatures)
        self.watch.require_finite(figures)
        if first:
            self.watch.require_frozen()
        self._last = batch, metrics
        return figures

    def row(self, means: Mapping[str, float], count: int) -> Mapping[str, Any]:
        """The row of a window; the slower in-run clauses are looked at first."""
        with self.options.ranks.agreed():
            self.watch.require_frozen()
            self.watch.require_finite_weights()
        assert self._last is not None
        row = _row(self, *self._last, means, count)
        self.watch.require_finite(row)  # weights may be numbers where samples are none
        return row

    def snapshot(self) -> Checkpoint:
        """Everything a later process needs to go on exactly; nothing broken is ever saved."""
        with self.options.ranks.agreed():
            self.watch.require_frozen()
            self.watch.require_same_encoder()
            self.watch.require_finite_weights()
        return snapshot(self)


def _models(
    template: Template, source: Source, extractor: FeatureExtractor, options: RunOptions
) -> TrainState:
    """The models of a run with their optimiser, once all that has to hold before does."""
    ranks, held = options.ranks, options.labels_per_pass
    with ranks.met():
        beginning.require_one(options.resume, options.model_from, options.learning_rate)
        trial.require_source(template, source)
        room.require_for_training(template, options.device, world=ranks.world, labels_per_pass=held)
        generator = build.generator(template, seed=options.seed).to(options.device)
        config = beginning.configured(template, held, options.kernel)
        extractor.to(options.device)
    state = TrainState.create(generator, extractor, config, ranks, options.parallel)
    trial.require_passes("models", lambda: beginning.one_sample(state, source), template)
    beginning.remember(state, source)
    if options.compile != "disable":
        # On the instance, so that names in the state dict stay as they are.
        generator.forward = compiled(generator.forward, options.compile)  # type: ignore[method-assign]
    return state


def start(
    template: Template,
    source: Source,
    extractor: FeatureExtractor,
    options: RunOptions,
    say: Say = print,
) -> Run:
    """A run before its next step: fresh, or from the newest good checkpoint of its folder.

    Every process of `options.ranks` calls it. Raises DriftError for data, folder or checkpoints
    that do not fit; nothing is then written.
    """
    ranks, folder = options.ranks, _checkpoints(options.folder)
    state = _models(template, source, extractor, options)
    run = Run(
        template=template,
        options=options,
        state=state,
        feed=draw.open_feed(template, source, seed=options.seed, ranks=ranks),
        facts=record.facts_of(template, source, options.seed)
        | {"encoder": build.parameters_digest(extractor.encoder), "diagnostic": []},
        watch=Watch.over(
            state, source, seed=options.seed, checkpoints=folder, skipped=options.bypass_checks
        ),
        say=say,
    )  # fmt: skip
    _mark(run, *_bypasses(template, options))
    if options.resume:
        kept = checkpoint.latest(folder, ranks, say)
        restore(run, kept)
        if ranks.writer:
            record.say_resumed(options.folder, kept.step, say)
        return run
    ranks.by_writer(lambda: checkpoint.require_none(folder))
    if options.model_from is not None:
        kept = checkpoint.latest(_checkpoints(options.model_from), ranks, say)
        _mark(run, *beginning.inherit(kept, state))
    draw.warm_up(run.feed, template)
    ranks.meet()
    return run


def train(run: Run, listen: Callable[[Window], None], heard: loop.Heard = loop.unheard) -> None:
    """The remaining steps with the run's record, metric log and mirrors.

    Raises Breach where an in-run clause is broken, Interrupted where a signal ended it in order,
    and DriftError where the disk refuses or another process is at work in the folder.
    """
    options = run.options
    facts = {**run.facts, **options.labels, "in_run": run.watch.record()}
    facts |= {"processes": options.ranks.world, "parallel": options.parallel}
    facts["kernel"] = kernels.used(run.state.config.kernel, torch.device(options.device))
    if any(said.startswith((BYPASSED, NO_GATES)) for said in run.facts["diagnostic"]):
        facts["tier"] = "none"
    with loop.held(run.pace, done=run.state.step, resumed=options.resume, say=run.say):
        options.ranks.by_writer(lambda: _write_template(run))
        loop.recorded(
            run, run.pace, facts, lambda row: listen(_window(row)), heard=heard,
            mirror=lambda: mirrors.open_mirror(
                options.mirrors, options.folder, facts, after=run.state.step, say=run.say
            ),
        )  # fmt: skip


def _write_template(run: Run) -> None:
    folder, template = run.options.folder, run.template
    stated = {"template.json": template, **({INPUTS: template.inputs} if template.inputs else {})}
    try:
        for name, one in stated.items():
            text = json.dumps(one.model_dump(mode="json", by_alias=True), indent=1, sort_keys=True)
            atomic.write_text(folder / name, text + "\n")
    except OSError as error:
        raise loop.unwritable(folder, error) from error


def snapshot(run: Run) -> Checkpoint:
    """Everything a later process needs to go on exactly, however many there are; on the writer."""
    state = run.state
    tensors = modules.capture(state.generator, state.optimizer, state.ema)
    for name, queue in run.feed.queues().items():
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
            state.config, learning_rate=run.options.learning_rate, warmup_steps=0, schedule="const"
        )
    run.feed.loader.position = kept.facts["position"]
    if run.template.queue.resume == "saved":
        for name, queue in run.feed.queues().items():
            queue.load_state_dict(kept.group(f"queue/{name}"))
    else:  # the release fills its queues anew (DEC-0121): faithful, and not the same run bit by bit
        for _ in range(run.template.queue.resume_prefill_steps):
            draw.push(run.feed, run.template.queue.push_per_step)
    _mark(run, *kept.facts["diagnostic"])
    if run.options.learning_rate is not None:
        _mark(run, f"learning rate {run.options.learning_rate} from {kept.step}")
    state.step = kept.step
    log = run.options.folder / "metrics" / record.LOG
    rows = record.rows(log, up_to=kept.step, needs=[*norms(run.template), "spread", "overlap"])
    run.widest = max((row["spread"] for row in rows), default=0.0)


def norms(template: Template) -> list[str]:
    """Names of the field norms in a row, one a temperature."""
    return [f"field/{tau}" for tau in template.loss.temperatures]


def _mark(run: Run, *said: str) -> None:
    """Write into every later checkpoint what demotes the numbers made from it, each thing once."""
    run.facts["diagnostic"] = list(dict.fromkeys([*run.facts["diagnostic"], *said]))


def _bypasses(template: Template, options: RunOptions) -> list[str]:
    """What was bypassed when the run began; it stays with the weights through every resume."""
    asked = options.labels.get("gates", {})
    bypass = asked.get("bypass")
    gates = [f"{BYPASSED}: {bypass}"] if bypass else []
    if template.fidelity == "faithful" and asked.get("fingerprint") != fingerprint(template):
        gates.append(NO_GATES)  # none were asked, or they were asked about another template
    return gates + watch.bypasses(dict.fromkeys(options.bypass_checks))


def _row(
    run: Run, batch: StepBatch, metrics: Mapping[str, Tensor], means: Mapping[str, float],
    count: int,
) -> Mapping[str, Any]:  # fmt: skip
    with torch.no_grad():
        samples = step.generate(run.state, batch)
    temperatures = run.template.loss.temperatures
    figures = alarms.diagnose(samples, batch, temperatures, run.options.ranks)
    row = {
        "step": run.state.step,
        "steps": count,
        "lr": float(metrics["lr"]),
        **means,
        **alarms.field_norms(metrics, temperatures),
        **figures,
        "real_samples": run.feed.loader.position,
        "generated_samples": run.state.step * run.pace.images,
    }
    warming = run.state.step <= run.template.optimizer.warmup_steps
    said = alarms.alarms(figures, widest=run.widest, warming=warming)
    run.widest = max(run.widest, figures["spread"])
    return {**row, "alarms": said}


def _window(row: Mapping[str, Any]) -> Window:
    return Window(row["step"], row, tuple(row["alarms"]))


def _checkpoints(folder: Path) -> Path:
    return folder / "checkpoints"

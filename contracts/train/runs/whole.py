"""Checks of whole small runs: a sound one goes through, a fault stops it at the first breach.

The engine's own run on the embedded digits, with a generator and an encoder of a few thousand
parameters. Each check plants one fault from outside; the mutants make faults of the engine's own,
or take its eyes away.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from drift.evaluate import records
from drift.sample import loading
from drift.state import checkpoint
from drift.train import draw, run, watch
from verify.api import CheckContext, Measurement, check

from ...common import small_run
from ...evaluation.protocol import PAPER_EVAL

Listen = Callable[[run.Run], None]
NEVER_SAVED = (watch.FINITE, watch.FROZEN)  # what a checkpoint would carry on in its weights


@contextmanager
def begun(seed: int, **options: Any) -> Iterator[run.Run]:
    """A run of four steps, a window and a checkpoint after every second; gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        yield small_run.start(
            Path(name) / "run", seed=seed, window=2, checkpoint_every=2, **options
        )


def carried_out(started: run.Run, at_window: Listen) -> Exception | None:
    """What ends the run, if something does; `at_window` may spoil the run between steps."""
    try:
        run.train(started, lambda window: at_window(started))
    except Exception as error:  # any but a breach is a fault that a clause should have named
        return error
    return None


def poison_parameters(started: run.Run) -> None:
    """A parameter becomes NaN."""
    with torch.no_grad():
        next(started.state.generator.parameters()).fill_(float("nan"))


def empty_a_class(started: run.Run) -> None:
    """Every class queue forgets all but two of its samples."""
    state = started.feed.by_class.state_dict()
    counts = torch.full_like(state["count"], 2)
    started.feed.by_class.load_state_dict(state | {"ptr": counts, "count": counts.clone()})


def exchange_two_classes(started: run.Run) -> None:
    """The samples of class c lie under class c + 1; which places they come from is kept."""
    state = started.feed.by_class.state_dict()
    started.feed.by_class.load_state_dict(state | {"bank": state["bank"].roll(1, 0)})


def train_the_encoder(started: run.Run) -> None:
    """The encoder takes a step of its own."""
    with torch.no_grad():
        for parameter in started.state.extractor.encoder.parameters():
            parameter.add_(1.0e-4)


FAULTS: Mapping[str, tuple[str, Listen]] = {
    "not-finite": (watch.FINITE, poison_parameters),
    "underflow": (watch.STRICT, empty_a_class),
    "labels": (watch.LABELS, exchange_two_classes),
    "encoder": (watch.FROZEN, train_the_encoder),
}


@check("train.in_run")
def in_run(ctx: CheckContext) -> Measurement:
    """A sound run is completed; one with the fault stops, says where, and saves nothing of it."""
    clause, fault = FAULTS[ctx.params["fault"]]
    with begun(ctx.seed) as started:
        found = carried_out(started, lambda going: None)
        if found is not None:
            return ctx.decide(False, f"a sound run was stopped: {found}")
    with begun(ctx.seed) as started:
        stopped = carried_out(started, _once(fault))
        problems = list(_problems(started, stopped, clause))
    reason = "; ".join(problems) or f"stopped after the fault: {stopped}"
    return ctx.decide(not problems, reason)


def _once(fault: Listen) -> Listen:
    """The fault happens at the first window only: after step 2."""
    seen: list[int] = []

    def at_window(started: run.Run) -> None:
        if not seen:
            seen.append(started.state.step)
            fault(started)

    return at_window


def _problems(started: run.Run, stopped: Exception | None, clause: str) -> Iterator[str]:
    """What is wrong with how a run with a fault after step 2 ended."""
    folder = started.options.folder
    record = json.loads((folder / "run_metadata.json").read_text(encoding="utf-8"))
    if stopped is None:
        yield f"the run went on to its end and is {record['status']}"
        return
    if not isinstance(stopped, watch.Breach):
        yield f"no clause was named: {type(stopped).__name__}: {stopped}"
        return
    if stopped.clause != clause:
        yield f"clause {stopped.clause} was named"
    if stopped.step not in (2, 3):
        yield f"it stopped after {stopped.step} updates"
    if record["status"] != "failed" or clause not in record.get("error", ""):
        yield f"the record says {record['status']}: {record.get('error')}"
    saved = checkpoint.steps(folder / "checkpoints")
    if clause in NEVER_SAVED and saved[-1] != 0:
        yield f"a checkpoint was saved after the fault: step {saved[-1]}"
    if f"checkpoint is that of step {saved[-1]}." not in stopped.remedy:
        yield f"the last good checkpoint, {saved[-1]}, is not named"


@check("train.bypass_demotes")
def bypass_demotes(ctx: CheckContext) -> Measurement:
    """A check that is left out is in the record, in every checkpoint, and in every number."""
    with begun(ctx.seed, bypass_checks=(watch.LABELS,)) as started:
        stopped = carried_out(started, _once(exchange_two_classes))
        if stopped is not None:
            return ctx.decide(False, f"the check was not left out: {stopped}")
        folder = started.options.folder
        record = json.loads((folder / "run_metadata.json").read_text(encoding="utf-8"))
        (folder / "run_metadata.json").unlink()  # the mark has to travel with the weights
        origin = loading.load(folder).origin
    bypassed = record.get("in_run", {}).get("bypassed")
    facts = replace(PAPER_EVAL, bypasses=origin.bypasses)
    axis, _ = records.axis_of(facts)
    tier = records.tier_of(facts, axis)
    good = bypassed == [watch.LABELS] and (axis, tier) == (records.SMOKE, "none")
    reason = f"recorded {bypassed}; the weights say {list(origin.bypasses)}: {axis}, tier {tier}"
    return ctx.decide(good, reason)


@check("train.record_of_queues")
def record_of_queues(ctx: CheckContext) -> Measurement:
    """Every positive of some steps is, value for value, the source's sample of its label."""
    wrong = []
    with begun(ctx.seed) as started:
        source = started.feed.loader.source
        for step in range(ctx.params["steps"]):
            drawn = draw.draw_traced(started.feed, started.template, seed=ctx.seed, step=step)
            again = source.get(drawn.origins.flatten()).reshape(drawn.batch.positives.shape)
            own = source.labels[drawn.origins]
            if not torch.equal(again, drawn.batch.positives):
                wrong.append(f"step {step}: samples that are not the source's")
            if not bool((own == drawn.batch.labels[:, None]).all()):
                wrong.append(f"step {step}: labels that are not the source's")
    return ctx.decide(
        not wrong, "; ".join(wrong) or f"{ctx.params['steps']} steps are the source's"
    )

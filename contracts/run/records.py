"""Checks on whole runs on digits: pre-trained, trained and measured beside their baselines.

The figures are read from evaluation records of the digits template exactly as it is now; a record
of another template, without what draws its samples again, or fewer runs than asked for, is no
evidence. Figures and intervals, the run's and its baselines', are computed again from components.
Verdicts are drawn here from values and intervals, not taken from the record.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from verify.api import CheckContext, Measurement, check, mutant
from verify.numeric.arrays import worst_of

from ..evaluation import components
from ..evaluation import records as evaluation

TEMPLATE = "digits"
EXTRACTOR = "drift-mae-layer4-pca64"
PROXY = "proxy"
NEEDS = ("load_template", "template_fingerprint")
Record = dict[str, Any]
Pairs = dict[str, list[tuple[Record, Record]]]


def runs(ctx: CheckContext) -> list[Record] | Measurement:
    """The records of distinct whole runs, or why they are not enough.

    All evaluations of a run are judged, so that nobody picks the seed of samples that looks best.
    The clause may name another embedded set than the digits of 8 x 8 by `template`.
    """
    name = template_of(ctx)
    template = ctx.subject.load_template(name)
    wanted = {
        "template_fingerprint": ctx.subject.template_fingerprint(template),
        "step": template.optimizer.training_steps,
        "axis": PROXY,
        "weights": "ema",
        "labels": "balanced",
        "alpha": template.evaluation.alpha,
        "samples": template.evaluation.samples,
        "bypasses": [],
        "selected_from": 1,
        "extractor": EXTRACTOR,
    }
    try:
        everything = evaluation.load_records(ctx.evidence_dir)
    except components.RecordError as error:
        return ctx.decide(False, str(error))
    found = [
        record
        for record in everything
        if record["checkpoint_sha256"] and record.get("trace")
        and all(record.get(k) == v for k, v in wanted.items())
    ]  # fmt: skip
    least, distinct = int(ctx.params["runs"]), checkpoints(found)
    if len(distinct) < least:
        return ctx.missing(
            f"{len(distinct)} of {least} evaluations of whole runs of the present {name} template, "
            "with what draws their samples again; "
            f"`drift pretrain {name}`, `drift train {name}`, `drift eval` make one for each --seed"
        )
    problems = ((Path(one["path"]).name, _problem(one)) for one in found)
    wrong = next((f"{name}: {problem}" for name, problem in problems if problem), None)
    return ctx.decide(False, wrong) if wrong else found


def checkpoints(records: list[Record]) -> set[str]:
    """The runs that records are about, by the digests of their weights."""
    return {record["checkpoint_sha256"] for record in records}


def template_of(ctx: CheckContext) -> str:
    """The template whose runs a clause judges."""
    return str(ctx.params.get("template", TEMPLATE))


def _problem(record: Record) -> str | None:
    """What a record says that its components do not; None where they agree."""
    try:
        return components.problem_of(record)
    except components.RecordError as error:
        return str(error)


def provenance(records: list[Record]) -> dict[str, int | str | None]:
    """What stands behind the figure: each run is one seed."""
    return {
        "samples": min(record["samples"] for record in records),
        "seeds": len(checkpoints(records)),
        "steps": min(record["step"] for record in records),
    }


@check("digits_run.accuracy", needs=NEEDS)
def accuracy(ctx: CheckContext) -> Measurement:
    """Share of samples that the judge names otherwise than asked, of the worst run."""
    found = runs(ctx)
    if isinstance(found, Measurement):
        return found
    right = [record["metrics"]["class_accuracy"]["value"] for record in found]
    return ctx.judge(
        1.0 - min(right), f"class accuracy {', '.join(f'{one:.3f}' for one in sorted(right))}",
        unit="of the samples", axis=PROXY, provenance=provenance(found),
    )  # fmt: skip


@check("digits_run.classes", needs=NEEDS)
def classes(ctx: CheckContext) -> Measurement:
    """Classes that are not covered, or whose samples are all alike, in any run."""
    found = runs(ctx)
    if isinstance(found, Measurement):
        return found
    lost = [10 - record["classes_covered"] + len(record["collapsed"]) for record in found]
    return ctx.judge(
        max(lost), f"{max(lost)} classes lost or collapsed in the worst of {len(found)} runs",
        unit="classes", axis=PROXY, provenance=provenance(found),
    )  # fmt: skip


@check("digits_run.beats", needs=NEEDS)
def beats(ctx: CheckContext) -> Measurement:
    """How far a run's interval reaches into a baseline's: at most zero where it is better."""
    return _beside(ctx, _overlap)


@check("digits_run.not_worse", needs=NEEDS)
def not_worse(ctx: CheckContext) -> Measurement:
    """How far a run's interval lies beyond a baseline's, on the worse side."""
    return _beside(ctx, lambda ours, theirs: -_overlap(theirs, ours))


@check("digits_run.better_together", needs=NEEDS)
def better_together(ctx: CheckContext) -> Measurement:
    """How far zero lies inside the interval of the mean difference: at most zero where outside.

    Half-widths add as squares, as those of independent figures do. Distances are that: every run
    and every baseline is drawn anew. Coverage asks of all the same real digits: what the runs share
    makes the sum too small, what run and baseline share makes it too large. The spread from one
    training to the next is not in it, so every lead is said.
    """
    found = _pairs(ctx)
    if isinstance(found, Measurement):
        return found
    records, pairs = found
    if len({tuple(record["seeds"]) for record in records}) < len(records):
        return ctx.missing(
            "records of one sampling seed, whose baselines are the same samples; "
            "`drift eval RUN --seed S` with another S for each run"
        )
    worst, said = -float("inf"), []
    for name, sides in pairs.items():
        leads = [_ahead(*pair) for pair in sides]
        ahead = sum(leads) / len(sides)
        halves = [_half(one) for pair in sides for one in pair]
        half = math.hypot(*halves) / len(sides)
        # An interval without width is one that could not be measured: it parts from nothing.
        worst = worst_of((worst, (half - ahead) / half if all(halves) else 1.0))
        each = ", ".join(f"{lead:+.2g}" for lead in leads)
        said.append(f"{name} better by {ahead:.3g} +- {half:.2g} ({each})")
    return ctx.judge(
        worst, "; ".join(said), unit="of the difference's half-width", axis=PROXY,
        provenance=provenance(records),
    )  # fmt: skip


def _beside(ctx: CheckContext, compare: Callable[[Record, Record], float]) -> Measurement:
    """The worst comparison with one baseline, over runs and metrics."""
    found = _pairs(ctx)
    if isinstance(found, Measurement):
        return found
    records, pairs = found
    said = [
        f"{name} {ours['value']:.3g} against {theirs['value']:.3g}"
        for name, sides in pairs.items() for ours, theirs in sides
    ]  # fmt: skip
    return ctx.judge(
        max(compare(*pair) for sides in pairs.values() for pair in sides), "; ".join(said),
        unit="of the wider interval", axis=PROXY, provenance=provenance(records),
    )  # fmt: skip


def _pairs(ctx: CheckContext) -> tuple[list[Record], Pairs] | Measurement:
    """The runs; for each metric the figures of each run and of its baseline."""
    found = runs(ctx)
    if isinstance(found, Measurement):
        return found
    rival = str(ctx.params["rival"])
    for record in found:
        if rival not in record.get("baselines", {}):
            return ctx.missing(f"{record['path']}: no baseline {rival!r}")
        if record["baselines"][rival].get("steps", record["step"]) != record["step"]:
            return ctx.decide(False, f"{record['path']}: {rival!r} was not trained as long")
    return found, {
        name: [(one["metrics"][name], one["baselines"][rival]["metrics"][name]) for one in found]
        for name in ctx.params["metrics"]
    }


def _ahead(ours: Record, theirs: Record) -> float:
    """By how much our value is the better one."""
    lead = float(theirs["value"] - ours["value"])
    return lead if ours["better"] == "lower" else -lead


def _half(figure: Record) -> float:
    low, high = figure["interval"]
    return float(high - low) / 2


def _overlap(ours: Record, theirs: Record) -> float:
    """From the worse end of ours to the better end of theirs, over the wider interval's width."""
    sides = (ours["interval"], theirs["interval"])
    width = max(high - low for low, high in sides) or 1.0
    if ours["better"] == "lower":
        return float((sides[0][1] - sides[1][0]) / width)
    return float((sides[1][1] - sides[0][0]) / width)


@contextmanager
def _read_as(change: Callable[[list[Record]], list[Record]]) -> Iterator[None]:
    """Records that are changed as a whole: their components are taken to agree."""
    original = evaluation.load_records
    with (
        patch.object(evaluation, "load_records", lambda folder: change(original(folder))),
        patch(f"{__name__}._problem", lambda record: None),
    ):
        yield


def _changed(change: Callable[[Record], Record]) -> AbstractContextManager[None]:
    return _read_as(lambda records: [change(record) for record in records])


@mutant("digits_run.names_confused")
def names_confused(subject: object) -> AbstractContextManager[Any]:
    """One sample in ten more is another digit than was asked for."""

    def change(record: Record) -> Record:
        metrics = dict(record["metrics"])
        if "class_accuracy" in metrics:
            figure = metrics["class_accuracy"]
            metrics["class_accuracy"] = figure | {"value": figure["value"] - 0.1}
        return record | {"metrics": metrics}

    return _changed(change)


@mutant("digits_run.class_lost")
def class_lost(subject: object) -> AbstractContextManager[Any]:
    """One digit is never generated."""
    return _changed(lambda record: record | {"classes_covered": 9})


@mutant("digits_run.class_collapsed")
def class_collapsed(subject: object) -> AbstractContextManager[Any]:
    """All samples of one digit are alike."""
    return _changed(lambda record: record | {"collapsed": [4]})


@mutant("digits_run.as_good_as")
def as_good_as(subject: object, *, rival: str) -> AbstractContextManager[Any]:
    """The runs are no better than a baseline: they have the baseline's own figures."""

    def change(record: Record) -> Record:
        theirs = record.get("baselines", {}).get(rival)
        return record | {"metrics": record["metrics"] | theirs["metrics"]} if theirs else record

    return _changed(change)


@mutant("digits_run.one_run_in_three")
def one_run_in_three(subject: object, *, rival: str) -> AbstractContextManager[Any]:
    """All runs but one are as far behind a baseline as they may be ahead of it."""

    def change(records: list[Record]) -> list[Record]:
        held = [record for record in records if rival in record.get("baselines", {})]
        return [*held[:1], *(_behind(record, rival) for record in held[1:])]

    return _read_as(change)


def _behind(record: Record, rival: str) -> Record:
    """The run where it leads, behind by its lead instead."""
    metrics = dict(record["metrics"])
    for name in ("fid_proxy", "coverage"):
        ours, theirs = metrics[name], record["baselines"][rival]["metrics"][name]
        back = 2 * max(0.0, _ahead(ours, theirs)) * (1 if ours["better"] == "lower" else -1)
        moved = [end + back for end in ours["interval"]]
        metrics[name] = ours | {"value": ours["value"] + back, "interval": moved}
    return record | {"metrics": metrics}


@mutant("digits_run.typed")
def typed(subject: object, *, of: str = "", metric: str) -> AbstractContextManager[Any]:
    """A figure of the run, or of a baseline, was typed; its components were not."""
    original = evaluation.load_records

    def change(record: Record) -> Record:
        holder = record.get("baselines", {}).get(of) if of else record
        if not holder or metric not in holder["metrics"]:
            return record
        figure = holder["metrics"][metric]
        moved = figure | {"value": figure["value"] * 1.001, "interval": [0.0, 99.0]}
        metrics = holder["metrics"] | {metric: moved}
        if not of:
            return record | {"metrics": metrics}
        return record | {"baselines": record["baselines"] | {of: holder | {"metrics": metrics}}}

    def load(folder: Path) -> list[Record]:
        return [change(record) for record in original(folder)]

    return patch.object(evaluation, "load_records", load)


@mutant("digits_run.components_gone")
def components_gone(subject: object, *, metric: str) -> AbstractContextManager[Any]:
    """The arrays of one figure are not among the components."""
    original = components.read_arrays

    def read(*given: Any) -> dict[str, Any]:
        return {k: v for k, v in original(*given).items() if f"{metric}/" not in k}

    return patch.object(components, "read_arrays", read)

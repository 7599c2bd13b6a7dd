"""Where experiments are carried out: every arm of every seed as steps that arms share.

An arm that only asks for another checkpoint or another guidance trains nothing: its training has
the key of the others'. Whether a stage is done is read from the records of those steps.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from drift import atomic, gates
from drift.config import Template, load_template, override
from drift.errors import DriftError
from drift.experiment import designs, judging
from drift.experiment.cycle import Continued, Experiment, LastSteps, Stage
from drift.experiment.designs import Arm, Planned
from drift.experiment.judging import Paired
from drift.reproduce import continuing, pipeline, steps
from drift.reproduce.pipeline import Carrier, NotDoneError
from drift.reproduce.request import Judging, Request, require_whole
from drift.reproduce.store import Done

NEUTRAL = 1_000  # added to the seed of the encoder that judges two others
EVERY = 250


@dataclass(frozen=True)
class Lab:
    """The folder of all steps, and what real data beyond the digits need."""

    root: Path
    data: Path | None = None
    statistics: Path | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Outcome:
    """What a stage gave: its contrasts, on one axis, and the region that they speak about."""

    contrasts: Mapping[str, Paired]
    axis: str
    region: Mapping[str, Any]

    @property
    def main(self) -> tuple[str, Paired]:
        """The contrast that the payoff is about."""
        return next(iter(self.contrasts.items()))


def carry_out(experiment: Experiment, stage: Stage, lab: Lab, say: Callable[[str], None]) -> None:
    """Every arm of every seed of a stage; what is done is not done again."""
    lab.root.mkdir(parents=True, exist_ok=True)
    with atomic.locked(lab.root, say):
        _records(experiment, stage, lab, Carrier(lab.root / "steps", say))


def look(experiment: Experiment, stage: Stage, lab: Lab) -> Outcome | None:
    """The outcome of a stage, from its records alone; None where one is missing."""
    if not lab.root.is_dir():
        return None
    try:
        found = _records(experiment, stage, lab, Carrier(lab.root / "steps", _quiet, plans=True))
    except NotDoneError:
        return None
    metric, plan = experiment.payoff.metric, _planned(experiment, stage)
    better, axis = _one_kind(experiment, found)
    values = {
        arm: [float(record["metrics"][metric]["value"]) for record in records]
        for arm, records in found.items()
    }
    contrasts = {
        name: judging.paired(values, weights, better=better)
        for name, weights in plan.contrasts.items()
    }
    return Outcome(contrasts, axis, _region(experiment, stage, found))


def runs(experiment: Experiment, stage: Stage) -> int:
    """How often something is measured."""
    return len(_planned(experiment, stage).arms) * len(experiment.stage(stage).seeds)


def _planned(experiment: Experiment, stage: Stage) -> Planned:
    return designs.planned(experiment.design, _template(experiment, stage))


def _template(experiment: Experiment, stage: Stage, arm: Arm | None = None) -> Template:
    settings = experiment.stage(stage).settings + (arm.settings if arm else ())
    return override(load_template(experiment.template), settings)


def _records(
    experiment: Experiment, stage: Stage, lab: Lab, carry: Carrier
) -> dict[str, list[Mapping[str, Any]]]:
    """Arm -> the record of each seed."""
    arms, seeds = _planned(experiment, stage).arms, experiment.stage(stage).seeds
    return {
        arm.name: [_record(experiment, stage, arm, seed, lab, carry) for seed in seeds]
        for arm in arms
    }


def _record(
    experiment: Experiment, stage: Stage, arm: Arm, seed: int, lab: Lab, carry: Carrier
) -> Mapping[str, Any]:
    request = Request(
        _template(experiment, stage, arm), lab.root, seed=seed, device=lab.device, data=lab.data,
        checkpoint_every=_every(experiment),
        judging=Judging(arm.step, arm.alpha, baselines=False, statistics=lab.statistics),
    )  # fmt: skip
    require_whole(request)
    if arm.neutral:
        judge = _neutral(experiment, stage, request, carry)
        request = replace(request, judging=replace(request.judging, encoder=judge))
    if arm.continued is None:
        record = pipeline.measured(request, carry).record
    else:
        record = _continued(request, arm.continued, carry)
    found: Mapping[str, Any] = json.loads((record.folder / steps.RECORD).read_bytes())
    return found


def _neutral(experiment: Experiment, stage: Stage, request: Request, carry: Carrier) -> Done:
    """The encoder of the base's settings and of a seed that no arm has."""
    base = _planned(experiment, stage).arms[0]
    template, seed = _template(experiment, stage, base), request.seed + NEUTRAL
    other = replace(request, template=template, seed=seed)
    return carry(steps.pretrain(other, steps.known_of(carry(steps.data(other)))))


def _continued(request: Request, how: tuple[int, bool, float], carry: Carrier) -> Done:
    at, restored, rate = how
    known = steps.known_of(carry(steps.data(request)))
    encoder = carry(steps.pretrain(request, known))
    base = carry(steps.train(request, known, encoder))
    request = request if restored else continuing.reset(request, at, rate)
    run = carry(continuing.step(request, known, encoder, base, at, rate if restored else None))
    return carry(steps.evaluate(request, run, encoder))


def _every(experiment: Experiment) -> int:
    """Steps between checkpoints, so that there is one wherever the design looks."""
    design = experiment.design
    if isinstance(design, Continued):
        return design.at
    return math.gcd(*design.steps) if isinstance(design, LastSteps) else EVERY


def _one_kind(
    experiment: Experiment, found: Mapping[str, list[Mapping[str, Any]]]
) -> tuple[str, str]:
    """(which way is better, the axis) of the payoff's figure in all records."""
    metric = experiment.payoff.metric
    records = [record for of_arm in found.values() for record in of_arm]
    for record in records:
        if metric not in record["metrics"]:
            raise DriftError(
                f"{experiment.name}: payoff.metric", found=metric,
                expected=f"one of {', '.join(sorted(record['metrics']))}",
            )  # fmt: skip
    ways = {record["metrics"][metric]["better"] for record in records}
    numbers = [(r["source"], float(r["metrics"][metric]["value"]), r["axis"]) for r in records]
    (better,) = ways
    gates.best_first(numbers, metric, better=better if better == "higher" else "lower")
    return better, str(records[0]["axis"])


def _region(
    experiment: Experiment, stage: Stage, found: Mapping[str, list[Mapping[str, Any]]]
) -> dict[str, Any]:
    """What the result is about; nothing follows from it for anything else."""
    records = [record for of_arm in found.values() for record in of_arm]
    return {
        "template": experiment.template,
        "settings": list(experiment.stage(stage).settings),
        "steps": sorted({record["step"] for record in records}),
        "samples": sorted({record["samples"] for record in records}),
        "alpha": sorted({record["alpha"] for record in records}),
        "seeds": list(experiment.stage(stage).seeds),
        "fingerprints": sorted({str(record["template_fingerprint"]) for record in records}),
    }


def _quiet(text: str) -> None:
    """What is only looked at is not said."""

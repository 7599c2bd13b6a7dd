"""A whole `drift toy`: which runs, where their results go, and what is said about them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

import drift
from drift import devices, digits
from drift.errors import InputError
from drift.progress import progress
from drift.toy import output, pictures, targets
from drift.toy.train import OBJECTIVES, RECIPES, Plan, Run, shorter, train

ALL = "all"


def toy(
    target: str,
    start: str,
    *,
    steps: int | None,
    seed: int,
    out: Path | None,
    ablate: bool,
    force: bool,
    device: str,
) -> Iterator[str]:
    """Train, write one result directory per target, and yield one line for each.

    target, start  a name, or "all"; digits have one start of their own
    Raises DriftError before any training where a device, a directory or a library is missing.
    """
    device = devices.chosen(device)
    pictures.require_matplotlib()
    names = list(targets.TARGETS) if target == ALL else [target]
    if target == targets.Handwritten.name and start != ALL:
        raise InputError("--init", found=start, expected="no --init with digits: it has one start")
    places = {name: place_of(name, out, several=target == ALL) for name in names}
    for place in places.values():
        output.refuse_to_overwrite(place, force=force)
    for name, place in places.items():
        plans = plans_for(name, start, steps, seed, ablate, device)
        with output.fresh_directory(place, force=force) as working:
            runs = run_all(name, plans, working)
        yield f"{result_line(name, runs)}; {place}"


def place_of(name: str, out: Path | None, *, several: bool) -> Path:
    """toy-NAME, or the directory asked for, with one folder in it for each of several targets."""
    if out is None:
        return Path(f"toy-{name}")
    return out / name if several else out


def plans_for(
    name: str, start: str, steps: int | None, seed: int, ablate: bool, device: str
) -> list[Plan]:
    """The runs of one target: its starts, each with the attraction-only ablation if asked for."""
    every = list(targets.TARGETS[name].starts)
    starts = [start] if start in every else every
    objectives = OBJECTIVES if ablate else OBJECTIVES[:1]
    recipe = shorter(RECIPES[name], steps)
    return [Plan(s, seed, recipe, objective, device) for s in starts for objective in objectives]


def run_all(name: str, plans: list[Plan], working: Path) -> list[Run]:
    """Train every plan and leave log, picture and summary in `working`."""
    target, runs = targets.make(name), []
    for plan in plans:
        what = f"{name}, {plan.start}, {plan.objective}"
        with progress(what, plan.recipe.steps) as advance:
            runs.append(
                train(
                    target,
                    plan,
                    on_update=advance,
                    on_row=lambda row: output.append_json(working / output.METRICS, row),
                )
            )
    (working / output.PICTURE).write_bytes(pictures.render(target, runs))
    output.write_json(working / output.SUMMARY, summary(name, runs))
    return runs


def summary(name: str, runs: list[Run]) -> dict[str, Any]:
    """What the figures depend on, and the figures at both ends of every run."""
    plan = runs[0].plan
    return {
        "schema": "drift/toy/1",
        "axis": "proxy",
        "target": name,
        "seed": plan.seed,
        "device": plan.device,
        "versions": {"drift": drift.__version__, "torch": torch.__version__},
        "data_sha256": digits.SHA256 if name == "digits" else None,
        "recipe": vars(plan.recipe),
        "runs": [_outcome(run) for run in runs],
    }


def _outcome(run: Run) -> dict[str, Any]:
    assert run.first is not None
    assert run.last is not None
    return {
        "start": run.plan.start,
        "objective": run.plan.objective,
        "seconds": round(run.seconds, 3),
        "drift": {str(tau): run.drift_at(tau) for tau in run.plan.recipe.temperatures},
        "first": run.first.row(),
        "last": run.last.row(),
    }


def result_line(name: str, runs: list[Run]) -> str:
    """One line: the worst of the starts, and of the ablation where it was run."""
    modes = targets.TARGETS[name].modes
    full = [run for run in runs if run.plan.objective == "drifting"]
    ablated = [run for run in runs if run.plan.objective != "drifting"]
    tau = max(full[0].plan.recipe.temperatures)
    falls = [_fall(run, tau) for run in full]
    parts = [
        f"toy {name} [proxy]: {_worst(full, modes)}",
        f"drift at {tau:g}: {', '.join(falls)}",
    ]
    if ablated:
        parts.append(f"attraction only: {_worst(ablated, modes)}")
    parts.append(f"{sum(run.seconds for run in runs):.1f} s")
    return "; ".join(parts)


def _fall(run: Run, temperature: float) -> str:
    first, last = run.drift_at(temperature)
    return f"{run.plan.start} {first:.2g} -> {last:.2g}"


def _worst(runs: list[Run], modes: int) -> str:
    last = [run.last for run in runs if run.last is not None]
    distance = max(figures.energy_distance for figures in last)
    covered = min(figures.modes_covered for figures in last)
    return f"energy distance {distance:.3g}, {covered} of {modes} modes"

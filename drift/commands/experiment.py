"""`drift experiment`: cycles of at most three experiments, judged by paired intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from drift.experiment import cycle, lab, queue
from drift.experiment.cycle import STAGES, Experiment
from drift.experiment.judging import Paired
from drift.experiment.lab import Lab
from drift.experiment.queue import Standing

place = click.Path(path_type=Path, resolve_path=True)


def lab_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where the steps lie, and what real data need."""
    for option in (
        click.option("--device", default="cpu", show_default=True, help="cpu or cuda[:N]."),
        click.option("--statistics", type=place, help="Of real images; not for digits."),
        click.option("--data", type=place, help="Latent cache or image folder; not for digits."),
        click.option("--out", "root", type=click.Path(path_type=Path), show_default=True,
                     default=Path("runs/experiments"), help="Folder of all steps."),
        click.argument("file", metavar="CYCLE", type=click.Path(path_type=Path)),
    ):  # fmt: skip
        command = option(command)
    return command


@click.group("experiment")
def command() -> None:
    """Experiments in cycles of at most three, each from smoke over proxy to full.

    CYCLE is a file such as experiments/cycle-001.yaml; docs/reproduce.md has every design. What
    came out is computed from the records of the runs, and so is which stage is next.
    """


@command.command("plan")
@lab_options
def plan(file: Path, **room: Any) -> None:
    """Say what a cycle asks, costs and hopes for, and what each stage comes to. Does nothing."""
    found = cycle.read(file)
    cycle.before(file, found)
    for one in found.experiments:
        click.echo("\n".join(_planned(one)))


@command.command("run")
@lab_options
@click.option("--only", metavar="NAME", help="This experiment of the cycle.")
def run(file: Path, only: str | None, **room: Any) -> None:
    """Carry out the next stage of each experiment; refused while the cycle before has work left.

    Steps that are done are not done again, and arms share them. Writes queue.json beside CYCLE.
    """
    now = queue.run(file, cycle.read(file), _lab(room), _aloud, only=only)
    _tell(now)


@command.command("status")
@lab_options
def status(file: Path, **room: Any) -> None:
    """Say how far each experiment is, with its paired intervals, from the records alone."""
    _tell(queue.standings(cycle.read(file), _lab(room)))


def _lab(given: dict[str, Any]) -> Lab:
    return Lab(**{one.name: given[one.name] for one in fields(Lab)})


def _aloud(text: str) -> None:
    click.echo(text, err=True)


def _planned(one: Experiment) -> Iterator[str]:
    payoff = one.payoff
    yield f"{one.name}: {one.question}"
    yield f"  hopes for {payoff.metric} better by {payoff.at_least:g}: {payoff.because}"
    for stage in STAGES:
        count = lab.runs(one, stage)  # type: ignore[arg-type]
        cost = f", about {one.cost.minutes:g} minutes" if stage == "full" else ""
        yield f"  {stage}: {count} measurements{cost}"


def _tell(now: list[Standing]) -> None:
    for one in now:
        click.echo(f"{one.experiment.name}: {one.stage or 'nothing'} done, next {one.next}")
        if one.outcome is not None and one.stage != "smoke":
            for name, found in one.outcome.contrasts.items():
                metric = one.experiment.payoff.metric
                click.echo(f"  {metric} {name}: {_said(found)} [{one.outcome.axis}]")


def _said(found: Paired) -> str:
    interval = "" if found.low is None else f" [{found.low:.4g}, {found.high:.4g}]"
    return f"{found.mean:+.4g}{interval} over {found.seeds} seeds: {found.verdict}"

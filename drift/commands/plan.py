"""`drift plan`: memory, bytes sent, arithmetic and time of each process, from shapes."""

from __future__ import annotations

from typing import Literal

import click


@click.command("plan")
@click.argument("template")
@click.option("--set", "settings", multiple=True, metavar="K=V", help="Change a template's field.")
@click.option("--world", type=click.IntRange(min=1), default=1, show_default=True,
              help="Processes, one on each device.")  # fmt: skip
@click.option("--device", type=click.Choice(["h100", "a100", "cpu"]), default="h100",
              show_default=True)  # fmt: skip
@click.option("--parallel", type=click.Choice(["ddp", "fsdp2"]), default="ddp", show_default=True,
              help="Every process holds the generator, or a share of it.")  # fmt: skip
@click.option("--labels-per-pass", type=click.IntRange(min=1),
              help="[default: the most that fit]")  # fmt: skip
def command(
    template: str, settings: tuple[str, ...], world: int, device: str,
    parallel: Literal["ddp", "fsdp2"], labels_per_pass: int | None,
) -> None:  # fmt: skip
    """What each process of a run of TEMPLATE needs; nothing is allocated or measured.

    Formulas and assumptions: docs/distributed.md. Exit code 1 where it does not fit.
    """
    from drift.config import load_template
    from drift.ranks.plan import least_world, rank_plan
    from drift.train import build

    chosen = build.override(load_template(template), settings)
    found = rank_plan(
        chosen, world=world, device=device, parallel=parallel, labels_per_pass=labels_per_pass
    )
    steps = chosen.optimizer.training_steps
    click.echo("\n".join([f"template       {chosen.name}", *found.lines(steps)]))
    if not found.fits:
        least = least_world(chosen, device, parallel)
        click.echo(
            f"it would fit with --world {least}" if least else "one label does not fit", err=True
        )
        raise click.exceptions.Exit(1)

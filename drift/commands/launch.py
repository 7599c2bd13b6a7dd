"""`drift launch`: the torchrun command of a run, or a Slurm script."""

from __future__ import annotations

import click

from drift.errors import DriftError


@click.command("launch", context_settings={"ignore_unknown_options": True})
@click.argument("template")
@click.option("--world", type=click.IntRange(min=1), required=True, help="Processes in all.")
@click.option("--nodes", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--run", "kind", type=click.Choice(["train", "pretrain"]), default="train",
              show_default=True)  # fmt: skip
@click.option("--device", type=click.Choice(["cuda", "cpu"]), default="cuda", show_default=True)
@click.option("--slurm", "as_script", is_flag=True, help="A script for sbatch instead.")
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
def command(
    template: str, world: int, nodes: int, kind: str, device: str, as_script: bool,
    more: tuple[str, ...],
) -> None:  # fmt: skip
    """Print the command that starts a run of TEMPLATE in several processes; MORE goes to the run.

    torchrun does the rest: `drift launch latent-b2 --world 8 --data LATENTS` prints one line. Of
    several nodes each gets it, with HEAD the name of one of them.
    """
    from drift.config import load_template
    from drift.ranks import launch

    load_template(template)  # a name that is none is better said now than by eight processes
    if world % nodes:
        raise DriftError("--nodes", found=f"{nodes} for {world} processes", expected="a divisor")
    arguments = [kind, template, "--device", device, *more]
    said = launch.slurm if as_script else launch.torchrun
    click.echo(said(arguments, world=world, nodes=nodes).rstrip("\n"))

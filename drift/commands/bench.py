"""`drift bench`: what a part of the engine costs on this machine, as JSON."""

from __future__ import annotations

import json

import click


@click.command("bench")
@click.argument("what", type=click.Choice(["loss"]))
@click.option(
    "--kernel",
    type=click.Choice(["plain", "compiled", "fused"]),
    default="plain",
    show_default=True,
)
@click.option("--pairs", default=20, show_default=True, help="Paired timings of each shape.")
@click.option("--threads", type=int, help="Threads of torch; 1 counts processor time.")
def command(what: str, kernel: str, pairs: int, threads: int | None) -> None:
    """Time WHAT beside its floor and print JSON (schema drift-bench/1) with the hardware.

    Figures of two machines are not comparable; ratios of one are. See docs/performance.md.
    """
    import torch

    from drift import bench

    if threads is not None:
        torch.set_num_threads(threads)
    click.echo(json.dumps({"loss": bench.loss}[what](kernel, pairs), indent=2))

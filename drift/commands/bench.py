"""`drift bench`: what a part of the engine costs on this machine, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

WHAT = ("loss", "generator", "encoder", "step", "sampling", "queue", "eval", "verify", "soak")


@click.command("bench")
@click.argument("what", type=click.Choice(WHAT))
@click.option(
    "--kernel",
    type=click.Choice(["plain", "compiled", "fused"]),
    default="plain",
    show_default=True,
    help="Of the loss.",
)
@click.option("--pairs", default=30, show_default=True, type=click.IntRange(min=1),
              help="Paired timings of each case.")  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1),
              help="Threads of torch; 1 counts processor time.")  # fmt: skip
@click.option("--against", type=click.Path(path_type=Path),
              help="An earlier result here: exit code 1 where a case is slower.")  # fmt: skip
@click.option("--cycles", default=12, show_default=True, help="Of soak.")
def command(
    what: str, kernel: str, pairs: int, threads: int | None, against: Path | None, cycles: int
) -> None:
    """Time WHAT beside its floor and print JSON (schema drift-bench/2) with the hardware.

    Figures of two machines are not comparable; ratios of one are. `soak` repeats a small run, its
    samples and their figures, and says what grows: exit code 1. See docs/performance.md.
    """
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    result = _soaked(cycles) if what == "soak" else _timed(what, kernel, pairs, against)
    click.echo(json.dumps(result, indent=2))
    if result.get("leaks") or any(one["slower"] for one in result.get("against", ())):
        raise SystemExit(1)


def _timed(what: str, kernel: str, pairs: int, against: Path | None) -> dict[str, Any]:
    from drift import bench
    from drift.bench import compare

    before = None if against is None else compare.read(against)
    result = bench.bench(what, kernel=kernel, pairs=pairs)
    return result if before is None else {**result, "against": compare.compare(before, result)}


def _soaked(cycles: int) -> dict[str, Any]:
    from drift.bench import soak

    return soak.soak(cycles)

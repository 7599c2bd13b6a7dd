"""`drift toy`: train a small generator in seconds and show what it learned."""

from __future__ import annotations

from pathlib import Path

import click

TARGETS = ("bimodal", "checkerboard", "digits")
STARTS = ("far", "collapsed", "between")
ALL = "all"


@click.command("toy")
@click.option(
    "--target",
    type=click.Choice([*TARGETS, ALL]),
    default="bimodal",
    show_default=True,
    help="What to learn: two 2-D distributions of the paper, or scikit-learn's real digits.",
)
@click.option(
    "--init",
    "start",
    type=click.Choice([*STARTS, ALL]),
    default=ALL,
    show_default=True,
    help="Where the 2-D generator starts.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Updates; by default enough to converge.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Result directory.  [default: toy-TARGET]"
)
@click.option("--ablate", is_flag=True, help="Train with attraction only as well (DEC-0001).")
@click.option("--force", is_flag=True, help="Replace an earlier toy run in the result directory.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda[:N].")
def command(
    target: str,
    start: str,
    steps: int | None,
    seed: int,
    out: Path | None,
    ablate: bool,
    force: bool,
    device: str,
) -> None:
    """Train a small generator with the drifting loss and show what it learned.

    Writes metrics.jsonl (loss, raw drift per temperature, distance, modes over time), samples.png
    and summary.json; prints one line per target. All figures are on the evidence axis `proxy`.
    """
    from drift.toy.runs import toy

    for line in toy(
        target, start, steps=steps, seed=seed, out=out, ablate=ablate, force=force, device=device
    ):
        click.echo(line)

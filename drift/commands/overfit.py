"""`drift overfit`: sixteen digits learned by heart, through every part of the engine."""

from __future__ import annotations

import time
from pathlib import Path

import click
import torch

from drift.errors import DriftError
from drift.progress import progress
from drift.toy import overfit
from drift.train import pictures


@click.command("overfit")
@click.option("--steps", type=click.IntRange(min=20), default=500, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/overfit"),
              show_default=True)  # fmt: skip
def command(steps: int, seed: int, out: Path) -> None:
    """Learn sixteen digits by heart, through the features of the masked autoencoder.

    Writes samples.png, the sixteen images above and under each the worst of its samples.
    """
    if out.exists():
        raise DriftError(
            str(out), found="a folder", expected="a new one", remedy="Choose another --out."
        )
    started = time.monotonic()
    before = {"encoder": 0, "generator": overfit.ENCODER_STEPS}
    with progress("overfit", overfit.ENCODER_STEPS + steps) as advance:
        learned, images, worst = overfit.overfit(
            out,
            steps=steps,
            seed=seed,
            listen=lambda part, done: advance(done + before[part]),
        )
    rows = torch.cat([images, worst])
    pictures.write(out / "samples.png", rows, columns=overfit.IMAGES)
    click.echo(
        f"overfit [proxy]: {learned.found} of {overfit.IMAGES} images learned; a sample is "
        f"{learned.off:.2f} from the image of its label, at worst {learned.worst:.2f}, the nearest "
        f"two images {learned.apart:.2f} apart; "
        f"{time.monotonic() - started:.0f} s; {out / 'samples.png'}"
    )

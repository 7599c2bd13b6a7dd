"""`drift reproduce`: a template carried through to its report; a second time nothing is done."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from drift.config import load_template, override
from drift.errors import DriftError, Interrupted
from drift.reproduce import pipeline, report
from drift.reproduce.request import Judging, Request

DEVICE = re.compile(r"cpu|cuda(:\d+)?\Z")
place = click.Path(path_type=Path, resolve_path=True)


@click.command("reproduce")
@click.argument("template")
@click.option("--set", "settings", multiple=True, metavar="K=V", help="Change a template's field.")
@click.option("--out", type=click.Path(path_type=Path),
              help="[default: runs/TEMPLATE-reproduction]")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda[:N].")
@click.option("--data", type=place, help="Latent cache or image folder.")
@click.option("--images", type=place, help="Images that are encoded first, with --vae.")
@click.option("--data-name", help="What the images are called.")
@click.option("--data-licence", help="Their licence, an SPDX expression.")
@click.option("--second-encoder", type=place, help="Weights, for templates of the pixel columns.")
@click.option("--checkpoint-every", type=click.IntRange(min=1), default=250, show_default=True)
@click.option("--count", "shown", type=click.IntRange(min=1), default=100, show_default=True,
              help="Samples that are drawn for the eye.")  # fmt: skip
@click.option("--baselines/--no-baselines", default=True, show_default=True,
              help="On digits: measure what the run has to beat, too.")  # fmt: skip
@click.option("--statistics", type=place, help="Of real images; not for digits.")
@click.option("--extractor-weights", type=place, help="Of the FID network; not for digits.")
@click.option("--vae", metavar="REPOSITORY|DIR", help="AutoencoderKL of the latents.")
@click.option("--vae-revision", metavar="HEX", help="Its commit, or the digest of its parameters.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and why; do nothing.")
def command(
    template: str, settings: tuple[str, ...], out: Path | None, dry_run: bool, **chosen: Any
) -> None:
    """Data, pre-training, training, samples, evaluation and report of TEMPLATE, as steps.

    A step is keyed by everything that it depends on: fields of the template, the contents of what
    came before, the seed, the engine's code behind it and the libraries. One that is done is not
    done again; one that was killed goes on where it was; whatever changed is named. Each key has a
    folder of its own, so nothing is overwritten.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise DriftError(
            "WORLD_SIZE", found="several processes", expected="one",
            remedy="`drift launch` starts the training of a run in several.",
        )  # fmt: skip
    if not DEVICE.match(chosen["device"]):
        raise DriftError("--device", found=chosen["device"], expected="cpu or cuda[:N]")
    resolved = override(load_template(template), settings)
    judging = {one.name: chosen.pop(one.name) for one in fields(Judging) if one.name in chosen}
    request = Request(
        resolved, out or Path("runs") / f"{resolved.name}-reproduction",
        judging=Judging(**judging), **chosen,
    )  # fmt: skip
    try:
        found = pipeline.reproduce(request, lambda text: click.echo(text, err=True), plans=dry_run)
    except Interrupted as error:
        raise Interrupted("in order; the same command goes on with that step") from error
    if found is not None:
        count = f"{found.redone} of {len(found.steps)} steps done" if found.redone else "no change"
        click.echo(f"reproduce {resolved.name}: {count}; {request.root / report.TEXT}")

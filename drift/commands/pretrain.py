"""`drift pretrain`: train the masked autoencoder whose features the loss uses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from drift import gates, pretrain
from drift.commands import runs
from drift.commands.device import device_option
from drift.config import load_template
from drift.progress import progress
from drift.state import record
from drift.train import build


@click.command("pretrain")
@click.argument("template")
@click.option("--set", "settings", multiple=True, metavar="K=V", help="Change a template's field.")
@runs.data_options
@click.option("--out", type=click.Path(path_type=Path), help="[default: runs/TEMPLATE-encoder]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@device_option
@click.option(
    "--checkpoint-every",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Steps between checkpoints.",
)
@click.option("--resume", is_flag=True, help="Go on from the newest good checkpoint of --out.")
@runs.mirror_option
def command(
    template: str,
    settings: tuple[str, ...],
    data: Path | None,
    data_name: str | None,
    data_licence: str | None,
    out: Path | None,
    seed: int,
    device: str,
    checkpoint_every: int,
    resume: bool,
    mirrors: tuple[str, ...],
) -> None:
    """Train the masked autoencoder of TEMPLATE (a shipped name or a file) and export its EMA.

    Writes checkpoints, metrics/windows.jsonl, a live run_metadata.json and encoder.safetensors.
    """
    runs.require_single_process(dict(os.environ))
    chosen = build.override(load_template(template), settings)
    gates.require_column(chosen)
    folder = runs.folder_of(chosen, out, "-encoder")
    options = pretrain.PretrainOptions(
        folder=folder,
        seed=seed,
        checkpoint_every=checkpoint_every,
        device=device,
        resume=resume,
        mirrors=runs.mirror_modules(mirrors),
    )
    source = runs.source_of(chosen, data, data_name, data_licence)
    run = pretrain.start(chosen, source, options, say=lambda text: click.echo(text, err=True))
    with progress(f"pretrain {chosen.name}", run.template.encoder.pretrain.steps) as advance:

        def listen(row: Mapping[str, Any]) -> None:
            advance(row["step"])

        path = pretrain.pretrain(run, listen)
    shown = [
        f"reconstruction {row['recon_loss']:.3g}, accuracy of masked inputs {row['accuracy']:.1%}"
        for row in record.rows(folder / "metrics" / "windows.jsonl")[-1:]
    ]
    click.echo(f"pretrain {chosen.name}: {', '.join([f'step {run.step}', *shown])}; {path}")

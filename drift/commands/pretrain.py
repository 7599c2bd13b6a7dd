"""`drift pretrain`: train the masked autoencoder whose features the loss uses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drift import gates, pretrain
from drift.commands import runs
from drift.config import Template, load_template
from drift.progress import progress
from drift.state import record
from drift.train import build

if TYPE_CHECKING:
    from drift.ranks import Ranks


@click.command("pretrain")
@click.argument("template")
@click.option("--set", "settings", multiple=True, metavar="K=V", help="Change a template's field.")
@runs.place_options("runs/TEMPLATE-encoder")
@runs.checkpoint_options(500)
@runs.mirror_option
@runs.wait_option
def command(
    template: str,
    settings: tuple[str, ...],
    device: str,
    wait_s: float,
    **chosen: Any,
) -> None:
    """Train the masked autoencoder of TEMPLATE (a shipped name or a file) and export its EMA.

    Writes checkpoints, metrics/windows.jsonl, a live run_metadata.json and encoder.safetensors.
    """
    resolved = build.override(load_template(template), settings)
    gates.require_column(resolved)
    with runs.joined(device, wait_s) as (ranks, own):
        carry_out(resolved, ranks, device=own, **chosen)


def carry_out(
    template: Template, ranks: Ranks, *, data: Path | None, data_name: str | None,
    data_licence: str | None, out: Path | None, mirrors: tuple[str, ...], **same: Any,
) -> None:  # fmt: skip
    """One process of the run, to its last line."""
    say = runs.voice(ranks)
    with ranks.met():
        folder = runs.folder_of(template, out, "-encoder")
        options = pretrain.PretrainOptions(
            folder=folder, mirrors=runs.mirror_modules(mirrors), ranks=ranks, **same
        )
        source = runs.source_of(template, data, data_name, data_licence, say)
    run = pretrain.start(template, source, options, say=say)
    shown = f"pretrain {template.name}" if ranks.writer else None
    settings = run.template.encoder.pretrain
    with progress(
        shown, settings.steps, unit="images", each=settings.batch_size, done=run.done, lines=True
    ) as advance:

        def heard(done: int, figures: Mapping[str, float]) -> None:
            advance(done, {name: figures[name] for name in pretrain.FIGURES})

        path = pretrain.pretrain(run, lambda row: None, heard)
    if not ranks.writer:
        return
    figures = [
        f"reconstruction {row['recon_loss']:.3g}, accuracy of masked inputs {row['accuracy']:.1%}"
        for row in record.rows(folder / "metrics" / "windows.jsonl")[-1:]
    ]
    click.echo(f"pretrain {template.name}: {', '.join([f'step {run.step}', *figures])}; {path}")

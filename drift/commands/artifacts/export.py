"""`drift export`: an artefact in the reference's layout, or a generator for diffusers."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--pipeline", is_flag=True, help="Write a folder that diffusers loads.")
@click.option("--vae", metavar="PLACE", help="With --pipeline, of latents: their autoencoder.")
@click.option("--vae-revision", metavar="COMMIT", help="Its commit, or the digest of a local one.")
@click.option("--step", type=click.IntRange(min=0), help="Of a run: which checkpoint.")
@click.option(
    "--weights", type=click.Choice(["ema", "raw"]), help="With --pipeline [default: ema]."
)
@click.option("--ema-decay", metavar="DECAY", help="Which of several averages, such as 0.999.")
def command(
    file: Path,
    directory: Path,
    pipeline: bool,
    vae: str | None,
    vae_revision: str | None,
    step: int | None,
    weights: str | None,
    ema_decay: str | None,
) -> None:
    """Write FILE, an artefact, as DIRECTORY with ema_params.msgpack and metadata.json, as the
    release has them: the same tensors, bit for bit. Parameters that are there are never
    overwritten.

    With --pipeline FILE may be a run, a checkpoint or an artefact, and DIRECTORY becomes a new
    folder with model_index.json, weights and a card, for `DiffusionPipeline.from_pretrained`.
    """
    if pipeline:
        from drift.sample import folder

        origin = folder.write(
            file, directory, vae=vae, revision=vae_revision, step=step, weights=weights or "ema",
            ema_decay=ema_decay,
        )  # fmt: skip
        click.echo(f"{directory}: {origin.weights} weights, {origin.template or 'no template'}")
        return
    if step is not None or any((vae, vae_revision, weights, ema_decay)):
        raise click.UsageError("all other options go with --pipeline")
    from drift.artifacts import convert

    metadata = convert.export_artifact(file, directory)
    click.echo(f"{directory}: {metadata['drift_export']['architecture']}")

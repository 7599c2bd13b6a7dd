"""`drift export`: an artefact back to the reference's directory."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("directory", type=click.Path(path_type=Path))
def command(file: Path, directory: Path) -> None:
    """Write FILE as DIRECTORY with ema_params.msgpack and metadata.json, as the release has them.

    The tensors are the same, bit for bit. Parameters that are there are never overwritten.
    """
    from drift.artifacts import convert

    metadata = convert.export_artifact(file, directory)
    click.echo(f"{directory}: {metadata['drift_export']['architecture']}")

"""`drift import`: the reference's directory to one artefact of ours."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("import")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write.")
@click.option(
    "--kind", type=click.Choice(["generator", "mae"]), help="Default: what the tensors show."
)
@click.option("--template", help="Template this has to be a model of; its fingerprint is kept.")
@click.option("--licence", help="Licence of the parameters. Default: NOASSERTION.")
@click.option("--tokenizer", help="Name@revision of the tokenizer, or none. Default: unknown.")
@click.option("--require-metadata", is_flag=True, help="Stop where metadata.json is absent.")
def command(
    directory: Path,
    out: Path,
    kind: str | None,
    template: str | None,
    licence: str | None,
    tokenizer: str | None,
    require_metadata: bool,
) -> None:
    """Read DIRECTORY (ema_params.msgpack, metadata.json) and write a safetensors artefact.

    Every missing, surplus or misshapen parameter is named with both shapes. The output carries its
    configuration, the digest of its source, and a probe output that every later load reproduces.
    """
    from drift.artifacts import convert

    given = {"licence": licence, "tokenizer": tokenizer}
    metadata = convert.import_directory(
        directory,
        out,
        kind=kind,
        template=template,
        fields={name: value for name, value in given.items() if value is not None},
        require_metadata=require_metadata,
    )
    click.echo(f"{out}: {metadata['architecture']}, width {metadata['width']}")
    click.echo(f"  source  sha256 {metadata['source_sha256']}")
    click.echo(f"  tensors sha256 {metadata['tensors_sha256']}")
    click.echo(f"`drift inspect {out}` shows what would raise its quality.", err=True)

"""`verify lint`."""

from __future__ import annotations

from pathlib import Path

import click

from verify.commands.common import pack_option, sound_pack


@click.command()
@pack_option
def command(pack_dir: Path | None) -> None:
    """Check the pack itself; every error of every file in one go. Runs no code of the pack."""
    loaded = sound_pack(pack_dir)
    pack = loaded.pack
    click.echo(
        f"sound: pack {pack.manifest.pack} ({loaded.root}): "
        f"{len(pack.clauses)} clauses in {len(pack.contracts)} contracts, "
        f"{sum(len(topic.facts) for topic in pack.topics.values())} facts, "
        f"{len(pack.conflicts)} conflicts, {len(pack.decisions)} decisions, "
        f"{len(pack.claims)} claims"
    )

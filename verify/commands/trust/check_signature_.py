"""`verify check-signature`."""

from __future__ import annotations

from pathlib import Path

import click

from verify.attest import bundle, record
from verify.commands.common import pack_option, sound_pack
from verify.report.words import printable


@click.command()
@click.argument("targets", nargs=-1, required=True, type=click.Path(path_type=Path),
                metavar="RECORD|BUNDLE...")  # fmt: skip
@pack_option
def command(targets: tuple[Path, ...], pack_dir: Path | None) -> None:
    """Hold signed records and bundles against the keys of the pack; no network is asked.

    Exit code 4 says what is wrong: unsigned, no envelope, key missing, wrong key, revoked key, key
    without the role, broken signature, file missing, file added, changed, lines reordered, or
    replayed (about another record, bundle, pack, subject or commit).
    """
    loaded = sound_pack(pack_dir)
    for target in targets:
        if bundle.is_bundle(target):
            key, said, _ = bundle.check(loaded, target)
            told = f"{said['verdict']}"
        else:
            key, said = record.check(loaded, target)
            told = f"{len(said['recomputed'])} figures were computed again"
        line = f"{target}: signed by {key.short} ({key.holder}), {said['signed']}: {told}"
        click.echo(printable(line))

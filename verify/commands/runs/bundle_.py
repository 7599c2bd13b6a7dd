"""`verify bundle`."""

from __future__ import annotations

from pathlib import Path

import click

from verify.attest.backing import text_of
from verify.attest.bundle import check as signed
from verify.commands.common import pack_option, sound_pack
from verify.report.bundle import check
from verify.report.unsealed import seal_left
from verify.report.words import printable


@click.group()
def command() -> None:
    """Sealed bundles."""


@command.command("check")
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@pack_option
def check_command(directory: Path, pack_dir: Path | None) -> None:
    """Re-verify a bundle: hashes, hash chain, and the report as its evidence renders it.

    A signature beside it is held against the keys of the pack, as `verify check-signature` does;
    then it also has to be about the pack and the code that are here.
    """
    if directory.is_dir() and text_of(directory.resolve()) is not None:
        key, _, report = signed(sound_pack(pack_dir), directory)
        click.echo(f"signed by {key.short} ({printable(key.holder)})")
    else:
        report = check(directory)
    click.echo(f"intact: {report.verdict.line}")


@command.command("seal")
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
def seal_command(directory: Path) -> int:
    """Seal the evidence of a run that could not seal it: a full disk, a kill, a second Ctrl-C.

    DIR is the folder that the run named, `unsealed-*` or `.partial-*` among its reports. What the
    run did not reach is unknown. The exit code is that of the run's verdict.
    """
    bundle, report = seal_left(directory)
    click.echo(f"sealed: {bundle}: {report.verdict.line}")
    return report.verdict.exit_code

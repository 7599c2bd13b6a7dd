"""`verify bundle`."""

from __future__ import annotations

from pathlib import Path

import click

from verify.report.bundle import check


@click.group()
def command() -> None:
    """Sealed bundles."""


@command.command("check")
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
def check_command(directory: Path) -> None:
    """Re-verify a bundle: hashes, hash chain, and the report as its evidence renders it."""
    report = check(directory)
    click.echo(f"intact: {report.verdict.line}")

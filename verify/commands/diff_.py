"""`verify diff`."""

from __future__ import annotations

from pathlib import Path

import click

from verify.report.difference import compare


@click.command()
@click.argument("before", type=click.Path(path_type=Path), metavar="A")
@click.argument("after", type=click.Path(path_type=Path), metavar="B")
def command(before: Path, after: Path) -> int:
    """Compare two bundles: outcomes, measured values, claims, and what the runs were made of.

    Exit code 1 where a finding differs; other circumstances with the same findings are 0.
    """
    changes = compare(before, after)
    for change in changes:
        click.echo(f"{change.kind}\t{change.name}\t{change.before}\t-> {change.after}")
    findings = sum(change.result for change in changes)
    click.echo(f"{findings} findings differ, {len(changes) - findings} circumstances")
    return 1 if findings else 0

"""`verify merge`."""

from __future__ import annotations

from pathlib import Path

import click

from verify.commands.common import reports_option, wanted_outputs
from verify.commands.runs.carried_out import show
from verify.files import write
from verify.report.bundle import RENDERERS
from verify.report.merge import merge


@click.command()
@click.argument("bundles", nargs=-1, type=click.Path(path_type=Path), metavar="DIR...")
@reports_option
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="FORMAT=PATH",
    help=f"Also write the report: {', '.join(RENDERERS)}; may be repeated.",
)
def command(bundles: tuple[Path, ...], reports: Path, outputs: tuple[str, ...]) -> int:
    """Make the bundles of all shards of a run (`verify run --shard K/N`) the bundle of that run.

    Refused are bundles that do not hold, shards that are missing, twice or interrupted, and those
    of another pack, subject, code, seed or environment. The exit code is that of the whole run.
    """
    wanted = wanted_outputs(outputs, RENDERERS)
    bundle, report = merge(bundles, reports)
    show(report, bundle)
    for kind, path in wanted:
        write(path, RENDERERS[kind](report))
    return report.verdict.exit_code

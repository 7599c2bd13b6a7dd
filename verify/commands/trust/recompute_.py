"""`verify recompute`."""

from __future__ import annotations

from pathlib import Path

import click

from verify.attest.recompute import Recomputed, recompute
from verify.commands.common import pack_option, sound_pack
from verify.problems import IntegrityError
from verify.report.model import ExitCode
from verify.report.words import printable


@click.command()
@click.argument("target", type=click.Path(path_type=Path), metavar="RECORD")
@pack_option
@click.option("--no-samples", is_flag=True,
              help="Do not draw samples again, where what draws them is kept.")  # fmt: skip
def command(target: Path, pack_dir: Path | None, no_samples: bool) -> int:
    """Compute the figures of an evaluation record again, from what is kept beside it.

    The pack has a function for each schema of records (@recompute). Exit code 0: all figures came
    out as recorded; 3: some cannot be computed again; 4: one differs, or the record is not what
    lies beside it.
    """
    found = recompute(sound_pack(pack_dir), target, samples=not no_samples)
    for one in found.figures:
        click.echo(printable(one.line))
    if found.problem and found.possible:
        raise IntegrityError(f"{target}: {found.problem}")
    if found.problem:
        click.echo(f"verify: {printable(f'{target}: {found.problem}')}", err=True)
    click.echo(printable(f"{target}: {_counted(found)}"))
    if found.differing:
        raise IntegrityError(f"{target}: {found.differing[0].line}; remedy: evaluate again")
    whole = found.done and not found.left and not found.problem
    return int(ExitCode.GO if whole else ExitCode.INCOMPLETE)


def _counted(found: Recomputed) -> str:
    return (
        f"{len(found.done)} of {len(found.figures)} figures come out again, "
        f"{len(found.differing)} differ, {len(found.left)} cannot be computed again"
    )

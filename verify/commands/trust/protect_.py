"""`verify protect`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from verify.commands.common import pack_option, pack_root
from verify.guard.frontier import shown
from verify.guard.model import RECORD
from verify.guard.protect import State, approve, check, guard_of
from verify.problems import UsageError
from verify.report.model import ExitCode
from verify.spec.pack import load


@click.command()
@click.option(
    "--approve", "paths", multiple=True, metavar="PATH", help="Record this path, or all of a glob."
)
@click.option("--decision", metavar="DEC-NNNN", help="The settled decision behind --approve.")
@click.option("--all", "show_all", is_flag=True, help="List what is as approved, too.")
@pack_option
def command(
    paths: tuple[str, ...], decision: str | None, show_all: bool, pack_dir: Path | None
) -> int:
    """Hold protected files against the digests they were approved with; or approve a change.

    Exit code 4 where a file is changed, missing, new or replaced by a link.
    """
    root = pack_root(pack_dir)
    guard = guard_of(load(root))
    if paths or decision:
        if not paths or not decision:
            raise UsageError("--approve and --decision: found one; expected both")
        for path in approve(guard, paths, decision):
            click.echo(f"recorded under {decision}: {shown(path)}")
        guard = guard_of(load(root))
    found = check(guard)
    wrong = [one for one in found if one.state is not State.AS_APPROVED]
    for one in found if show_all else wrong:
        click.echo(f"{one.state}: {shown(one.path)}: {one.reason}")
    if wrong:
        click.echo(
            "remedy: restore the files, or write a decision and run `verify protect --approve PATH "
            f"--decision DEC-NNNN`, which is the only writer of {RECORD}"
        )
    count = Counter(one.state for one in wrong)
    shares = "".join(f", {number} {state}" for state, number in sorted(count.items()))
    good = len(found) - len(wrong)
    click.echo(f"{'NO-GO' if wrong else 'GO'}: {good}/{len(found)} as approved{shares}")
    return int(ExitCode.INTEGRITY if wrong else ExitCode.GO)

"""`verify frontier`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from verify.guard.frontier import Side, frontier_of, shown, touched
from verify.guard.git import base_of, resolve
from verify.guard.model import FRONTIER
from verify.ratchet.judge import refused
from verify.report.model import ExitCode


@click.command()
@click.argument("revisions", metavar="[BASE..HEAD]", required=False)
@click.option(
    "--repository",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="The repository [default: here].",
)
@click.option(
    "--frontier",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"Another frontier than {FRONTIER} of the base commit.",
)
def command(revisions: str | None, repository: Path, file: Path | None) -> int:
    """List every path that a change touches, and name those it must not touch.

    HEAD is compared with the commit at which it parted from BASE, so that what came to BASE since
    is not charged to it; the rules are BASE's. The working tree is not looked at. Both ends of a
    rename count, and so do deletions, modes, links and what new links point to. What makes a rule
    looser needs a decision of the same change (`verify diff --pack` lists all). Exit code 1
    where a path is denied or not allowed, or such a decision is missing, 3 where the commits do not
    differ. Without BASE..HEAD, HEAD is held against the last tag before it, else its first parent.
    """
    if revisions is None:
        found_ = base_of(repository)
        if found_ is None:
            click.echo("nothing to judge: HEAD has no parent here (a shallow clone lacks history)")
            return int(ExitCode.INCOMPLETE)
        click.echo(f"base {found_[0][:10]}: {found_[1]}")
        revisions = f"{found_[0]}..HEAD"
    base, head = resolve(repository, revisions)
    found = touched(repository, base, head, frontier_of(repository, base, file))
    span = f"{base[:10]}..{head[:10]}"
    if not found:
        click.echo(f"nothing to judge: {span} differ in no path")
        return int(ExitCode.INCOMPLETE)
    for one in found:
        rule = "" if one.side is Side.INSIDE else f": {one.rule}"
        click.echo(f"{one.side:<8} {shown(one.path)} {one.what}{rule}")
    looser = refused(repository, base, head)
    for line in looser:
        click.echo(shown(line))
    count = Counter(one.side for one in found)
    good = count[Side.INSIDE] == len(found) and not looser
    rules = f", {len(looser)} rules looser without a decision" if looser else ""
    click.echo(
        f"{'GO' if good else 'NO-GO'}: {count[Side.INSIDE]}/{len(found)} paths inside the "
        f"frontier, {count[Side.DENIED]} denied, {count[Side.OUTSIDE]} outside{rules}, {span}"
    )
    return int(ExitCode.GO if good else ExitCode.FAILED)

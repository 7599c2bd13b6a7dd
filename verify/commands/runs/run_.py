"""`verify run`: what it is asked. It imports little before the imports of checks have begun."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from verify.audit.subject import foreign_subject
from verify.commands.common import (
    FORMATS,
    SELECTORS,
    evidence_option,
    pack_option,
    pack_root,
    reports_option,
    wanted_outputs,
)
from verify.run.beforehand import begun
from verify.run.profiles import PROFILES


def _shard(text: str) -> Any:
    from verify.spec.shards import shard

    return shard(text)


@click.command(epilog=SELECTORS)
@click.argument("selectors", nargs=-1, metavar="[SELECTOR]...")
@pack_option
@reports_option
@click.option(
    "--subject",
    metavar="NAME",
    help="Implementation to audit: a name of the pack, FILE.py[:name] or package.module:name "
    "(see `verify audit`) [default: the pack's].",
)
@click.option("--python", metavar="PATH", help="Interpreter of a subject outside the pack.")
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    default="default",
    show_default=True,
    help="How many examples a property draws.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of property tests.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=max(1, min(8, os.cpu_count() or 1)),
    show_default="one a core",
    help="Worker processes.",
)
@click.option(
    "--shard",
    "part",
    type=_shard,
    metavar="K/N",
    help="Only the K-th of N parts of the clauses; `verify merge` makes the parts one.",
)
@click.option("--no-falsify", is_flag=True, help="Skip falsifiers: no claim is supported (exit 3).")
@click.option(
    "--cached",
    is_flag=True,
    help="Reuse judgements of sealed bundles in --reports where nothing they rest on has changed.",
)
@evidence_option
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="FORMAT=PATH",
    help=f"Also write the report: {', '.join(FORMATS)}; may be repeated.",
)
def command(
    pack_dir: Path | None,
    subject: str | None,
    python: str | None,
    outputs: tuple[str, ...],
    jobs: int,
    cached: bool,
    evidence_dir: Path,
    **asked: Any,
) -> int:
    """Evaluate clauses and their falsifiers; report what may be claimed.

    The report goes to standard output, progress to standard error, a sealed bundle to --reports. An
    interrupt (Ctrl-C) ends the run early; what was found is sealed all the same.
    """
    wanted = wanted_outputs(outputs, FORMATS)
    foreign = foreign_subject(subject or "", python)
    root = pack_root(pack_dir)
    early = begun(root, jobs, evidence_dir) if not (cached or foreign) else nullcontext()
    with early as server:
        from verify.commands.runs.carried_out import Asked, carry_out

        about = Asked(root, foreign, subject, wanted, jobs, cached, evidence_dir, **asked)
        return carry_out(about, server)

"""`verify run`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

from verify import streams
from verify.audit.subject import foreign_subject
from verify.commands.common import (
    audited_subject,
    evidence_option,
    pack_option,
    reports_option,
    sound_pack,
    wanted_outputs,
)
from verify.commands.runs.sealed_run import judge
from verify.files import write
from verify.problems import UsageError
from verify.report.bundle import RENDERERS
from verify.report.console import summary
from verify.report.model import Report
from verify.run.engine import PROFILES, Options
from verify.spec.select import HELP, select
from verify.spec.shards import Shard, shard


@click.command(epilog=HELP)
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
    type=shard,
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
    help=f"Also write the report: {', '.join(RENDERERS)}; may be repeated.",
)
def command(
    selectors: tuple[str, ...],
    pack_dir: Path | None,
    reports: Path,
    subject: str | None,
    python: str | None,
    profile: str,
    seed: int,
    jobs: int,
    part: Shard | None,
    no_falsify: bool,
    cached: bool,
    evidence_dir: Path,
    outputs: tuple[str, ...],
) -> int:
    """Evaluate clauses and their falsifiers; report what may be claimed.

    The report goes to standard output, progress to standard error, a sealed bundle to --reports. An
    interrupt (Ctrl-C) ends the run early; what was found is sealed all the same.
    """
    wanted = wanted_outputs(outputs, RENDERERS)
    loaded = sound_pack(pack_dir)
    clauses = select(loaded.pack, selectors)
    foreign = foreign_subject(subject or "", python)
    options = Options(
        subject=foreign.name if foreign else audited_subject(loaded, subject),
        seed=seed,
        profile=profile,
        jobs=jobs,
        falsify=not no_falsify,
        evidence_dir=evidence_dir,
    )
    if foreign:
        if part is not None:
            raise UsageError(f"--shard {part}: found a subject from elsewhere; expected the pack's")
        from verify.commands.runs.audit_ import judged

        return judged(loaded, foreign, options, reports, wanted, clauses if selectors else None)
    clauses = part.of(clauses) if part else clauses
    told = part.told(selectors, clauses) if part else None
    bundle, report = judge(loaded, clauses, options, selectors, reports, cached=cached, more=told)
    show(report, bundle)
    for kind, path in wanted:
        write(path, RENDERERS[kind](report))
    return report.verdict.exit_code


def show(report: Report, bundle: Path) -> None:
    """The summary; a reader who went away does not change the verdict."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    text = summary(report, bundle=str(bundle), width=width)
    click.echo(text, color=False if os.environ.get("NO_COLOR") else None)
    why = streams.lost(sys.stdout)
    if why and why != streams.READER_GONE:
        click.echo(
            f"verify: standard output cannot be written ({why}); the verdict stands", err=True
        )

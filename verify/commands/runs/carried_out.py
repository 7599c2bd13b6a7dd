"""What `verify run` was asked, carried out: the pack read, judged, sealed, and shown."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from verify import streams
from verify.audit.subject import ForeignSubject
from verify.beside import beside
from verify.commands.common import audited_subject, sound_pack
from verify.commands.runs.sealed_run import judge
from verify.earlier import earlier_in, latest_opened
from verify.files import write
from verify.problems import UsageError
from verify.report.bundle import RENDERERS
from verify.report.console import summary
from verify.report.model import Report
from verify.run.engine import Options
from verify.run.surroundings import UNKNOWN
from verify.run.workers.forks import ForkServer
from verify.spec.select import select
from verify.spec.shards import Shard

NOT_REUSED = (
    "found no git repository that lists the pack, or one with links to folders, with other "
    "repositories, devices or more than 1 GiB in it; what is about artefacts and processes, and "
    "what started a program, is judged again"
)


@dataclass(frozen=True)
class Asked:
    """The options of the command; `root` is the pack's, `wanted` are formats and their paths."""

    root: Path
    foreign: ForeignSubject | None
    subject: str | None
    wanted: list[tuple[str, Path]]
    jobs: int
    cached: bool
    evidence_dir: Path
    selectors: tuple[str, ...]
    reports: Path
    profile: str
    seed: int
    part: Shard | None
    no_falsify: bool


def carry_out(asked: Asked, server: ForkServer | None) -> int:
    """The exit code; `server` already imports what most checks need."""
    open_latest = partial(latest_opened, asked.reports, asked.root.resolve())
    with beside(open_latest, forks=asked.cached and not asked.foreign) as ahead:
        loaded = sound_pack(asked.root)
        clauses = select(loaded.pack, asked.selectors)
        options = Options(
            subject=asked.foreign.name if asked.foreign else audited_subject(loaded, asked.subject),
            seed=asked.seed,
            profile=asked.profile,
            jobs=asked.jobs,
            falsify=not asked.no_falsify,
            evidence_dir=asked.evidence_dir,
        )
        if asked.foreign:
            if asked.part is not None:
                found = "a subject from elsewhere"
                raise UsageError(f"--shard {asked.part}: found {found}; expected the pack's")
            from verify.commands.runs.audit_ import judged

            only = clauses if asked.selectors else None
            return judged(loaded, asked.foreign, options, asked.reports, asked.wanted, only)
        clauses = asked.part.of(clauses) if asked.part else clauses
        earlier = None
        if asked.cached:
            earlier = earlier_in(asked.reports, loaded, asked.evidence_dir, ahead)
            if earlier.around.digest == UNKNOWN:
                click.echo(f"note: {NOT_REUSED}", err=True)
        bundle, report = judge(
            loaded,
            clauses,
            options,
            asked.selectors,
            asked.reports,
            earlier=earlier,
            more=asked.part.told(asked.selectors, clauses) if asked.part else None,
            server=server,
        )
    show(report, bundle)
    for kind, path in asked.wanted:
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

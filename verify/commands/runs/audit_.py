"""`verify audit`."""

from __future__ import annotations

from pathlib import Path

import click

from verify.audit.host import Hello, Limits
from verify.audit.protocol import TAG, protocol, stub
from verify.audit.session import audit
from verify.audit.subject import ForeignSubject, foreign_subject
from verify.audit.words import capabilities, summary
from verify.commands.common import known_options, sound_pack, wanted_outputs
from verify.commands.runs.sealed_run import runner
from verify.earlier import earlier_in
from verify.files import write
from verify.problems import NothingSelectedError, UsageError
from verify.report.bundle import RENDERERS
from verify.run.engine import Options
from verify.run.profiles import PROFILES
from verify.spec.model import Clause
from verify.spec.pack import LoadedPack
from verify.spec.select import select

LIMITS = Limits()


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="SUBJECT | init FILE")
@click.option("--python", metavar="PATH", help="Interpreter with the subject's packages.")
@click.option("--clause", "selectors", multiple=True, metavar="SELECTOR",
              help="Judge by these clauses alone; may be repeated.")  # fmt: skip
@click.option("--call-seconds", type=click.FloatRange(min=0.1), default=LIMITS.call_s,
              show_default=True, help="Budget of one call.")  # fmt: skip
@click.option("--memory-mb", type=click.IntRange(64), default=LIMITS.memory_mb, show_default=True,
              help="Memory of the subject's process.")  # fmt: skip
@click.option("--profile", type=click.Choice(list(PROFILES)), default="default",
              show_default=True, help="How many inputs are drawn.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of drawn inputs.")
@click.option("--jobs", type=click.IntRange(1, 256), default=2, show_default=True,
              help="Worker processes; the subject is one, called in turn.")  # fmt: skip
@click.option("--no-falsify", is_flag=True,
              help="Do not try the checks themselves: nothing counts (exit 3).")  # fmt: skip
@click.option("--output", "outputs", multiple=True, metavar="FORMAT=PATH",
              help=f"Also write the report: {', '.join(RENDERERS)}; may be repeated.")  # fmt: skip
@known_options
def command(
    words: tuple[str, ...],
    python: str | None,
    selectors: tuple[str, ...],
    call_seconds: float,
    memory_mb: int,
    profile: str,
    seed: int,
    jobs: int,
    no_falsify: bool,
    outputs: tuple[str, ...],
    pack_dir: Path | None,
    reports: Path,
    evidence_dir: Path,
) -> int:
    """Judge an implementation from elsewhere by the functions that it offers.

    SUBJECT is FILE.py, FILE.py:name or package.module:name; it runs in a process of its own, under
    --python in an environment of its own. The verdict is AGREES (exit 0), DEPARTS (1) or INCOMPLETE
    (3), never GO. `verify audit init FILE` writes a module to fill in.
    """
    if words[0] == "init" and len(words) == 2:
        return _init(Path(words[1]), pack_dir)
    if len(words) != 1:
        raise UsageError(f"audit: found {' '.join(words)}; expected one SUBJECT, or init FILE")
    wanted = wanted_outputs(outputs, RENDERERS)
    loaded = sound_pack(pack_dir)
    subject = foreign_subject(words[0], python)
    if subject is None:
        raise UsageError(
            f"audit: found {words[0]!r}; expected FILE.py, FILE.py:name or package.module:name; "
            "remedy: for a subject of the pack, verify run --subject NAME --no-falsify 'AUDIT-*'"
        )
    options = Options(
        subject=subject.name, seed=seed, profile=profile, jobs=jobs, falsify=not no_falsify,
        evidence_dir=evidence_dir,
    )  # fmt: skip
    clauses = select(loaded.pack, selectors) if selectors else None
    limits = Limits(call_seconds, memory_mb=memory_mb)
    return judged(loaded, subject, options, reports, wanted, clauses, limits)


def judged(
    loaded: LoadedPack,
    subject: ForeignSubject,
    options: Options,
    reports: Path,
    wanted: list[tuple[str, Path]],
    clauses: tuple[Clause, ...] | None,
    limits: Limits = LIMITS,
) -> int:
    """The audit of a subject by clauses, else by all that it can be asked; its exit code."""
    offered = protocol(loaded)
    if clauses is not None:
        clauses = tuple(clause for clause in clauses if TAG in clause.tags)
        if not clauses:
            raise NothingSelectedError(
                f"nothing selected that can be asked of {subject.name}: its clauses have the tag "
                f"{TAG}; remedy: verify list tag:{TAG}"
            )

    def greet(hello: Hello) -> None:
        click.echo(f"{capabilities(loaded, offered, hello)}\n")

    earlier = earlier_in(reports, loaded, options.evidence_dir)
    run = runner(loaded, reports, earlier)
    found = audit(loaded, subject, offered, options, limits, run, clauses=clauses, greet=greet)
    click.echo(summary(found))
    for kind, path in wanted:
        write(path, RENDERERS[kind](found.report))
    return found.report.verdict.exit_code


def _init(path: Path, pack_dir: Path | None) -> int:
    """Write a stub; an existing file is kept."""
    if path.exists():
        raise UsageError(f"{path}: found something there; expected nothing; remedy: another name")
    write(path, stub(protocol(sound_pack(pack_dir)), path.name))
    click.echo(f"wrote {path}; fill in what you have, then: verify audit {path}")
    return 0

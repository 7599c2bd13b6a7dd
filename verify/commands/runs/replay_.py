"""`verify replay`: one clause in this process, where a debugger can follow it."""

from __future__ import annotations

import json
import pdb
import traceback
from pathlib import Path

import click

from verify.commands.common import audited_subject, evidence_option, pack_option, sound_pack
from verify.outcome import Outcome
from verify.problems import UsageError
from verify.report.page.drawn import DRAWN
from verify.report.words import number
from verify.run import columns
from verify.run.answers import decode, encode, subject_lost
from verify.run.profiles import PROFILES
from verify.run.results import Verdict
from verify.run.tasks import make_task
from verify.run.workers.pool import Task
from verify.run.workers.source import compiled_from_source
from verify.run.workers.worker import execute, found_by, load, mount
from verify.spec.model import Clause, Falsifier, Kind
from verify.spec.pack import LoadedPack
from verify.spec.select import one_clause


@click.command()
@click.argument("clause_id", metavar="ID")
@click.option(
    "--mutant", "label", metavar="LABEL", help="Run under this falsifier; `verify explain` lists."
)
@pack_option
@click.option("--subject", metavar="NAME", help="Implementation to audit [default: the pack's].")
@click.option("--profile", type=click.Choice(list(PROFILES)), default="default", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@evidence_option
@click.option("--pdb", "debug", is_flag=True, help="Open the debugger where the check raises.")
def command(
    clause_id: str,
    label: str | None,
    pack_dir: Path | None,
    subject: str | None,
    profile: str,
    seed: int,
    evidence_dir: Path,
    debug: bool,
) -> int:
    """Run one clause, or one of its falsifiers, in the foreground and print what it measured.

    No worker and no budget: breakpoint() works, and an exception shows its whole traceback. Exit
    code 0 when the clause passes, or turns red under --mutant; 1 when not; 3 when nothing was
    judged. No evidence is written.
    """
    loaded = sound_pack(pack_dir)
    clause = one_clause(loaded.pack, clause_id)
    if clause.kind is Kind.CONFIG:
        verdict: Verdict | None = _config(loaded, clause, label)
    else:
        task = make_task(
            loaded,
            clause,
            None if label is None else _falsifier(clause, label),
            subject=audited_subject(loaded, subject),
            seed=seed,
            examples=PROFILES[profile],
            evidence_dir=evidence_dir,
        )
        verdict = _here(task, loaded, debug=debug)
    return _tell(clause, label, verdict)


def _tell(clause: Clause, label: str | None, verdict: Verdict | None) -> int:
    """Print what was found; the exit code."""
    if verdict is None:
        click.echo(f"{clause.id}: error; the traceback stands on standard error")
        return 3
    _show(clause, label, verdict)
    if not verdict.outcome.evaluated:
        return 3
    wanted = Outcome.PASS if label is None else Outcome.FAIL
    return 0 if verdict.outcome is wanted else 1


def _here(task: Task, loaded: LoadedPack, *, debug: bool) -> Verdict | None:
    """The verdict of a task run in this process; None where it raised."""
    try:
        with compiled_from_source(loaded.root):
            mount(loaded.root)
            answer = encode(execute(task.payload, load(task.payload), loaded.root, shrink=True))
    except Exception as error:
        traceback.print_exception(error)
        if debug:
            pdb.post_mortem(error.__traceback__)
        said = found_by(task.payload, error, loaded.root)
        if said is None:
            return None
        answer = subject_lost("raised", said)
    return decode({**answer, "elapsed_s": 0.0, "peak_mb": 0.0})


def _falsifier(clause: Clause, label: str) -> Falsifier:
    """The falsifier of this label, or the only one of this mutant."""
    exact = [f for f in clause.falsifiers if f.label == label]
    named = exact or [f for f in clause.falsifiers if f.mutant == label]
    if len(named) != 1:
        known = "; ".join(falsifier.label for falsifier in clause.falsifiers)
        raise UsageError(f"--mutant: found {label!r}; expected one of {known}")
    return named[0]


def _config(loaded: LoadedPack, clause: Clause, label: str | None) -> Verdict:
    templates = columns.templates(loaded)
    if label is None:
        return columns.judge(clause, loaded, templates)
    runs = list(columns.falsify(clause, loaded, templates))
    for run in runs:
        if run.label == label:
            return run.verdict
    known = "; ".join(run.label for run in runs)
    raise UsageError(f"--mutant: found {label!r}; expected one of {known}")


def _show(clause: Clause, label: str | None, verdict: Verdict) -> None:
    under = f" under {label}" if label else ""
    click.echo(f"{clause.id}{under}: {verdict.outcome} ({verdict.cause})")
    click.echo(f"because   {verdict.reason}")
    tolerance = clause.tolerance
    allowed = "exact" if tolerance.exact else number(tolerance.value, tolerance.unit)
    click.echo(f"measured  {number(verdict.measured, verdict.unit)}, allowed {allowed}")
    details = {name: value for name, value in verdict.details.items() if name != DRAWN}
    if details:
        click.echo(f"details   {json.dumps(details, indent=2, ensure_ascii=False)}")
    for name, data in sorted(verdict.files.items()):
        click.echo(f"file      {name}, {len(data)} bytes, kept by `verify run` only")

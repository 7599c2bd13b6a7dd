"""`verify decisions`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from verify.commands.common import pack_option, pack_root
from verify.problems import NothingSelectedError, PackError
from verify.spec.decision_log import Draft, Log, read_log
from verify.spec.model import DecisionStatus
from verify.spec.rules.decisions import lint_log, notes


@click.group()
def command() -> None:
    """Decision records: what was decided, why, and what stays open."""


@command.command("lint")
@pack_option
def lint_command(pack_dir: Path | None) -> None:
    """Check a log of records; every defect of every record in one go, with file and line.

    DIR may also be a folder of records without a pack, or a log in one file, a bullet a field.
    Exit code 2 where anything is wrong.
    """
    log = _log(pack_dir)
    for note in notes(log):
        click.echo(f"note: {note}")
    problems = lint_log(log)
    if problems:
        raise PackError(problems)
    count = Counter(draft.record.status for draft in log.drafts)
    shares = ", ".join(f"{count[status]} {status}" for status in DecisionStatus if count[status])
    click.echo(f"sound: {len(log.drafts)} decision records: {shares}")


@command.command("list")
@click.option("--status", type=click.Choice([str(status) for status in DecisionStatus]))
@pack_option
def list_command(status: str | None, pack_dir: Path | None) -> None:
    """List the records, one line each, tab-separated: id, status, date, title, what follows."""
    drafts = _log(pack_dir).drafts
    chosen = [one for one in drafts if status is None or (one.has("status") and _is(one, status))]
    if not chosen:
        raise NothingSelectedError(f"--status {status} matches none of {len(drafts)} records")
    for draft in chosen:
        click.echo("\t".join(_row(draft)).rstrip())


def _log(pack_dir: Path | None) -> Log:
    return read_log(pack_root(None) if pack_dir is None else pack_dir)


def _is(draft: Draft, status: str) -> bool:
    return str(draft.record.status) == status


def _row(draft: Draft) -> tuple[str, ...]:
    """A field that could not be read is a question mark."""
    record = draft.record
    said = [
        str(getattr(record, field)) if draft.has(field) else "?"
        for field in ("status", "date", "title")
    ]
    follows = f"-> {record.superseded_by}" if record.superseded_by else ""
    caps = f"caps {' '.join(record.caps)}" if record.status is DecisionStatus.DEFERRED else ""
    return (draft.name, *said, follows or caps)

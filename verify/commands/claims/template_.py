"""`verify template`: the gate that CI runs over configuration files which claim to be faithful."""

from __future__ import annotations

from pathlib import Path

import click

from verify.commands.common import pack_option, sound_pack
from verify.files import write
from verify.problems import PackError, Problem
from verify.report.template_sarif import render
from verify.run.columns import Departure
from verify.run.faithful import Comparison, Misfit, compare
from verify.spec.pack import LoadedPack
from verify.spec.strict_yaml import Document, read


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@click.option("--column", metavar="NAME", help="Column that each file has to name and keep.")
@click.option("--faithful", is_flag=True, help="Refuse declared deviations too.")
@click.option(
    "--sarif",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Also write what departs, at its lines, for a code scanner.",
)
@pack_option
def command(
    files: tuple[Path, ...],
    column: str | None,
    faithful: bool,
    sarif: Path | None,
    pack_dir: Path | None,
) -> int:
    """Hold your own configuration files against the column of cited facts that they name.

    Names each departing field with the fact, its locator and the value expected. A key that the
    column does not have departs, and so does a file that calls itself free. A deviation that the
    file declares under `deviations`, a list of {field, value}, is listed and passes, unless
    --faithful is given.
    """
    loaded = sound_pack(pack_dir)
    code = 0
    unreadable: list[Problem] = []
    found: list[tuple[Document, Comparison, bool]] = []
    for file in files:
        try:
            document, result = _compared(loaded, file, column)
        except PackError as error:  # say it after the files that can be judged
            unreadable += error.problems
            continue
        good = result.faithful if faithful else result.good
        code = code if good else 1
        found.append((document, result, good))
        _show(result, good)
    if sarif is not None:
        write(sarif, render(loaded, found, code))
    if unreadable:
        raise PackError(unreadable)
    return code


def _compared(loaded: LoadedPack, file: Path, column: str | None) -> tuple[Document, Comparison]:
    document = read(file)
    if document.problems:
        raise PackError(document.problems)
    return document, compare(loaded, document, column)


def _show(result: Comparison, good: bool) -> None:
    wrong: tuple[Misfit | Departure, ...] = (*result.misfits, *result.departures)
    for item in wrong:
        click.echo(f"{result.file}: {item}\n    remedy: {item.remedy}")
    for declared in result.declared:
        click.echo(f"{result.file}: declared deviation: {declared}")
    for text in result.stale:
        click.echo(f"{result.file}: stale declaration: {text}")
    word = "faithful" if result.faithful else "declared" if good else "NOT faithful"
    agreeing = result.checked - len(result.departures) - len(result.declared)
    besides = f", {len(result.misfits)} beside them do not fit" if result.misfits else ""
    click.echo(
        f"{result.file}: {word}: {agreeing}/{result.checked} fields agree with column "
        f"{result.column}, {len(result.departures)} depart, {len(result.declared)} declared"
        f"{besides}"
    )

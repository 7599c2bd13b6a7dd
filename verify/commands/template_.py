"""`verify template`: the gate that CI runs over configuration files which claim to be faithful."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from verify.commands.common import pack_option, sound_pack
from verify.problems import PackError, Problem, UsageError
from verify.run.columns import Departure, departure, look_up, same
from verify.spec.model import Kind
from verify.spec.pack import LoadedPack
from verify.spec.strict_yaml import Document, read


@dataclass(frozen=True)
class Comparison:
    """A file against a column: undeclared departures, declared ones, and stale declarations."""

    file: Path
    column: str
    checked: int
    departures: tuple[Departure, ...]
    declared: tuple[Departure, ...]
    stale: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Nothing departs but what the file itself declares."""
        return not self.departures and not self.stale


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@click.option("--column", metavar="NAME", help="Column to hold against [default: the file's own].")
@click.option("--faithful", is_flag=True, help="Refuse declared deviations too.")
@pack_option
def command(
    files: tuple[Path, ...], column: str | None, faithful: bool, pack_dir: Path | None
) -> int:
    """Hold your own configuration files against a column of cited facts.

    Names each departing field with the fact, its locator and the value expected. A deviation that
    the file declares under `deviations`, a list of {field, value}, is listed and passes, unless
    --faithful is given.
    """
    loaded = sound_pack(pack_dir)
    code = 0
    unreadable: list[Problem] = []
    for file in files:
        try:
            result = compare(loaded, file, column)
        except PackError as error:  # say it after the files that can be judged
            unreadable += error.problems
            continue
        good = result.good and not (faithful and result.declared)
        code = code if good else 1
        _show(result, good)
    if unreadable:
        raise PackError(unreadable)
    return code


def compare(loaded: LoadedPack, file: Path, column: str | None) -> Comparison:
    """Every config clause of the pack against one file."""
    document = read(file)
    if document.problems:
        raise PackError(document.problems)
    value: Any = document.value
    if not isinstance(value, dict):
        found = f"a {type(value).__name__}"
        raise PackError([document.problem((), found, "a mapping of fields", "rewrite it")])
    declared = _declared(document)
    chosen = _column(loaded, file, column or value.get("column"))
    clauses = [clause for clause in loaded.pack.clauses if clause.kind is Kind.CONFIG]
    if not clauses:
        raise UsageError("the pack has no config clauses; expected one a field; remedy: --pack DIR")
    departures = [d for clause in clauses if (d := departure(clause, loaded, chosen, value))]
    departing = {item.field for item in departures}
    stale = [
        f"{field} is declared to be {wanted!r}, but {_really(value, field, departing)}"
        for field, wanted in declared.items()
        if field not in departing or not same(look_up(value, field), wanted)
    ]
    return Comparison(
        file=file,
        column=chosen,
        checked=len(clauses),
        departures=tuple(item for item in departures if item.field not in declared),
        declared=tuple(item for item in departures if item.field in declared),
        stale=tuple(stale),
    )


def _column(loaded: LoadedPack, file: Path, chosen: object) -> str:
    columns = loaded.pack.manifest.columns
    if isinstance(chosen, str) and chosen in columns:
        return chosen
    known = ", ".join(columns) or "none: the pack has no columns"
    raise UsageError(
        f"{file}: found the column {chosen!r}; expected one of {known}; remedy: set `column` in "
        "the file or pass --column NAME"
    )


def _really(value: Any, field: str, departing: set[str]) -> str:
    """Why a declaration is stale."""
    found = look_up(value, field)
    if field in departing:
        return f"the file has {found!r}"
    return f"the file's {found!r} does not depart from the column"


def _declared(document: Document) -> dict[str, Any]:
    """Field -> value of the file's own declarations; raises PackError for malformed ones."""
    entries = document.value.get("deviations")
    declared: dict[str, Any] = {}
    problems = list(_malformed(document, entries))
    if problems:
        raise PackError(problems)
    for number, entry in enumerate(entries or ()):
        if entry["field"] in declared:
            found = f"{entry['field']} declared a second time"
            at = ("deviations", number, "field")
            raise PackError([document.problem(at, found, "each field once", "remove one")])
        declared[entry["field"]] = entry["value"]
    return declared


def _malformed(document: Document, entries: Any) -> Iterator[Problem]:
    expected, remedy = "a list of {field: NAME, value: VALUE}", "correct the declaration"
    if entries is None:
        return
    if not isinstance(entries, list):
        found = f"a {type(entries).__name__}"
        yield document.problem(("deviations",), found, expected, remedy)
        return
    for number, entry in enumerate(entries):
        whole = isinstance(entry, dict) and {"field", "value"} <= set(entry)
        if not whole or not isinstance(entry["field"], str):
            yield document.problem(("deviations", number), repr(entry)[:80], expected, remedy)


def _show(result: Comparison, good: bool) -> None:
    for item in result.departures:
        click.echo(f"{result.file}: {item}\n    remedy: {item.remedy}")
    for item in result.declared:
        click.echo(f"{result.file}: declared deviation: {item}")
    for text in result.stale:
        click.echo(f"{result.file}: stale declaration: {text}")
    word = "faithful" if good and not result.declared else "declared" if good else "NOT faithful"
    agreeing = result.checked - len(result.departures) - len(result.declared)
    click.echo(
        f"{result.file}: {word}: {agreeing}/{result.checked} fields agree with column "
        f"{result.column}, {len(result.departures)} depart, {len(result.declared)} declared"
    )

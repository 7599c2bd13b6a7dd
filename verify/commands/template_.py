"""`verify template`: the gate that CI runs over configuration files which claim to be faithful."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from verify.commands.common import pack_option, sound_pack
from verify.problems import PackError, UsageError
from verify.run.columns import Departure, departure, look_up, same
from verify.spec.model import Kind
from verify.spec.pack import LoadedPack
from verify.spec.strict_yaml import read


@dataclass(frozen=True)
class Comparison:
    """A file against a column: what departs undeclared, what is declared, what is declared wrongly."""

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
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[Path, ...],
    column: str | None,
    faithful: bool,
    pack_dir: Path | None,
) -> int:
    """Hold your own configuration files against a column of cited facts.

    Names each departing field with the fact, its locator and the value expected. A deviation that the
    file declares under `deviations` is listed and passes, unless --faithful is given.
    """
    loaded = sound_pack(pack_dir)
    code = 0
    for file in files:
        result = compare(loaded, file, column)
        good = result.good and not (faithful and result.declared)
        code = code if good else 1
        _show(result, good)
    return code


def compare(loaded: LoadedPack, file: Path, column: str | None) -> Comparison:
    """Every config clause of the pack against one file."""
    document = read(file)
    if document.problems:
        raise PackError(document.problems)
    value: Any = document.value
    if not isinstance(value, dict):
        raise PackError([document.problem((), f"a {type(value).__name__}", "a mapping", "rewrite")])
    chosen = column or value.get("column")
    columns = loaded.pack.manifest.columns
    if chosen not in columns:
        known = ", ".join(columns) or "none: the pack has no columns"
        raise UsageError(
            f"{file}: found the column {chosen!r}; expected one of {known}; remedy: set `column` in "
            "the file or pass --column NAME"
        )
    clauses = [clause for clause in loaded.pack.clauses if clause.kind is Kind.CONFIG]
    found = [d for clause in clauses if (d := departure(clause, loaded, chosen, value))]
    declared = _declared(value)
    fields = {item.field for item in found}
    stale = [
        f"{field} is declared a deviation ({wanted!r}) but the file has {look_up(value, field)!r}"
        for field, wanted in declared.items()
        if field not in fields or not same(look_up(value, field), wanted)
    ]
    return Comparison(
        file=file,
        column=chosen,
        checked=len(clauses),
        departures=tuple(item for item in found if item.field not in declared),
        declared=tuple(item for item in found if item.field in declared),
        stale=tuple(stale),
    )


def _declared(value: dict[str, Any]) -> dict[str, Any]:
    entries = value.get("deviations") or []
    return {
        entry["field"]: entry.get("value")
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("field"), str)
    }


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

"""`drift params`: the parameters of a template's models, module by module."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from drift.artifacts.parameters import Table


@click.command("params")
@click.argument("template", default="all")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (schema drift-params/1).")
def command(template: str, as_json: bool) -> None:
    """Count the parameters of TEMPLATE (a name or a file; default: all shipped ones).

    Totals are held against the paper's rounded ones and the reference's exact ones; exit 1 where
    they differ. Nothing is allocated.
    """
    from drift.artifacts.parameters import tables
    from drift.config import load_template, template_names

    names = template_names() if template == "all" else (template,)
    counted = [table for name in names for table in tables(load_template(name))]
    if as_json:
        rows = [asdict(t) | {"total": t.total, "agrees": t.agrees} for t in counted]
        click.echo(json.dumps({"schema": "drift-params/1", "tables": rows}, indent=2))
    elif template == "all":
        click.echo("\n".join(_summary(table) for table in counted))
    else:
        click.echo("\n\n".join(_listing(table) for table in counted))
    odd = [f"{table.template} {table.model}" for table in counted if not table.agrees]
    if odd:
        click.echo(f"totals that are not the stated ones: {', '.join(odd)}", err=True)
        click.get_current_context().exit(1)


def _summary(table: Table) -> str:
    return f"{table.template:<18}{table.model:<17}{table.total:>15,}  {_comparison(table)}"


def _listing(table: Table) -> str:
    lines = [f"{table.template}: {table.model}"]
    for row in table.rows:
        repeats = f" in {row.repeats}" if row.repeats > 1 else ""
        lines.append(f"  {row.module:<28}{row.parameters:>15,}  {row.tensors} tensors{repeats}")
    lines.append(f"  {'total':<28}{table.total:>15,}  {_comparison(table)}")
    return "\n".join(lines)


def _comparison(table: Table) -> str:
    parts = []
    if table.exact is not None:
        difference = table.total - table.exact
        parts.append("reference: equal" if not difference else f"reference: {difference:+,}")
    if table.printed_millions is not None:
        parts.append(f"paper: {table.printed_millions}M")
    return ", ".join(parts) or "no stated total: not a faithful column of Table 8"

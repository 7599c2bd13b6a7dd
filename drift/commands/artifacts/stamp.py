"""`drift stamp`: metadata patched in place; no tensor byte is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from drift.artifacts.schema import FIELDS


def _field_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """One option per field of the schema."""
    for field in reversed(list(FIELDS.values())):
        text = f"{field.expected[0].upper()}{field.expected[1:]}."
        function = click.option(field.option, field.name, metavar="VALUE", help=text)(function)
    return function


@click.command("stamp")
@click.argument("file", type=click.Path(path_type=Path))
@_field_options
def command(file: Path, **patch: str | None) -> None:
    """Set metadata fields of FILE, each on its own; the tensors' bytes stay as they are."""
    from drift.artifacts.stamping import stamp

    result = stamp(file, {name: value for name, value in patch.items() if value is not None})
    for name, (old, new) in result.changed.items():
        click.echo(f"{name}: {_short(old)} -> {_short(new)}")
    click.echo(f"tensor bytes unchanged, sha256 {result.data_sha256}")
    for contradiction in result.contradictions:
        click.echo(f"warning: {contradiction}; loading will stop", err=True)


def _short(value: str | None) -> str:
    if value is None:
        return "absent"
    return value if len(value) <= 100 else f"{value[:97]}..."

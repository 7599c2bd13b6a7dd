"""`verify init`."""

from __future__ import annotations

import os
import shlex
import shutil
from importlib.resources import as_file, files
from pathlib import Path

import click

from verify.commands.pack.schema_ import schema_text
from verify.problems import UsageError

PARTS = ("contracts", "specs", "settings")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR", default=Path())
def command(directory: Path) -> None:
    """Scaffold a pack for another project.

    The scaffold passes `verify run`, and each of its clauses fails on purpose while one of its
    falsifiers is active: change it step by step into your own.
    """
    taken = [part for part in PARTS if (directory / part).exists()]
    if taken:
        raise UsageError(
            f"{directory}: found {' and '.join(taken)} already there; expected none of them; "
            "remedy: choose another folder, nothing is overwritten"
        )
    made: list[Path] = []
    partial = directory / f".verify-init-{os.getpid()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with as_file(files("verify") / "scaffold") as scaffold:
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(scaffold, partial, ignore=ignore)
        schema = partial / "specs" / "schema" / "contract-2.json"
        schema.parent.mkdir()
        schema.write_text(schema_text("contract"), encoding="utf-8")
        for part in PARTS:
            (partial / part).rename(directory / part)
            made.append(directory / part)
    except OSError as error:
        for path in made:
            shutil.rmtree(path, ignore_errors=True)
        raise UsageError(f"{directory}: cannot be written ({error.strerror})") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    shown = "" if directory == Path() else f" --pack {shlex.quote(str(directory))}"
    parts = ", ".join(f"{part}/" for part in PARTS)
    click.echo(f"scaffolded {parts} in {directory}; next: verify run{shown}")

"""`verify docs`."""

from __future__ import annotations

from pathlib import Path

import click

from verify import files
from verify.commands.common import pack_option, sound_pack
from verify.problems import UsageError


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@pack_option
def command(folder: Path, pack_dir: Path | None) -> None:
    """Write a page for each contract into FOLDER: every clause, its sources and its falsifiers.

    Markdown for any site generator, made from the contracts alone; no code of the pack is run.
    FOLDER is new, or holds nothing but pages that this command wrote before.
    """
    from verify.report.reference.pages import pages

    written = pages(sound_pack(pack_dir))
    held = {one.name for one in folder.iterdir()} if folder.is_dir() else {folder.name}
    others = sorted(held - set(written)) if folder.exists() else []
    if others:
        raise UsageError(
            f"{folder}: found {', '.join(others[:3])}; expected a new folder, or the pages of an "
            "earlier call. Choose another folder, or take those out."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in written.items():
        files.write(folder / name, text)
    click.echo(f"{folder}: {len(written)} pages")

"""`drift new`: a template for a folder of images."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

from drift import atomic
from drift.config import own
from drift.errors import DriftError

NAME = r"[a-z0-9][a-z0-9-]*"


@click.command("new")
@click.argument("name")
@click.option("--data", required=True, type=click.Path(path_type=Path),
              help="Folder with one folder of images a class, or a latent cache.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="The template.  [default: NAME.yaml]")
@click.option("--data-name", help="What the images are called.  [default: NAME]")
@click.option("--data-licence", help="Their licence, an SPDX expression.  [default: unknown]")
def command(
    name: str, data: Path, out: Path | None, data_name: str | None, data_licence: str | None
) -> None:
    """Look at the images in a folder and write NAME.yaml, a small template that fits them.

    `drift train NAME.yaml` needs no more than that. Nothing that is there is overwritten.
    """
    from drift.data.dataset import UNKNOWN, stated

    place = out or Path(f"{name}.yaml")
    if not re.fullmatch(NAME, name):
        raise DriftError("NAME", found=name, expected="small letters, digits and -")
    if os.path.lexists(place):
        raise DriftError(
            str(place), found="something there", expected="a new file",
            remedy="Choose another NAME or --out.",
        )  # fmt: skip
    known = stated(data_name or name, data_licence)
    named = {
        "name": name, "dataset": known.name, "licence": known.licence or UNKNOWN,
        "folder": _from(place, data),
    }  # fmt: skip
    text, said = _written(data, named)
    try:
        atomic.write_bytes(place, text.encode(), exclusive=True)
    except OSError as error:
        raise DriftError(
            str(place), found=f"a file that cannot be written ({error.strerror or error})",
            expected="a new file in a folder that is there",
        ) from error  # fmt: skip
    for line in (*said, f"next: drift train {place}"):
        click.echo(line)


def _from(place: Path, data: Path) -> str:
    """The folder as the template names it: from its own place on, where it was given so."""
    return str(data) if data.is_absolute() else os.path.relpath(data, place.parent)


def _written(data: Path, named: dict[str, str]) -> tuple[str, list[str]]:
    """(the template's text, what was found)."""
    from drift.data.manifest import MANIFEST

    if (data / MANIFEST).is_file():
        from drift.data.latents import LatentSource

        source = LatentSource(data, mirror=False)
        counts = [int((source.labels == label).sum()) for label in range(source.classes)]
        title = f"{named['name']}: {sum(counts):,} latents of {source.classes} classes"
        return own.of_latents(source.manifest, counts, title=title, **named), [title]
    from drift.data.survey import survey

    found = survey(data)
    size = f"{found.square} x {found.square}" if found.square else f"{found.shortest} and more"
    colour = "grey" if found.grey else "colour"
    many = f"{found.images:,} images of {len(found.classes)} classes"
    title = f"{named['name']}: {many}, {colour}, {size} pixels"
    return own.of_images(found, title=title, **named), [title, *found.notes]

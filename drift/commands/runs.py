"""What `drift pretrain` and `drift train` share: data, folders, and how a run is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from drift.config import Template
from drift.data import DigitsSource, Source
from drift.data.dataset import UNKNOWN, described, stated
from drift.errors import DriftError

RUNS = Path("runs")

mirror_option = click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    type=click.Choice(["tensorboard", "wandb"]),
    help="Copy the metric rows there, too; wandb is offline unless WANDB_MODE says otherwise.",
)


def mirror_modules(kinds: tuple[str, ...]) -> dict[str, Any]:
    """What --mirror needs, imported only where it is asked for."""
    from drift.state import mirrors

    return mirrors.modules(kinds)


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--data, and what its images are called where nothing in it says so."""
    place = click.Path(path_type=Path)
    for option in (
        click.option("--data-licence", help="Licence of its images, an SPDX expression."),
        click.option("--data-name", help="What its images are called.  [default: the cache's]"),
        click.option("--data", type=place, help="Latent cache or image folder."),
    ):
        command = option(command)
    return command


def source_of(
    template: Template, data: Path | None, name: str | None = None, licence: str | None = None
) -> Source:
    """The real samples of a template: embedded digits, a latent cache or a folder of images."""
    if template.data.dataset == "digits":
        if (data, name, licence) != (None, None, None):
            raise DriftError(
                "--data",
                found=str(data or name or licence),
                expected="no folder: the digits are embedded",
            )
        return DigitsSource()
    if data is None:
        raise DriftError(
            "--data", found="nothing", expected=f"the folder of {template.data.dataset}",
            remedy="`drift encode IMAGES --out DIR` makes a latent cache.",
        )  # fmt: skip
    from drift.data import FolderSource, open_source

    source = open_source(
        data, template.data, classes=template.generator.num_classes, dataset=stated(name, licence)
    )
    for note in source.listing.notes if isinstance(source, FolderSource) else ():
        click.echo(note, err=True)
    if described(source)["name"] == UNKNOWN:
        click.echo(f"{data}: a data set without a name; samples will say {UNKNOWN}", err=True)
    return source


def folder_of(template: Template, out: Path | None, suffix: str = "") -> Path:
    """Where a run goes: --out, or runs/<template>."""
    return out or RUNS / f"{template.name}{suffix}"


def require_single_process(environment: dict[str, str]) -> None:
    """Several processes need a process group, which this engine does not make (requirement 33)."""
    world = environment.get("WORLD_SIZE", "1")
    if world != "1":
        raise DriftError(
            "WORLD_SIZE", found=world, expected="1",
            remedy="Start one process; gradients of several would not be combined.",
        )  # fmt: skip

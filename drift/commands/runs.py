"""What `drift pretrain` and `drift train` share: data, folders, and how a run is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from drift.config import Template
from drift.data import DigitsSource, Source
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


def source_of(template: Template, data: Path | None) -> Source:
    """The real samples of a template: embedded digits, a latent cache or a folder of images."""
    if template.data.dataset == "digits":
        if data is not None:
            raise DriftError(
                "--data", found=str(data), expected="no folder: the digits are embedded"
            )
        return DigitsSource()
    if data is None:
        raise DriftError(
            "--data", found="nothing", expected=f"the folder of {template.data.dataset}",
            remedy="`drift encode IMAGES --out DIR` makes a latent cache.",
        )  # fmt: skip
    from drift.data import FolderSource, open_source

    source = open_source(data, template.data, classes=template.generator.num_classes)
    if isinstance(source, FolderSource) and source.listing.left_out:
        click.echo(source.listing.left_out, err=True)
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

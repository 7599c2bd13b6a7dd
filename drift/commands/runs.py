"""What `drift pretrain` and `drift train` share: data, folders, processes, how a run is shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drift.commands.device import device_option
from drift.config import Template
from drift.data import Source
from drift.data.dataset import UNKNOWN, described, stated
from drift.data.embedded import SETS
from drift.errors import DriftError

if TYPE_CHECKING:
    from drift.ranks import Ranks

Command = Callable[..., Any]
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


def _all(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    return lambda command: reduce(lambda found, option: option(found), reversed(options), command)


def place_options(out: str) -> Callable[[Command], Command]:
    """--data, and what its images are called where nothing in it says so; where a run is done."""
    place = click.Path(path_type=Path)
    return _all(
        click.option("--data", type=place, help="Latent cache or image folder."),
        click.option("--data-name", help="What its images are called.  [default: the cache's]"),
        click.option("--data-licence", help="Licence of its images, an SPDX expression."),
        click.option("--out", type=place, help=f"[default: {out}]"),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
        device_option,
    )


def checkpoint_options(every: int, more: str = "") -> Callable[[Command], Command]:
    """How often a run is saved, and whether it goes on from what was."""
    return _all(
        click.option("--checkpoint-every", type=click.IntRange(min=1), default=every,
                     show_default=True, help=f"Steps between checkpoints{more}."),
        click.option("--resume", is_flag=True,
                     help="Go on from the newest good checkpoint of --out."),
    )  # fmt: skip


def aloud(text: str) -> None:
    """On standard error."""
    click.echo(text, err=True)


def source_of(
    template: Template, data: Path | None, name: str | None = None, licence: str | None = None,
    say: Callable[[str], None] = aloud,
) -> Source:  # fmt: skip
    """The real samples of a template: embedded ones, a latent cache or a folder of images."""
    embedded = SETS.get(template.data.dataset)
    if embedded is not None:
        if (data, name, licence) != (None, None, None):
            raise DriftError(
                "--data",
                found=str(data or name or licence),
                expected=f"no folder: {embedded.name} is embedded",
            )
        return embedded.source()
    from drift.data import FolderSource, open_own, open_source

    if template.inputs is not None and (name, licence) == (None, None):
        source: Source = open_own(template, data)
        data = data or Path(template.inputs.folder)
    elif data is None:
        raise DriftError(
            "--data", found="nothing", expected=f"the folder of {template.data.dataset}",
            remedy="`drift new NAME --data IMAGES` writes a template that names its folder; "
            "`drift encode IMAGES --out DIR` makes a latent cache.",
        )  # fmt: skip
    else:
        source = open_source(
            data, template.data, classes=template.generator.num_classes,
            dataset=stated(name, licence), grey=template.generator.input_shape[2] == 1,
        )  # fmt: skip
    for note in source.listing.notes if isinstance(source, FolderSource) else ():
        say(note)
    if described(source)["name"] == UNKNOWN:
        say(f"{data}: a data set without a name; samples will say {UNKNOWN}")
    return source


def folder_of(template: Template, out: Path | None, suffix: str = "") -> Path:
    """Where a run goes: --out, or runs/<template>."""
    return out or RUNS / f"{template.name}{suffix}"


parallel_option = click.option(
    "--parallel",
    type=click.Choice(["ddp", "fsdp2"]),
    default="ddp",
    show_default=True,
    help="Under torchrun: every process holds the generator, or a share of it.",
)
wait_option = click.option(
    "--collective-timeout",
    "wait_s",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="Under torchrun: seconds that one collective may take before the run ends.",
)


def joined(device: str, wait_s: float) -> AbstractContextManager[tuple[Ranks, str]]:
    """(this process among those of torchrun, its device); see `drift.ranks.joining`."""
    from drift.ranks import joining

    return joining.joined(device, wait_s=wait_s)


def is_first() -> bool:
    """Whether torchrun calls this process the first one, or there is no torchrun."""
    return os.environ.get("RANK", "0") == "0"


def voice(ranks: Ranks) -> Callable[[str], None]:
    """Standard error for the writer, nothing for the other processes."""
    return aloud if ranks.writer else lambda text: None

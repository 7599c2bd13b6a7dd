"""The option --device; torch is imported when a command runs, not for its help."""

from __future__ import annotations

import click


def _chosen(context: click.Context, parameter: click.Parameter, name: str) -> str:
    from drift import devices

    return devices.chosen(name)


device_option = click.option(
    "--device", default="cpu", show_default=True, callback=_chosen, help="auto, cpu or cuda[:N]."
)

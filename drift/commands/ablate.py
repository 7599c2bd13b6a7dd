"""`drift ablate`: the paper's orderings at a small scale, measured with paired intervals."""

from __future__ import annotations

from pathlib import Path

import click

from drift.ablate.tables import TABLES


@click.command("ablate")
@click.argument("table", type=click.Choice(list(TABLES)))
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True,
              help="Runs of each setting; paired by seed.")  # fmt: skip
@click.option("--out", "root", type=click.Path(path_type=Path), show_default=True,
              default=Path("runs/ablations"), help="Folder of all steps.")  # fmt: skip
@click.option("--records", type=click.Path(path_type=Path), show_default=True,
              default=Path("runs/ablations/records"), help="Where the record goes.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="SECTION.FIELD=VALUE",
              help="Of all settings, over the budget; such a record backs no clause.")  # fmt: skip
@click.option("--plan", is_flag=True, help="Say what is to do and what it costs. Does nothing.")
def command(
    table: str, seeds: int, root: Path, records: Path, settings: tuple[str, ...], plan: bool
) -> None:
    """Measure one table of the paper at a small scale, on digits.

    Every setting is trained once a seed; a run that is done is not done again, and tables share
    what is the same. Writes TABLE.json with its components and TABLE.png, and says which orders
    separate. All figures are on the evidence axis `proxy`.
    """
    from drift.ablate import room

    asked = room.asked(table, seeds, root.resolve(), settings)
    if plan:
        for line in room.planned(asked):
            click.echo(line)
        return
    for line in room.carried_out(asked, records, lambda text: click.echo(text, err=True)):
        click.echo(line)

"""`verify next`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from verify.commands.common import known_options, sound_pack, tell
from verify.hunt.ledger import attempts
from verify.hunt.standing import OrderStand, Stand, orders
from verify.known import known
from verify.problems import NothingSelectedError
from verify.report.words import printable


@click.command()
@known_options
def command(pack_dir: Path | None, reports: Path, evidence_dir: Path) -> int:
    """Say which work orders may start, and which wait for what.

    Orders lie in specs/work-orders/*.yaml. One is discharged by an attempt whose clauses, and whose
    control, passed in one run with every falsifier turning them red, and whose clauses hold for the
    present files. Exit code 1 while one is open.
    """
    loaded = sound_pack(pack_dir)
    now = known(loaded, reports, evidence_dir).intact()
    found = orders(loaded, attempts(loaded), now)
    if not found:
        raise NothingSelectedError("found no work orders in specs/work-orders; remedy: write one")
    tell(now, reports)
    where = f" --pack {shlex.quote(str(pack_dir))}" if pack_dir is not None else ""
    for one in found:
        for line in _told(one, where):
            click.echo(printable(line))
    return 0 if all(one.stand is Stand.DISCHARGED for one in found) else 1


def _told(one: OrderStand, where: str) -> list[str]:
    """What there is to say of an order; `where` names the pack that was asked for."""
    order = one.order
    lines = [f"{one.stand:<10} {order.id} {order.title} ({one.why})"]
    if one.stand in (Stand.READY, Stand.STALE):
        selected = " ".join(f"'{name}'" for name in (*order.clauses, *order.control))
        lines += [f"    focus: {order.focus}", f"    run: verify run{where} {selected}"]
        lines += [f"    control: {', '.join(order.control)}"] if order.control else []
        lines += [f"    leaves: {name}" for name in order.artefacts]
        lines += [f"    pitfall: {text}" for text in order.pitfalls]
        lines += [f"    if blocked: {order.if_blocked}"] if order.if_blocked else []
        lines += [f"    then: verify attempt add {order.id} --bundle BUNDLE{where}"]
    return lines

"""`verify status`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from verify.commands.common import known_options, sound_pack, tell
from verify.hunt.standing import Status, contracts
from verify.known import known
from verify.report.words import printable

SHOWN = 3


@click.command()
@known_options
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(pack_dir: Path | None, reports: Path, evidence_dir: Path, as_json: bool) -> int:
    """Say what each contract has come to: proposed, partial, functional or discharged.

    Computed from what is known now. Functional: every required clause passes and every falsifier
    turned it red. Discharged: the others too, no falsifier is pending and no decision is open. Exit
    code 1 while one is below functional.
    """
    loaded = sound_pack(pack_dir)
    now = known(loaded, reports, evidence_dir).intact()
    found = contracts(loaded, now)
    tell(now, reports)
    if as_json:
        rows = [{"contract": o.contract, "status": o.status, "because": list(o.why)} for o in found]
        click.echo(json.dumps({"schema": "verify/status/1", "contracts": rows}, indent=1))
    else:
        width = max(len(one.contract) for one in found)
        for one in found:
            more = f", and {len(one.why) - SHOWN} more" if len(one.why) > SHOWN else ""
            why = "; ".join(one.why[:SHOWN]) + more
            click.echo(printable(f"{one.contract:<{width}}  {one.status:<10}  {why}".rstrip()))
    low = (Status.PROPOSED, Status.PARTIAL)
    return 1 if any(one.status in low for one in found) else 0

"""`verify attempt`."""

from __future__ import annotations

from pathlib import Path

import click

from verify import clock
from verify.commands.common import known_options, pack_option, sound_pack
from verify.hunt import ledger
from verify.hunt.model import WorkOrder
from verify.hunt.standing import Stand, orders
from verify.known import known
from verify.problems import NothingSelectedError, UsageError
from verify.report.bundle import check
from verify.report.words import printable


@click.group()
def command() -> None:
    """The ledger of attempts at work orders: specs/work-orders/attempts.jsonl."""


@command.command()
@click.argument("order", metavar="ORDER")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="The sealed bundle of the attempt; its figures are taken from there.",
)
@click.option("--note", default="", metavar="TEXT", help="What was tried.")
@click.option(
    "--fallback",
    metavar="WHY",
    help="It was done another way because of this; such an attempt satisfies no gate.",
)
@known_options
def add(
    order: str,
    bundle: Path,
    note: str,
    fallback: str | None,
    pack_dir: Path | None,
    reports: Path,
    evidence_dir: Path,
) -> int:
    """Append an attempt at ORDER; refused while the orders before it are open.

    Exit code 0 where it discharges the order, 1 where it does not.
    """
    loaded = sound_pack(pack_dir)
    known_orders = {one.id: one for _, one in loaded.of(WorkOrder)}
    if order not in known_orders:
        names = ", ".join(sorted(known_orders)) or "none"
        raise NothingSelectedError(f"found no work order {order}; expected one of {names}")
    now = known(loaded, reports, evidence_dir).intact()
    stand = next(
        one for one in orders(loaded, ledger.attempts(loaded), now) if one.order.id == order
    )
    if stand.stand is Stand.WAITING:
        raise UsageError(
            f"{order}: found that it {stand.why}; expected these discharged; remedy: verify next"
        )
    report = check(bundle)
    subject = loaded.pack.manifest.subject
    if report.about["subject"] != subject and fallback is None:
        raise UsageError(
            f"{bundle}: found a bundle about {report.about['subject']}; expected {subject}; "
            "remedy: run that, or say with --fallback why not"
        )
    attempt = ledger.add(
        loaded, known_orders[order], report, bundle.resolve().name,
        at=clock.now().isoformat(timespec="seconds").replace("+00:00", "Z"),
        fallback=fallback, note=note,
    )  # fmt: skip
    click.echo(printable(attempt.line))
    return 0 if attempt.good else 1


@command.command(name="list")
@click.argument("order", required=False, metavar="[ORDER]")
@pack_option
def list_(order: str | None, pack_dir: Path | None) -> int:
    """Print the attempts, of one order or all; exit code 4 where the ledger was edited."""
    for attempt in ledger.attempts(sound_pack(pack_dir)):
        if order in (None, attempt.order):
            click.echo(printable(attempt.line))
    return 0

"""`verify score`: the breakdown of what is known now, or of one bundle as it was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from verify.commands.common import known_options, sound_pack, tell
from verify.known import known
from verify.problems import NothingSelectedError, UsageError
from verify.report.bundle import check, latest
from verify.report.model import Report
from verify.report.words import printable, step
from verify.score import OVERALL, Entry, Points, Score
from verify.spec.root import MANIFEST


@click.command()
@click.argument("places", nargs=-1, metavar="[BUNDLE] [CONTRACT]")
@known_options
@click.option("--all", "show_all", is_flag=True, help="Show the clauses that earned theirs too.")
def command(
    places: tuple[str, ...],
    pack_dir: Path | None,
    reports: Path,
    evidence_dir: Path,
    show_all: bool,
) -> int:
    """Print points earned of points possible, overall or of one contract.

    Counted is what is current for the pack here or in --pack. BUNDLE is a sealed bundle, which is
    re-verified and shown as it was recorded, as is the latest where there is no pack. Clauses that
    earned nothing are listed, then the shortest way to raise the score. A failing blocker blocks
    the score whatever its points; exit code 1 says so.
    """
    folder, contract = _asked(places)
    name, report = _report(folder, pack_dir, reports, evidence_dir)
    if contract is not None and report.score.of(contract) is None:
        contracts = ", ".join(points.name for points in report.score.contracts)
        raise NothingSelectedError(
            f"{name}: found no contract {contract}; expected one of {contracts}; remedy: correct it"
        )
    click.echo(f"bundle {name}")
    for line in _told(report.score, contract, show_all):
        click.echo(printable(line))
    points = report.score.of(contract) if contract else report.score.overall
    return 1 if points and points.blocked_by else 0


def _report(
    folder: Path | None, pack_dir: Path | None, reports: Path, evaluations: Path
) -> tuple[str, Report]:
    """What is counted, and its name."""
    if folder is None and (pack_dir is not None or Path(MANIFEST).is_file()):
        now = known(sound_pack(pack_dir), reports, evaluations).intact()
        tell(now, reports)
        if now.report is None:
            raise NothingSelectedError(
                f"found no current evidence in {reports}; expected a bundle about the present "
                "files; remedy: verify run"
            )
        return now.name or "", now.report
    folder = folder or latest(reports)
    if folder is None:
        raise NothingSelectedError(f"found no sealed bundle in {reports}; remedy: verify run")
    click.echo("note: as recorded; not held against the present files", err=True)
    return folder.resolve().name, check(folder)


def _asked(places: tuple[str, ...]) -> tuple[Path | None, str | None]:
    """Bundle and contract; an argument alone is a bundle where a folder of that name is."""
    if len(places) > 2:
        raise UsageError(f"found {len(places)} arguments; expected [BUNDLE] [CONTRACT]")
    given = list(places)
    folder = None
    if len(given) == 2 or (given and Path(given[0]).is_dir()):
        folder = Path(given.pop(0))
    return folder, given[0] if given else None


def _told(score: Score, contract: str | None, show_all: bool) -> Iterator[str]:
    chosen = [p for p in score.contracts if contract in (None, p.name)]
    for points in chosen:
        yield f"{points.name}: {points.line}"
        for entry in score.entries:
            if entry.contract == points.name and (show_all or _is_open(entry)):
                yield _entry(entry)
        yield from _absent(points)
    steps = [one for one in score.steps if contract in (None, one.contract)]
    if steps:
        yield "the shortest way to raise it, heaviest first:"
        yield from (f"  {step(one)}" for one in steps)
    if contract is None:
        yield f"{OVERALL}: {score.overall.line}"


def _is_open(entry: Entry) -> bool:
    return entry.earned < entry.possible


def _entry(entry: Entry) -> str:
    return f"  {entry.clause} {entry.outcome} {entry.earned}/{entry.possible}"


def _absent(points: Points) -> Iterator[str]:
    for name in points.not_applicable:
        yield f"  {name} not applicable, in neither number"

"""`verify release`."""

from __future__ import annotations

from pathlib import Path

import click

from verify import clock
from verify.commands.common import known_options, sound_pack, tell
from verify.problems import UsageError
from verify.release.checks import checks
from verify.release.decide import decide
from verify.release.finding import Word
from verify.release.records import figures, make
from verify.release.render import console, write_beside
from verify.release.signing import sign
from verify.release.situation import Situation, gather
from verify.report.model import ExitCode
from verify.spec.pack import LoadedPack


@click.command()
@click.argument("artefacts", nargs=-1, type=click.Path(path_type=Path), metavar="[ARTEFACT]...")
@known_options
@click.option("--record", "records", multiple=True, metavar="GATE", help="Make a gate's record.")
@click.option("--sign", "gate", metavar="GATE", help="Sign a maintainer's gate for this version.")
@click.option("--name", default="", help="Who signs.")
@click.option("--role", default="", help="As what.")
@click.option("--what", default="", help="What was done, in one line.")
@click.option("--conditional-ok", is_flag=True, help="Exit 0 for CONDITIONAL-GO as well.")
def command(
    artefacts: tuple[Path, ...],
    pack_dir: Path | None,
    reports: Path,
    evidence_dir: Path,
    records: tuple[str, ...],
    gate: str | None,
    name: str,
    role: str,
    what: str,
    conditional_ok: bool,
) -> int:
    """GO, CONDITIONAL-GO or NO-GO: every gate of contracts/policy/release.yaml, and what closes it.

    Engineering gates have to pass; evidence that is missing or stale is never a pass. What only a
    maintainer can do makes the verdict conditional at most. Nothing is published: no network, no
    git. The verdict is written beside the newest bundle. Exit codes: 0 GO, 1 a gate failed, 3 a
    gate is open, a maintainer's included, 4 a digest does not match.
    """
    loaded = sound_pack(pack_dir)
    now = gather(loaded, reports, artefacts, clock.today(), evidence_dir)
    if records:
        return _make(now, records)
    if gate is not None:
        path = sign(now, gate, name=name, role=role, what=what)
        click.echo(f"{path.name}: {gate} is signed for {now.version}")
        return int(ExitCode.GO)
    if name or role or what:
        raise UsageError("--name, --role and --what belong to --sign GATE")
    return _judge(loaded, now, conditional_ok)


def _make(now: Situation, records: tuple[str, ...]) -> int:
    known = {gate.id: gate for gate in now.release.gates}
    odd = [name for name in records if name not in known]
    if odd:
        raise UsageError(f"--record: found {odd[0]!r}; expected one of {', '.join(known)}")
    good = True
    with checks(now.loaded, now.evidence_dir) as run:
        for name in records:
            path, record = make(known[name], now, run)
            if record.benchmark is not None:
                median, spread = figures(record.benchmark.ratios)
                said = f"median ratio {median:.3g}, spread {spread:.2g}"
            else:
                assert record.tests is not None
                said = f"{record.tests.tests} tests, exit status {record.tests.exit_status}"
                good &= record.tests.exit_status == 0
            click.echo(f"{path}: {said}")
    return int(ExitCode.GO if good else ExitCode.FAILED)


def _judge(loaded: LoadedPack, now: Situation, conditional_ok: bool) -> int:
    with checks(loaded, now.evidence_dir) as run:
        decision = decide(now, run)
    tell(now.known, now.reports)
    for path in write_beside(decision):
        click.echo(f"written: {path}", err=True)
    click.echo(console(decision))
    if conditional_ok and decision.word is Word.CONDITIONAL:
        return int(ExitCode.GO)
    return int(decision.exit_code)

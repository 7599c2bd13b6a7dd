"""`verify card`."""

from __future__ import annotations

from pathlib import Path

import click

from verify import clock
from verify.card.compare import difference, hands, hiding
from verify.card.gate import linted, source_of
from verify.card.render import GENERATED, Source, card
from verify.commands.common import known_options, sound_pack, tell
from verify.files import write
from verify.known import Bundle, known, known_from
from verify.problems import IntegrityError, NothingSelectedError, UsageError
from verify.release.checks import checks
from verify.release.situation import artefact_of, named
from verify.report.model import ExitCode
from verify.report.words import printable
from verify.spec.pack import LoadedPack
from verify.spec.places import read_text


@click.command()
@click.argument("bundle", required=False, type=click.Path(path_type=Path))
@click.option("--artefact", type=click.Path(path_type=Path), metavar="FILE", help="Its subject.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write it here.")
@click.option("--check", "held", type=click.Path(path_type=Path), metavar="FILE", help="Hold this.")
@known_options
def command(
    bundle: Path | None,
    artefact: Path | None,
    out: Path | None,
    held: Path | None,
    pack_dir: Path | None,
    reports: Path,
    evidence_dir: Path,
) -> int:
    """Write a model card from BUNDLE [default: all that is current], or hold a card against it.

    A person may write between the markers; that text stays when a card is written again, and the
    overclaim lint reads it. With --check, exit code 4 names the first line that is not what the
    bundle renders to, and 1 each sentence that says more than the evidence, or what could hide the
    generated parts from a reader.
    """
    if out is not None and held is not None:
        raise UsageError("--out and --check: found both; expected one")
    loaded = sound_pack(pack_dir)
    if bundle is None:
        now = known(loaded, reports, evidence_dir).intact()
    else:
        now = known_from(loaded, [bundle], evidence_dir).intact()
    tell(now, bundle or reports)
    found = named(now)
    if found is None:
        raise NothingSelectedError(
            f"{bundle or reports}: found no current evidence; expected a bundle about the present "
            "files; remedy: verify run"
        )
    about = artefact_of(artefact) if artefact else None
    with checks(loaded, evidence_dir) as run:
        source = source_of(loaded, found, about, run)
    if held is not None:
        return _hold(held, source, found, loaded)
    if out is None:
        click.echo(card(source, {}), nl=False)
        return 0
    write(out, card(source, _kept(out)))
    click.echo(f"{out}: from {source.bundle}")
    return 0


def _hold(path: Path, source: Source, bundle: Bundle, loaded: LoadedPack) -> int:
    text = _text(path)
    differs = difference(text, source)
    if differs is not None:
        raise IntegrityError(
            f"{path}: {differs}; remedy: `verify card --out {path.name}`; only the parts between "
            "the markers are written by hand"
        )
    hidden = hiding(text)
    if hidden is not None:
        click.echo(f"{path}: {hidden}")
        return int(ExitCode.FAILED)
    result = linted(text, str(path), loaded, bundle, clock.today())
    for finding in result.flagged:
        place = f"{path}:{finding.sentence.line}"
        said = f"{finding.sentence.text}: {finding.reason}"
        click.echo(f"{place}: {finding.ruling}: {printable(said)}")
    click.echo(f"{path}: as {source.bundle} renders it; {result.line}")
    return int(result.exit_code)


def _kept(path: Path) -> dict[str, str]:
    """What a person wrote in the card that is to be replaced; another file is not replaced."""
    if not path.exists():
        return {}
    text = _text(path)
    if GENERATED not in text:
        raise UsageError(
            f"{path}: found a file that is no generated card; expected a card or no file; remedy: "
            "choose another name"
        )
    return hands(text)


def _text(path: Path) -> str:
    text = read_text(path, str(path))
    if not isinstance(text, str):
        raise UsageError(str(text))
    return text

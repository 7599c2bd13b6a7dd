"""`verify claims`: what a text asserts, held against what is known now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from verify import clock
from verify.commands.common import known_options, sound_pack, tell
from verify.files import write
from verify.known import known
from verify.problems import UsageError
from verify.prose.accuracy import HELD_OUT
from verify.prose.evidence import gather
from verify.prose.judge import Finding
from verify.prose.markers import Kind, Marker
from verify.prose.reading import read
from verify.prose.result import Lint, lint
from verify.report.words import printable


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@known_options
@click.option("--all", "show_all", is_flag=True, help="Show what is backed or attributed too.")
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="json=PATH",
    help="Also write the findings as data; may be repeated.",
)
def command(
    files: tuple[Path, ...],
    pack_dir: Path | None,
    reports: Path,
    evidence_dir: Path,
    show_all: bool,
    outputs: tuple[str, ...],
) -> int:
    """Hold Markdown, LaTeX or plain text against current evidence and the pack's facts.

    Finds sentences, cells, captions, titles and badges that could be read as a claim: a figure
    beside a metric, agreement, superiority, speed, praise. One passes only as an allowed claim's
    own sentence, as a paraphrase marked `claim: CLAIM-ID` that says no more, as a figure of an
    authority that states it, or marked `no claim: WHY` (comments; markers are listed). Exit code 1
    where something has to be mended, 3 where only evidence is missing to tell.
    """
    wanted = [_output(text) for text in outputs]
    prose = [read(file) for file in files]
    loaded = sound_pack(pack_dir)
    now = known(loaded, reports, evidence_dir).intact()
    result = lint(prose, gather(loaded.pack, now.report, now.name), clock.today())
    for path in wanted:
        write(path, json.dumps(result.as_json(), indent=1, ensure_ascii=False) + "\n")
    tell(now, reports)
    for line in _told(result, show_all):
        click.echo(line)
    for line in HELD_OUT.lines:
        click.echo(line)
    click.echo(result.line)
    return int(result.exit_code)


def _output(text: str) -> Path:
    kind, separator, path = text.partition("=")
    if kind != "json" or not separator or not path:
        raise UsageError(f"--output: found {text!r}; expected json=PATH")
    if not Path(path).absolute().parent.is_dir():
        raise UsageError(f"--output: found no folder {Path(path).parent}; remedy: create it")
    return Path(path)


def _told(result: Lint, show_all: bool) -> Iterator[str]:
    for finding, marker in result.findings:
        if finding.ruling.flagged or show_all:
            yield from _finding(finding, marker)
    for marker, count in result.markers:
        yield f"{marker.file}:{marker.line}: {_of_marker(marker, count)}"


def _of_marker(marker: Marker, count: int) -> str:
    """What a marker says, and how much rests on it: a reader of the page does not see it."""
    if marker.kind is Kind.WAIVER:
        note = f"a waiver by {printable(marker.owner)}"
    else:
        note = f"a marker, {marker.kind}: {printable(marker.reason)}"
    return f"note: {note}, {count} found" if count else f"note: {note} that concerns nothing"


def _finding(finding: Finding, marker: Marker | None) -> Iterator[str]:
    sentence = finding.sentence
    place = f"{sentence.file}:{sentence.line}:{sentence.column}"
    word = f"waived {finding.ruling}" if marker else str(finding.ruling)
    yield f"{place}: {word}: {printable(_quoted(finding))}"
    yield f"    reason: {printable(finding.reason)}"
    if marker:
        until = f" until {marker.expires}" if marker.expires else ""
        yield f"    waiver: by {printable(marker.owner)}{until}: {printable(marker.reason)}"
    elif finding.instead:
        yield f"    instead: {printable(finding.instead)}"


def _quoted(finding: Finding) -> str:
    """The sentence; a cell with the labels of its row and column."""
    sentence = finding.sentence
    labels = [label for label in (sentence.context.row, sentence.context.column) if label]
    return f'"{sentence.text}"' + (f" ({', '.join(labels)})" if labels else "")

"""`drift inspect`: what a file is, how good its record is, and what would raise it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from drift.artifacts.quality import Quality


@click.command("inspect")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON (schema drift-quality/1).")
@click.option("--minimum", type=click.IntRange(0, 100), help="Exit 1 below this score.")
def command(file: Path, as_json: bool, minimum: int | None) -> None:
    """Score FILE from 0 to 100: identity, provenance, tokenizer, evaluation, licence, integrity.

    The score is about what is known of the file, not about the quality of its samples.
    """
    from drift.artifacts.header import read_header
    from drift.artifacts.quality import assess

    quality = assess(read_header(file))
    if as_json:
        click.echo(json.dumps(quality.as_dict(), indent=2, sort_keys=True))
    else:
        click.echo("\n".join(_lines(quality)))
    if minimum is not None and quality.score < minimum:
        click.echo(f"{file}: quality {quality.score}, below {minimum}", err=True)
        click.get_current_context().exit(1)


def _lines(quality: Quality) -> list[str]:
    from drift.artifacts.quality import WEIGHTS

    evidence = quality.evidence
    shown = ", ".join(f"{name} {value}" for name, value in evidence.values.items())
    lines = [
        f"{quality.path}: quality {quality.score}/100",
        f"{evidence.architecture} in the layout {evidence.layout}; the tensors show {shown}",
    ]
    for part in quality.components:
        lines.append(f"  {part.name:<11}{part.earned:>5g} / {WEIGHTS[part.name]}")
        for item in part.items:
            if item.note:
                lines.append(f"    {item.name}: {item.earned:g} / {item.possible:g}, {item.note}")
    lines += [f"contradiction: {text}" for text in quality.contradictions]
    lines += [f"mended by: {quality.command}"] if quality.command else []
    advice = [item for part in quality.components for item in part.items if item.raise_by]
    if advice:
        lines.append("would raise it:")
    for item in sorted(advice, key=lambda item: item.earned - item.possible):
        lines.append(f"  +{item.possible - item.earned:g} {item.name}: {item.raise_by}")
    return lines

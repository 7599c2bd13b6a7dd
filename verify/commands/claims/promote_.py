"""`verify promote`: whether a run may be promoted, and everything that stands against it."""

from __future__ import annotations

from pathlib import Path

import click

from verify.commands.common import pack_option, reports_option, sound_pack
from verify.promotion.judge import judge
from verify.promotion.record import exit_code, read_draft
from verify.report.words import printable


@click.command()
@click.argument("record", type=click.Path(path_type=Path))
@pack_option
@reports_option
def command(record: Path, pack_dir: Path | None, reports: Path) -> int:
    """Hold RECORD, a promoted-run record, against its track, evaluations and evidence bundle.

    Lists every blocker; nothing is published. Exit code 0 GO; 1 refused: below a floor, on a weaker
    axis, a clause that does not stand; 3 something is missing; 4 a digest or an edited number.
    """
    loaded = sound_pack(pack_dir)
    draft, blockers = read_draft(record)
    blockers += judge(draft, loaded, reports)
    for blocker in blockers:
        click.echo(printable(str(blocker)))
    run = draft.parts.get("run", record.name)
    if blockers:
        click.echo(f"NO-GO: {run}: {len(blockers)} blockers")
    else:
        score, track = draft.parts["score"], draft.parts["track"]
        click.echo(
            f"GO: {run}: {score.metric} {score.value:g} [{score.axis}], {score.samples:,} samples, "
            f"{len(score.seeds)} seeds, track {track}; nothing was published"
        )
    return exit_code(blockers)

"""`verify calibrate`: a proxy's calibration, and follow-up work ranked by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from verify.figures.axes import AxisError
from verify.figures.calibration import Calibration, read_calibration
from verify.figures.evaluation import EvaluationRecord, read_evaluation
from verify.figures.triage import USE, Ranking, proxy_of, rank
from verify.files import write
from verify.problems import IntegrityError, UsageError
from verify.spec.places import visible


@click.command()
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--rank", "files", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
              help="Rank this evaluation record; may be repeated.")  # fmt: skip
@click.option("--records", type=click.Path(path_type=Path), metavar="DIR",
              help="Look every record of the manifest up by its digest, and compare.")  # fmt: skip
@click.option("--output", type=click.Path(path_type=Path), metavar="PATH",
              help="Also write the ranking as JSON.")  # fmt: skip
def command(
    manifest: Path, files: tuple[Path, ...], records: Path | None, output: Path | None
) -> None:
    """Check MANIFEST: pairs, the fit computed again, its error; show where ranks flip.

    --rank orders candidates by their proxies, for one use: what to spend on first. Two that are
    nearer than the calibrated error are uncertain. No ranking is evidence for any claim.
    """
    if output is not None and not files:
        raise UsageError("--output: found no --rank; expected candidates; remedy: name some")
    calibration = read_calibration(manifest)
    if records is not None:
        _look_up(calibration, records, manifest)
    for line in _told(calibration, records is not None):
        click.echo(line)
    if files:
        ranking = rank(calibration, [read_evaluation(file) for file in files])
        for line in _ranked(ranking):
            click.echo(line)
        if output is not None:
            write(output, json.dumps(ranking.as_json(), indent=1) + "\n")


def _look_up(calibration: Calibration, folder: Path, manifest: Path) -> None:
    """Each number is that of the record whose digest it names; raises IntegrityError if not."""
    known = {one.sha256: one for one in map(read_evaluation, visible(folder, "*.json"))}
    file = calibration.file
    for at, pair in enumerate(file.pairs):
        for side, metric in (("proxy", file.proxy_metric), ("paper_eval", file.metric)):
            stated = getattr(pair, side)
            place = f"{manifest}: pairs[{at}].{side}"
            record = known.get(stated.record)
            if record is None:
                raise IntegrityError(
                    f"{place}: found no record {stated.record[:12]}... in {folder}; expected it "
                    "there; remedy: keep the records a calibration rests on"
                )
            if side == "proxy":
                _require_same_proxy(calibration, record, place)
            number = record.number(metric)
            pairs = {
                "value": (stated.value, number.value),
                "axis": (stated.axis, number.axis.label),
                "samples": (stated.samples, number.count),
                "seeds": (tuple(stated.seeds), number.seeds),
                "checkpoint": (pair.checkpoint, record.checkpoint),
            }
            for name, (said, found) in pairs.items():
                if said != found:
                    raise IntegrityError(
                        f"{place}: {name}: found {said!r}; expected {found!r} of {record.path}; "
                        "remedy: copy what the record says"
                    )


def _require_same_proxy(calibration: Calibration, record: EvaluationRecord, place: str) -> None:
    """A pair measured with another proxy says nothing of the one that `where` describes."""
    try:
        proxy_of(calibration, record)
    except AxisError as error:
        raise IntegrityError(f"{place}: {error}") from None


def _told(calibration: Calibration, looked_up: bool) -> Iterator[str]:
    file, fit = calibration.file, calibration.fit
    yield f"{file.title}: {len(file.pairs)} pairs, use {file.use} only"
    yield f"  {file.metric} = {fit.slope:.6g} * {file.proxy_metric} + {fit.intercept:.6g}"
    low, high = calibration.span
    factor = file.error.safety_factor
    yield f"  fitted from {low:.6g} to {high:.6g}"
    yield f"  largest error on a pair left out {fit.maximum:.4g} {file.metric}"
    yield f"  margin {calibration.margin:.4g} {file.metric}, {factor:g} times that"
    for one, other in calibration.flips():
        yield (
            f"  rank flip: {file.proxy_metric} {one.proxy.value:g} < {other.proxy.value:g}, but "
            f"{file.metric} {one.paper_eval.value:g} > {other.paper_eval.value:g} "
            f"(checkpoints {one.checkpoint[:12]}, {other.checkpoint[:12]})"
        )
    yield "  records compared" if looked_up else "  records not looked up; remedy: --records DIR"


def _ranked(ranking: Ranking) -> Iterator[str]:
    yield f"ranking for {USE}, no claim:"
    for place, one in enumerate(ranking.candidates, 1):
        text = f"  {place}. {one.name}: {one.proxy}, guess {one.guess:.4g}"
        text += "" if one.inside else ", outside the calibrated values"
        yield text
        if one.uncertain:
            yield f"     uncertain against {', '.join(one.uncertain)}"

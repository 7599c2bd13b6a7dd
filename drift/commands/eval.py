"""`drift eval`: figures of generated samples, each with its provenance, in a record."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drift.commands import judging, runs
from drift.commands.device import device_option
from drift.data.dataset import EMBEDDED_SETS
from drift.errors import DriftError
from drift.progress import progress

if TYPE_CHECKING:
    from drift.evaluate.comparison import Rival
    from drift.evaluate.extractors import Extractor
    from drift.evaluate.proxy import Encoded
    from drift.evaluate.real import RealSet
    from drift.evaluate.run import Evaluated, Opened, Options
    from drift.sample import Loaded

Measure = Callable[["Opened"], "Evaluated"]
Compare = Callable[["Evaluated"], "tuple[Rival, ...]"]


def _path(*flags: str, **more: Any) -> Callable[[Any], Any]:
    return click.option(*flags, type=click.Path(path_type=Path), **more)


@click.command("eval")
@click.argument("source", metavar="RUN|FILE|FOLDER", type=click.Path(path_type=Path))
@_path("--out", help="The record.  [default: evaluations/ in the run, else beside SOURCE]")
@click.option("--dataset", type=click.Choice([*EMBEDDED_SETS, judging.OWN, judging.IMAGES]),
              help="What judges: real images that need no download, or --statistics of any.  "
              "[default: the run's data]")  # fmt: skip
@_path("--data", help="own: the run's images, where they are no longer where its template says.")
@_path("--encoder", help="The encoder whose features are used.  [default: the run's]")
@click.option("--extractor", default="fid-inception-2015-12-05", show_default=True)
@_path("--extractor-weights", help="Its weights; nothing is ever downloaded.")
@click.option("--extractor-sha256", metavar="HEX", help="Their pinned digest.")
@_path("--statistics", help="Reference statistics, of --write-statistics.")
@click.option("--override-statistics", is_flag=True,
              help="Use statistics of another extractor; the record is smoke.")  # fmt: skip
@_path("--training", help="Statistics of the training data: audits memorisation.")
@_path("--write-statistics", help="Measure nothing; write the statistics of real images SOURCE.")
@click.option("--name", default="unknown", help="Name of the data set in --write-statistics.")
@click.option("--count", type=click.IntRange(min=2), help="Samples.  [default: the template's]")
@click.option("--alpha", type=float, help="Guidance scale.  [default: the template's]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--weights", type=click.Choice(["ema", "raw"]), default="ema", show_default=True)
@click.option("--ema-decay", help="Which of several averages, such as 0.999.")
@click.option("--step", type=click.IntRange(min=0), help="Checkpoint of a run.  [default: newest]")
@click.option("--last", type=click.IntRange(min=1), help="Sweep the last K checkpoints of a run.")
@click.option("--alphas", metavar="A,B,...", help="Sweep guidance scales.")
@click.option("--baselines/--no-baselines", default=True, show_default=True,
              help="Train and measure what a run has to beat; not with images.")  # fmt: skip
@click.option("--claim", "claims", multiple=True, metavar="CLAIM-ID",
              help="Refuse an evaluation that is too small for this claim.")  # fmt: skip
@click.option("--pick", "metric", help="Metric of a sweep.  [default: fid_proxy or fid]")
@click.option("--vae", metavar="REPOSITORY|DIR", help="AutoencoderKL that decodes latents.")
@click.option("--vae-revision", metavar="HEX", help="Its commit, or the digest of its parameters.")
@click.option("--batch-size", type=click.IntRange(min=1), default=64, show_default=True)
@device_option
@runs.wait_option
def command(source: Path, device: str, wait_s: float, **chosen: Any) -> None:
    """Measure the samples of RUN, of FILE (artefact, checkpoint or samples) or of FOLDER (images).

    A run on an embedded set, or on own images of which its template holds some out (`drift new`):
    features of the run's encoder, a judge trained on real images, held-out images as the reference;
    beside a run the drifting loss on raw pixels, trained as long, and Gaussians fitted to each
    class, with a picture of all. Everything else: torch-fidelity's metrics against --statistics.
    A number's evidence axis follows from what is known about it and cannot be stated.

    \b
    Nothing is downloaded. The default extractor reads its weights from --extractor-weights:
    file    weights-inception-2015-12-05-6726825d.pth
    source  a release file of torch-fidelity (github.com/toshas/torch-fidelity, v0.2.0)
    sha256  6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2
    """
    with runs.joined(device, wait_s) as (ranks, own):
        _evaluate(source, ranks=ranks, device=own, **chosen)


def _evaluate(
    source: Path, *, out: Path | None, dataset: str | None, write_statistics: Path | None,
    name: str, last: int | None, alphas: str | None, metric: str | None, baselines: bool,
    claims: tuple[str, ...], **chosen: Any,
) -> None:  # fmt: skip
    """What the first process measures; the others draw samples with it."""
    from drift.evaluate import run

    options = run.Options(
        **{key: chosen.pop(key) for key in run.Options.__dataclass_fields__ if key in chosen}
    )
    if write_statistics is not None:
        if options.ranks.writer:
            _write_statistics(source, write_statistics, name, options.device, chosen)
        return
    candidates = _plan(source, options, last, alphas)
    if not options.ranks.writer:
        run.draw_along(source, candidates)
        return
    opened = run.open_images(source, candidates[0])
    real = judging.real_of(opened, dataset, chosen.pop("data"))
    _require_floors(claims, opened, real, chosen)
    encoded = judging.encoded(source, opened, real, chosen["encoder"]) if real else None
    measure = _measure(source, encoded, options, chosen)
    if out is not None or opened.loaded is None or not source.is_dir():
        _refuse(out or _beside(source))
    compare: Compare | None = None
    if encoded is not None and baselines and opened.loaded and opened.loaded.template:
        compare = partial(_compare, opened.loaded, encoded, options.seed)
    if len(candidates) == 1:
        click.echo(_finish(source, measure(opened), out, compare))
        return
    _sweep(source, candidates, measure, metric or ("fid_proxy" if real else "fid"), out, compare)


def _require_floors(
    claims: tuple[str, ...], opened: Opened, real: RealSet | None, chosen: dict[str, Any]
) -> None:
    """Nothing is drawn or measured for a claim that this evaluation could never support."""
    from drift import gates
    from drift.evaluate.extractors import KINDS

    known = KINDS.get(chosen["extractor"])
    pinned = chosen["extractor_sha256"] or (known.sha256 if known else None)
    gates.require_floors(
        claims,
        samples=opened.images.count,
        steps=opened.loaded.origin.step if opened.loaded else None,
        extractor_sha256="the run's own encoder" if real else pinned,
    )


def _plan(source: Path, options: Options, last: int | None, alphas: str | None) -> list[Options]:
    """What is evaluated: one setting, or checkpoints times guidance scales."""
    from drift.sample import loading
    from drift.state import checkpoint

    if (last or alphas) and not loading.is_generator(source):
        raise DriftError("--last, --alphas", found=str(source), expected="a run, or weights")
    steps: list[int | None] = [options.step]
    if last:
        folder = loading.checkpoint_of(source).parent if source.is_dir() else source
        found = checkpoint.steps(folder) if folder.is_dir() else []
        if not found or options.step is not None:
            raise DriftError("--last", found=f"{source}, --step {options.step}", expected="a run")
        steps = list(found[-last:])
    scales: list[float | None] = [options.alpha]
    if alphas:
        if not re.fullmatch(r"\d+(\.\d+)?(,\d+(\.\d+)?)*", alphas) or options.alpha is not None:
            raise DriftError("--alphas", found=alphas, expected="1.0,1.5,2.0 and no --alpha")
        scales = [float(text) for text in alphas.split(",")]
    return [replace(options, step=step, alpha=alpha) for step in steps for alpha in scales]


def _measure(
    source: Path, encoded: Encoded | None, options: Options, chosen: dict[str, Any]
) -> Measure:
    """How opened images are measured; without `encoded` by statistics, which are read here."""
    from drift.evaluate import judged, run, statistics

    if encoded is not None:
        return lambda images: judged.evaluate_proxy(images, source, encoded, seed=options.seed)
    reference, training = chosen["statistics"], chosen["training"]
    if reference is None:
        raise DriftError(
            "--statistics", found="nothing", expected="statistics of real images",
            remedy="`drift eval REAL --write-statistics FILE --name NAME` makes them; or hold own "
            "images out with `drift new`, which needs no weights.",
        )  # fmt: skip
    found = statistics.read(reference)
    known = statistics.read(training) if training else None
    extractor = _extractor(chosen, options.device)
    if not chosen["override_statistics"]:
        statistics.require_same(found, extractor, str(reference))
    return lambda images: run.evaluate_images(
        images, source, extractor, found, reference_path=str(reference), training=known,
        override=chosen["override_statistics"], seed=options.seed,
    )  # fmt: skip


def _extractor(chosen: dict[str, Any], device: str) -> Extractor:
    from drift.evaluate.extractors import open_extractor

    return open_extractor(
        chosen["extractor"], chosen["extractor_weights"], chosen["extractor_sha256"], device=device
    )


def _beside(source: Path) -> Path:
    return source.with_name(f"{source.name.removesuffix(source.suffix)}.evaluation.json")


def _place(source: Path, step: int | None) -> Path:
    """A new name in the run's evaluations/, else beside the source."""
    from drift.state.record import now

    if step is None or not source.is_dir():
        return _beside(source)
    stamp = now().replace(":", "").replace("-", "")
    folder, name = source / "evaluations", f"step-{step:08d}-{stamp}"
    taken = sum(1 for _ in folder.glob(f"{name}*.json"))
    return folder / f"{name}{f'-{taken}' if taken else ''}.json"


def _refuse(place: Path) -> None:
    from drift.evaluate.records import SUFFIX

    beside = (place.with_name(place.stem + SUFFIX), place.with_suffix(".png"))
    taken = next((str(one) for one in (place, *beside) if one.exists()), None)
    if place.suffix != ".json" or taken:
        raise DriftError(
            "--out", found=taken or str(place), expected="a new file that ends in .json",
            remedy="Records, their components and pictures are never overwritten.",
        )  # fmt: skip


def _compare(
    loaded: Loaded, encoded: Encoded, seed: int, evaluated: Evaluated
) -> tuple[Rival, ...]:
    """The baselines of a run, trained as long and drawn in the same way as what was evaluated."""
    from drift.evaluate import comparison
    from drift.evaluate.baselines import Conditions

    facts, template = evaluated.facts, loaded.template
    assert template is not None
    assert facts.alpha is not None
    made = Conditions(
        steps=template.optimizer.training_steps if facts.step is None else facts.step,
        count=facts.samples,
        run_seed=seed if loaded.origin.run_seed is None else loaded.origin.run_seed,
        seed=seed,
        alpha=facts.alpha,
        ema_decay=_decay(facts.weights, facts.ema_decay, template.optimizer.ema_decay),
    )
    with progress("baseline on raw pixels", made.steps, lines=True) as advance:
        return comparison.rivals(template, encoded, made, advance)


def _decay(weights: str | None, named: str | None, decays: tuple[float, ...]) -> float | None:
    """The decay of the weights that were evaluated; an artefact does not say which of several."""
    if weights != "ema":
        return None
    return max(decays) if named is None else float(named)


def _finish(
    source: Path, evaluated: Evaluated, out: Path | None, compare: Compare | None, **more: Any
) -> str:
    """Write the record, and the picture of a comparison beside it; the text to print."""
    from drift.evaluate import comparison, kept, pictures, records, table

    place = out or _place(source, evaluated.facts.step)
    found: tuple[Rival, ...] = ()
    try:
        found = compare(evaluated) if compare else ()
    except (DriftError, ArithmeticError) as error:  # a baseline that diverges costs no figure
        missing = {**evaluated.missing, "baselines": f"{type(error).__name__}: {error}"}
        evaluated = replace(evaluated, missing=missing)
    trace = None
    if found:
        more |= comparison.recorded(evaluated.figures, found)
        assert evaluated.made_by is not None
        if evaluated.facts.dataset in EMBEDDED_SETS:  # others: whoever has the images, has the run
            trace = kept.trace(*evaluated.made_by, found)
    components = {**evaluated.components, **comparison.components(found)}
    record = records.write(place, evaluated.record(**more), components, trace)
    said = f"{table.lines(record)}\nrecord {place}"
    if not found or evaluated.images is None or evaluated.judged_by is None:
        return said
    picture = place.with_suffix(".png")
    try:
        pictures.comparison(
            picture,
            *evaluated.images,
            evaluated.figures,
            evaluated.more["real"],
            evaluated.judged_by,
            found,
        )
    except Exception as error:  # the record is written; a picture is for the eye
        return f"{said}\npicture left out: {type(error).__name__}: {error}"
    return f"{said}\npicture {picture}"


def _sweep(
    source: Path, candidates: list[Options], measure: Measure, metric: str, out: Path | None,
    compare: Compare | None,
) -> None:  # fmt: skip
    """Evaluate every candidate, write the record of the one that is picked."""
    from drift.evaluate import run, sweep

    found = []
    for options in candidates:
        opened = run.open_images(source, options)
        evaluated = measure(opened)
        one = sweep.Candidate(evaluated.facts.step, float(evaluated.facts.alpha or 0), evaluated)
        found.append(one)
        flag = "  collapsed" if one.collapsed else ""
        figure = sweep.figure_of(one, metric).shown()
        click.echo(f"step {one.step}, alpha {one.alpha:g}: {metric} {figure}{flag}")
    best = sweep.pick(found, metric)
    chosen = found[best].evaluated
    picked = replace(chosen, facts=replace(chosen.facts, selected_from=len(found)))
    click.echo(f"picked step {found[best].step}, alpha {found[best].alpha:g} of {len(found)}")
    click.echo(
        _finish(source, picked, out, compare, sweep=sweep.rows(found, metric), picked_by=metric)
    )


def _write_statistics(
    source: Path, place: Path, name: str, device: str, chosen: dict[str, Any]
) -> None:
    from drift.evaluate import features, sources, statistics

    extractor = _extractor(chosen, device)
    images = sources.from_path(source)
    contract = statistics.contract_of(
        extractor, count=images.count, dataset=name, dataset_sha256=images.sha256
    )
    statistics.require_new(place)
    found = features.extract(images, extractor)
    written = statistics.write(place, found, contract, classes=images.classes)
    for note in images.notes:
        click.echo(note, err=True)
    click.echo(f"{place}: {images.count:,} images of {name}, digest {written.sha256}")

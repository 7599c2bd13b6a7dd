"""`drift train`: a training run under its gates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drift import gates
from drift.commands import runs
from drift.compiling import POLICIES, Policy
from drift.config import Template, load_template
from drift.errors import DriftError
from drift.progress import progress
from drift.train import build

if TYPE_CHECKING:
    from drift.encoder import MaskedAutoencoder
    from drift.ranks import Ranks
    from drift.train.run import Run, RunOptions, Window


@click.command("train")
@click.argument("template")
@click.option("--set", "settings", multiple=True, metavar="K=V", help="Change a template's field.")
@click.option(
    "--encoder",
    type=click.Path(path_type=Path),
    help="Masked autoencoder.  [default: runs/TEMPLATE-encoder/encoder.safetensors]",
)
@runs.place_options("runs/TEMPLATE")
@click.option(
    "--window",
    type=click.IntRange(min=1),
    default=25,
    show_default=True,
    help="Steps a row of the metric log.",
)
@runs.checkpoint_options(250, "; of --window a multiple, or a resumed window is a shorter one")
@click.option(
    "--model-from",
    type=click.Path(path_type=Path),
    help="Start with parameters and averages of another run; marked diagnostic.",
)
@click.option(
    "--second-encoder",
    type=click.Path(path_type=Path),
    help="Weights of the second encoder, for templates of the pixel columns.",
)
@click.option(
    "--compile",
    "compile_policy",
    type=click.Choice(POLICIES),
    default="disable",
    show_default=True,
    help="What to do where torch.compile fails.",
)
@click.option(
    "--kernel",
    type=click.Choice(("plain", "compiled")),
    default="plain",
    show_default=True,
    help="Of the loss; compiled: C++ on a CPU with a compiler.",
)
@click.option(
    "--reset-learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    help="On resume: this rate, constant; the run is marked diagnostic.",
)
@click.option(
    "--labels-per-pass",
    type=click.IntRange(min=1),
    help="Hold the activations of so many labels at once; same gradient.",
)
@click.option(
    "--bypass-gates",
    metavar="REASON",
    help="Start a faithful run with closed gates; recorded, numbers are demoted.",
)
@click.option(
    "--bypass-check",
    "bypass_checks",
    multiple=True,
    metavar="CLAUSE-ID",
    help="Leave an in-run clause out; recorded, numbers are demoted.",
)
@click.option(
    "--claim",
    "claims",
    multiple=True,
    metavar="CLAIM-ID",
    help="Refuse a run that is too small for this claim.",
)
@click.option(
    "--pack",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Pack of the gates.  [default: the one that this code was shipped with]",
)
@runs.mirror_option
@runs.parallel_option
@runs.wait_option
@click.option("--dry-run", is_flag=True, help="Print the plan and stop before any work.")
@click.option(
    "--rate",
    type=float,
    default=5e10,
    show_default=True,
    help="Operations a second for the plan's time.",
)
@click.option("--price", type=float, help="Price of an hour, for the plan's cost.")
def command(
    template: str,
    settings: tuple[str, ...],
    dry_run: bool,
    rate: float,
    price: float | None,
    claims: tuple[str, ...],
    pack: Path | None,
    **chosen: Any,
) -> None:
    """Train the generator of TEMPLATE (a shipped name or a file).

    A template that calls itself faithful starts only where it is its column, field by field, as
    `verify template` sees it, and `verify run` is green for this code.

    Writes immutable checkpoints, metrics/windows.jsonl, a live run_metadata.json and pictures of
    samples over time. The flat loss is no sign of life: watch field/<tau>, spread and overlap.
    """
    from drift.train import beginning

    resolved = build.override(load_template(template), settings)
    # What needs no evidence is refused before anything is judged or trained. A column's copy that
    # departs is told so first: its other faults follow from that.
    beginning.require_one(chosen["resume"], chosen["model_from"], chosen["reset_learning_rate"])
    gates.require_column(resolved, pack=pack)
    beginning.configured(resolved, chosen["labels_per_pass"], chosen["kernel"])
    claimed = gates.require_floors(claims, pack, **gates.training_size(resolved))
    if dry_run:
        from drift.plan import plan

        if runs.is_first():
            click.echo("\n".join(plan(resolved).lines(rate, price)))
        return
    with runs.joined(chosen.pop("device"), chosen.pop("wait_s")) as (ranks, device):
        _train(resolved, claimed, pack, ranks, device=device, **chosen)


def _train(
    template: Template, claimed: Mapping[str, Any], pack: Path | None, ranks: Ranks,
    *, encoder: Path | None, second_encoder: Path | None, data: Path | None,
    data_name: str | None, data_licence: str | None, bypass_gates: str | None, **chosen: Any,
) -> None:  # fmt: skip
    """One process of the run, from its gates to its last line."""
    from drift.features import FeatureExtractor

    if encoder is None and template.inputs is not None and ranks.world == 1:
        _pretrain_first(template, ranks, data, chosen)
    from drift.train import run as running

    with ranks.met():
        labels = {**gates.require(template, bypass=bypass_gates, pack=pack), **claimed}
        say = runs.voice(ranks)
        _say_gates(labels["gates"], say)
        model = _encoder(template, encoder)
        options = _options(template, ranks, labels, **chosen)
        second = build.second_encoder(template, second_encoder)
        extractor = FeatureExtractor(model, second, config=build.feature_config(template))
        source = runs.source_of(template, data, data_name, data_licence, say)
    run = running.start(template, source, extractor, options, say)
    _carry_out(run, say)
    if ranks.writer:
        _say_end(run)


def _pretrain_first(
    template: Template, ranks: Ranks, data: Path | None, chosen: Mapping[str, Any]
) -> None:
    """The encoder of a template for own images, where it is not there yet or was interrupted."""
    from drift.commands import pretrain
    from drift.state import checkpoint

    folder = runs.folder_of(template, None, "-encoder")
    if (folder / "encoder.safetensors").is_file():
        return
    begun = bool(checkpoint.steps(folder / "checkpoints"))
    runs.voice(ranks)(f"no encoder yet: {folder} is {'gone on with' if begun else 'trained'} first")
    pretrain.carry_out(
        template, ranks, data=data, data_name=None, data_licence=None, out=folder, mirrors=(),
        resume=begun, checkpoint_every=500, seed=chosen["seed"], device=chosen["device"],
    )  # fmt: skip


def _options(
    template: Template, ranks: Ranks, labels: Mapping[str, Any], *, out: Path | None,
    compile_policy: Policy, reset_learning_rate: float | None, mirrors: tuple[str, ...],
    **same: Any,
) -> RunOptions:  # fmt: skip
    """The command's options as those of the run; the others are called as they are there."""
    from drift.train.run import RunOptions

    return RunOptions(
        folder=runs.folder_of(template, out), compile=compile_policy,
        learning_rate=reset_learning_rate, labels=labels, mirrors=runs.mirror_modules(mirrors),
        ranks=ranks, **same,
    )  # fmt: skip


def _carry_out(run: Run, say: Callable[[str], None]) -> None:
    """All steps, with a picture of each window and its alarms."""
    from drift import spans
    from drift.train import pictures
    from drift.train import run as running

    ranks = run.options.ranks
    shown = f"train {run.template.name}" if ranks.writer else None
    drawn = pictures.Pictures(run)
    field = f"field/{max(run.template.loss.temperatures)}"
    with progress(
        shown, run.total_steps, unit="images", each=run.pace.images, done=run.done, lines=True
    ) as advance:
        spent = dict[str, float]()  # on what, in the last window

        def heard(done: int, figures: Mapping[str, float]) -> None:
            advance(done, {"loss": figures["loss"], field: figures[field], **spent})

        def listen(window: Window) -> None:
            spent.clear()
            spent.update(spans.longest(window.row["seconds"]))
            _unless_it_fails(lambda: drawn.show(window), say)
            for alarm in window.alarms:
                say(f"step {window.step}: {alarm}")

        running.train(run, listen, heard)
    if ranks.writer:
        _unless_it_fails(lambda: pictures.curves(run), say)


def _say_end(run: Run) -> None:
    """How far the run came, and the figures of its last window."""
    from drift.state import record

    tau = max(run.template.loss.temperatures)
    rows = record.rows(run.options.folder / "metrics" / "windows.jsonl")
    shown = [
        f"{name} {row[name]:.2g}"
        for row in rows[-1:]  # also of a run that was complete when it was resumed
        for name in (f"field/{tau}", "spread", "overlap")
    ]
    said = ", ".join([f"step {run.state.step}", *shown])
    click.echo(f"train {run.template.name}: {said}; {run.options.folder}")


def _say_gates(found: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Which evidence lets a faithful run start, and of which pack."""
    if not found["required"]:
        return
    pack, where = found["pack"], found["bundle"] or "no bundle"
    bypass = ", BYPASSED" if "bypass" in found else ""
    say(
        f"gates: {found['clauses']} clauses of pack {pack['name']} {pack['sha256'][:12]}, "
        f"{where}, column {found['column']}{bypass}"
    )


def _encoder(template: Template, given: Path | None) -> MaskedAutoencoder:
    """The encoder of --encoder, or the usual place; a template of a column has that column's."""
    from drift.artifacts import store
    from drift.train import beginning

    path = given or runs.folder_of(template, None, "-encoder") / "encoder.safetensors"
    if not path.is_file():
        raise DriftError(
            str(path),
            found="no encoder",
            expected="an exported masked autoencoder",
            remedy=f"`drift pretrain {template.name}` makes one; --encoder names another.",
        )
    found = store.load_artifact(path, require_metadata=template.fidelity == "faithful")
    return beginning.require_encoder(template, found, path)


def _unless_it_fails(picture: Callable[[], None], say: Callable[[str], None]) -> None:
    """Pictures are for the eye: one that cannot be drawn is said, and ends no run."""
    try:
        picture()
    except Exception as error:
        say(f"a picture is left out: {type(error).__name__}: {error}")

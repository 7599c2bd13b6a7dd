"""A run that is killed and resumed is, bit for bit, the run that was not."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from contracts.common import small_run
from drift import atomic, kernels
from drift.config import TemplateError, load_template
from drift.data import DigitsSource, TensorSource
from drift.errors import DriftError, Interrupted
from drift.features import FeatureExtractor
from drift.state import checkpoint, stopping
from drift.state.record import SECONDS, rows
from drift.train import beginning, build, draw, run
from drift.train.watch import Breach

SMALL = (
    *small_run.RUN,
    "optimizer.training_steps=8",
    "optimizer.warmup_steps=2",
    "loss.class_labels=3",
    "loss.generated=4",
)

# What a killed process runs: the same run, which ends itself with SIGKILL at a named place.
KILLED = """
import os, signal, sys
from pathlib import Path
from drift.state import atomic, checkpoint
from tests_train_run import begin, run

folder, place = Path(sys.argv[1]), sys.argv[2]
die = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
if place == "inside-a-checkpoint":
    original = checkpoint.atomic.write_bytes
    def half(path, data, *, exclusive=False):
        if "step-00000004" in path.name:
            path.with_name(f".{path.name}.1.tmp").write_bytes(data[: len(data) // 2])
            die()
        original(path, data, exclusive=exclusive)
    checkpoint.atomic.write_bytes = half
started = begin(folder)
def listen(window):
    if place == f"after-window-{window.step}":
        die()
run.train(started, listen)
"""


def begin(folder: Path, *, resume: bool = False, **changed: object) -> run.Run:
    """A small run on digits with an encoder of random weights."""
    template = build.override(load_template("digits"), SMALL)
    extractor = FeatureExtractor(small_run.encoder(width=64), config=build.feature_config(template))
    options = run.RunOptions(folder=folder, window=2, checkpoint_every=4, resume=resume)
    options = dataclasses.replace(options, **changed)  # type: ignore[arg-type]
    return run.start(template, DigitsSource(), extractor, options, say=lambda text: None)


def quiet(window: run.Window) -> None:
    """Nobody looks."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run.train(begin(folder), quiet)
    return folder


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("after-window-2", marks=pytest.mark.nightly),
        pytest.param("after-window-6", marks=pytest.mark.nightly),
        "inside-a-checkpoint",
    ],
)
def test_kill_and_resume_give_the_same_bytes(place: str, whole: Path, tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    (tmp_path / "tests_train_run.py").write_text(Path(__file__).read_text(encoding="utf-8"))
    folder = tmp_path / "run"
    ended = subprocess.run(
        [sys.executable, str(script), str(folder), place],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == -9, ended.stderr
    run.train(begin(folder, resume=True), quiet)
    last = checkpoint.path_of(Path("checkpoints"), 8)
    assert (folder / last).read_bytes() == (whole / last).read_bytes()
    log = Path("metrics/windows.jsonl")
    assert (folder / log).read_bytes() == (whole / log).read_bytes()
    assert not list((folder / "checkpoints").glob(".*"))


def test_the_last_checkpoint_holds_everything(whole: Path) -> None:
    kept = checkpoint.read(checkpoint.path_of(whole / "checkpoints", 8))
    groups = {name.split("/")[0] for name in kept.tensors}
    assert groups == {"model", "ema", "optimizer", "queue"}
    assert kept.facts["position"] == rows(whole / "metrics/windows.jsonl")[-1]["real_samples"]
    assert [row["step"] for row in rows(whole / "metrics/windows.jsonl")] == [2, 4, 6, 8]


PARTS = ("load", "queue", "generate", "encode_real", "encode_generated", "loss", "backward",
         "optimiser", "other")  # fmt: skip


def test_the_parts_of_a_step_are_timed_beside_the_log_that_the_seed_determines(whole: Path) -> None:
    logged = rows(whole / "metrics" / SECONDS)
    assert [row.pop("step") for row in logged] == [2, 4, 6, 8]
    for row in logged:
        assert row.keys() == set(PARTS)
        assert min(row.values()) > 0.0


def test_a_damaged_checkpoint_is_passed_over(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run.train(begin(folder), quiet)
    newest = checkpoint.path_of(folder / "checkpoints", 8)
    data = bytearray(newest.read_bytes())
    data[-1] ^= 1
    newest.write_bytes(data)
    resumed = begin(folder, resume=True)
    assert resumed.state.step == 4
    run.train(resumed, quiet)
    assert newest.read_bytes() == (whole / "checkpoints" / newest.name).read_bytes()
    kept = newest.with_name(f"{newest.name}.damaged")
    assert kept.read_bytes() == data, "set aside, not deleted"
    newest.write_bytes(data)
    run.train(begin(folder, resume=True), quiet)
    assert newest.with_name(f"{newest.name}.damaged-2").read_bytes() == data


def test_another_process_in_the_folder_ends_the_second_run_and_changes_nothing(
    tmp_path: Path,
) -> None:
    """Two `--resume` at once doubled the rows of the log."""
    folder = tmp_path / "run"
    run.train(begin(folder), quiet)
    checkpoint.path_of(folder / "checkpoints", 8).unlink()
    late, before = begin(folder, resume=True), tree(folder)
    with atomic.locked(folder, print), pytest.raises(DriftError, match="another process at work"):
        run.train(late, quiet)
    assert tree(folder) == before
    run.train(begin(folder, resume=True), quiet)
    with pytest.raises(DriftError, match="was not there when this run was started"):
        run.train(late, quiet)
    assert [row["step"] for row in rows(folder / "metrics/windows.jsonl")] == [2, 4, 6, 8]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def heard() -> Iterator[None]:
    """Signals as an interactive shell leaves them, also where the tests run under nohup."""
    usual = dict.fromkeys(stopping.SIGNALS, signal.SIG_DFL)
    usual[signal.SIGINT] = signal.default_int_handler
    before = {known: signal.signal(known, handler) for known, handler in usual.items()}
    yield
    for known, handler in before.items():
        signal.signal(known, handler)


# Each signal and each step once; the other pairs nightly.
SIGNALLED = [
    pytest.param(number, step, marks=[] if at == of else pytest.mark.nightly)
    for at, number in enumerate((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    for of, step in enumerate((1, 4, 5))
]


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(("number", "step"), SIGNALLED)
def test_a_signal_ends_the_run_with_a_checkpoint_and_it_goes_on_as_if_nothing_was(
    whole: Path, tmp_path: Path, number: signal.Signals, step: int
) -> None:
    folder = tmp_path / "run"
    begun = begin(folder)
    once = begun.step_once

    def asked() -> object:
        figures = once()
        if begun.done == step:
            signal.raise_signal(number)
        return figures

    begun.step_once = asked
    before = [signal.getsignal(known) for known in stopping.SIGNALS]
    with pytest.raises(Interrupted, match=rf"{number.name} after step {step}.*--resume"):
        run.train(begun, quiet)
    assert [signal.getsignal(known) for known in stopping.SIGNALS] == before
    assert checkpoint.steps(folder / "checkpoints")[-1] == step
    record = json.loads((folder / "run_metadata.json").read_text())
    assert (record["status"], record["latest_checkpoint"]) == ("interrupted", step)
    run.train(begin(folder, resume=True), quiet)
    last = checkpoint.path_of(Path("checkpoints"), 8)
    assert (folder / last).read_bytes() == (whole / last).read_bytes()
    logged = rows(folder / "metrics/windows.jsonl")
    assert sum(row["steps"] for row in logged) == 8, "every step is in one row"


@pytest.mark.usefixtures("heard")
def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    begun = begin(tmp_path / "run")

    def asked() -> object:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    begun.step_once = asked
    with pytest.raises(KeyboardInterrupt):
        run.train(begun, quiet)
    assert checkpoint.steps(tmp_path / "run/checkpoints") == [0]


@pytest.mark.usefixtures("heard")
def test_a_signal_that_was_ignored_at_the_start_stays_ignored(tmp_path: Path) -> None:
    """`nohup drift train`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping.on_signals() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop.requested
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_begun_folder_is_not_begun_again(whole: Path) -> None:
    with pytest.raises(DriftError, match="--resume"):
        begin(whole)


def test_another_seed_does_not_resume(whole: Path) -> None:
    with pytest.raises(DriftError, match="seed: 0 in the checkpoint, 1 here"):
        begin(whole, resume=True, seed=1)


def test_a_run_from_the_model_of_another_is_marked_diagnostic(whole: Path, tmp_path: Path) -> None:
    started = begin(tmp_path / "run", model_from=whole)
    kept = checkpoint.read(checkpoint.path_of(whole / "checkpoints", 8))
    held = started.state.generator.state_dict()
    assert all(torch.equal(held[name], value) for name, value in kept.group("model").items())
    assert started.state.step == 0
    assert not started.state.optimizer.state
    run.train(started, quiet)
    ended = checkpoint.read(checkpoint.path_of(tmp_path / "run" / "checkpoints", 8))
    assert ended.facts["diagnostic"] == ["parameters of step 8 of another run"]


def test_a_reset_learning_rate_is_used_and_marked(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    checkpoint.path_of(folder / "checkpoints", 8).unlink()
    resumed = begin(folder, resume=True, learning_rate=1.0e-5)
    run.train(resumed, quiet)
    assert rows(folder / "metrics/windows.jsonl")[-1]["lr"] == pytest.approx(1.0e-5)
    assert resumed.facts["diagnostic"] == ["learning rate 1e-05 from 4"]


# Another rounding of the first update is ten to a thousand times as large two updates later.
ALLOWED_OF_WINDOWS = (1e-6, 1e-5, 1e-3, 1e-2)


def test_the_kernel_of_the_loss_is_recorded_and_changes_nothing_but_roundings(
    whole: Path, tmp_path: Path
) -> None:
    run.train(begin(tmp_path / "run", kernel="compiled"), quiet)
    said = json.loads((tmp_path / "run" / "run_metadata.json").read_text(encoding="utf-8"))
    assert said["kernel"] == kernels.used("compiled", torch.device("cpu"))
    plain = json.loads((whole / "run_metadata.json").read_text(encoding="utf-8"))
    assert plain["kernel"] == "plain"
    needs = ("loss", "grad_norm")
    found, expected = (rows(at / "metrics/windows.jsonl", up_to=8, needs=needs)
                       for at in (tmp_path / "run", whole))  # fmt: skip
    assert len(found) == len(expected) == len(ALLOWED_OF_WINDOWS)
    for row, right, allowed in zip(found, expected, ALLOWED_OF_WINDOWS, strict=True):
        assert [row[name] for name in needs] == pytest.approx(
            [right[name] for name in needs], rel=allowed
        )


def test_a_faithful_run_has_the_kernel_that_its_evidence_is_about() -> None:
    template = load_template("latent-b2")
    assert beginning.configured(template, None, "plain").kernel == "plain"
    with pytest.raises(DriftError, match="--kernel: found compiled for a faithful template"):
        beginning.configured(template, None, "compiled")


def test_labels_come_from_what_was_just_pushed_without_replacement() -> None:
    pushed = torch.tensor([3, 3, 5, 7, 1])
    drawn = draw.draw_labels(pushed, 4, torch.Generator().manual_seed(0))
    counts = torch.bincount(drawn, minlength=8)
    assert bool((counts <= torch.bincount(pushed, minlength=8)).all())
    with pytest.raises(DriftError, match=r"queue\.push_per_step"):
        draw.draw_labels(pushed, 6, torch.Generator())


def test_a_class_that_is_too_small_stops_the_warm_up() -> None:
    template = build.override(load_template("digits"), SMALL)
    labels = torch.tensor([0] * 40 + [1, 1])
    source = TensorSource(torch.zeros(42, 1, 8, 8), labels, classes=2)
    feed = draw.open_feed(template, source, seed=0)
    # Two epochs hold four samples of class 1, which is what a draw of four wants; one image short
    # of that, no order of the data fills its queue.
    fewer = TensorSource(source.samples[:41], labels[:41], classes=2)
    draw.warm_up(feed, template)
    with pytest.raises(DriftError, match=r"classes \[1\]"):
        draw.warm_up(draw.open_feed(template, fewer, seed=0), template)


def test_an_empty_class_is_refused() -> None:
    with pytest.raises(DriftError, match=r"\[1\] have no sample"):
        TensorSource(torch.zeros(3, 1, 8, 8), torch.tensor([0, 0, 2]), classes=3)


def test_what_a_step_draws_depends_on_seed_and_step_only() -> None:
    template = build.override(load_template("digits"), SMALL)

    def drawn(steps: int, seed: int) -> list[torch.Tensor]:
        feed = draw.open_feed(template, DigitsSource(), seed=seed)
        draw.warm_up(feed, template)
        return [
            torch.cat([value.flatten().double() for value in vars(batch).values()])
            for batch in (draw.draw(feed, template, seed=seed, step=i) for i in range(steps))
        ]

    first, again, other = drawn(3, 0), drawn(3, 0), drawn(3, 1)
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("setting", ["loss.positives", "no.such=1", "loss.positives=many"])
def test_a_setting_that_means_nothing_is_refused(setting: str) -> None:
    with pytest.raises(TemplateError):
        build.override(load_template("digits"), [setting])


def test_a_changed_template_is_no_longer_faithful() -> None:
    template = load_template("latent-b2")
    assert build.override(template, ["optimizer.training_steps=200000"]).fidelity == "faithful"
    assert build.override(template, ["optimizer.training_steps=199999"]).fidelity == "free"


def test_a_loss_that_is_not_finite_stops_the_run_and_is_recorded(tmp_path: Path) -> None:
    started = begin(tmp_path / "run")

    def poison(window: run.Window) -> None:
        with torch.no_grad():
            next(started.state.generator.parameters()).fill_(float("nan"))

    with pytest.raises(Breach, match=r"step 2: in-run clause TRAIN-007 .* found loss nan"):
        run.train(started, poison)
    assert '"status": "failed"' in (tmp_path / "run" / "run_metadata.json").read_text()
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == [0]


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ("optimizer.steps=20", "optimizer.training_steps"),
        ("optimiser.learning_rate=1.0", "optimizer.learning_rate"),
        ("learning_rate=1.0", "optimizer.learning_rate"),
    ],
)
def test_a_setting_that_names_no_field_is_told_which_it_may_mean(setting: str, meant: str) -> None:
    with pytest.raises(TemplateError, match=rf"did you mean .*{meant}"):
        build.override(load_template("digits"), [setting])

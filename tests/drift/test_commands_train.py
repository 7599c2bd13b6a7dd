"""`drift train` beside its steps: pictures that fail, runs that are done, options nobody reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from contracts.common import small_run
from drift import cli, gates, pretrain
from drift.commands import train as training
from drift.config import load_template
from drift.data import DigitsSource
from drift.digest import file_digest
from drift.errors import DriftError
from drift.state import checkpoint, loop
from drift.state.record import rows
from drift.train import build, pictures, run
from verify.serve.runs import Picture

SMALL = (*small_run.RUN, *small_run.PRETRAIN)
Train = Callable[..., tuple[int, str]]


def words(command: str, *settings: str) -> list[str]:
    return [command, "digits", *(p for one in (*SMALL, *settings) for p in ("--set", one))]


@pytest.fixture
def train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Train:
    """`drift train` in an empty folder, settings first -> (exit code, standard error)."""
    monkeypatch.chdir(tmp_path)
    small_run.encoder_file(tmp_path)

    def command(*arguments: str, settings: tuple[str, ...] = ()) -> tuple[int, str]:
        capsys.readouterr()
        usual = ["--encoder", "encoder.safetensors", "--window", "2", "--checkpoint-every", "2"]
        code = cli.run([*words("train", *settings), *usual, *arguments])
        said = capsys.readouterr().err
        assert "Traceback" not in said
        return code, said

    return command


def metadata(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run_metadata.json").read_text())
    return found


def test_a_picture_that_cannot_be_drawn_ends_no_run(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> None:
        raise ValueError("cannot draw")

    monkeypatch.setattr(pictures, "samples_now", fails)
    monkeypatch.setattr(pictures, "draw", fails)
    code, said = train("--out", "run")
    assert code == 0
    assert said.count("a picture is left out: ValueError: cannot draw") == 3  # two windows, curves
    assert metadata(Path("run"))["status"] == "completed"
    assert [row["step"] for row in rows(Path("run/metrics/windows.jsonl"))] == [2, 4]


def test_the_index_of_pictures_is_that_of_the_log(train: Train) -> None:
    assert train("--out", "run")[0] == 0
    logged = rows(Path("run/metrics/windows.jsonl"))
    index = rows(Path("run/samples/index.jsonl"))
    assert [row["step"] for row in index] == [row["step"] for row in logged] == [2, 4]
    assert [row["value"] for row in index] == [row["field/0.2"] for row in logged]
    assert index[0]["tags"] == ["every_window", "best_so_far"]
    for row in index:
        assert file_digest(Path("run/samples") / row["file"]) == row["sha256"]
        with Image.open(Path("run/samples") / row["file"]) as picture:
            assert picture.size == (row["width"], row["height"])
        assert row["class_names"] == [str(label) for label in row["classes"]]
        assert Picture.model_validate(row).model_dump(by_alias=True) == row  # what the studio reads


def test_resuming_a_run_that_is_complete_changes_nothing_of_it(train: Train) -> None:
    assert train("--out", "run")[0] == 0
    log = Path("run/metrics/windows.jsonl").read_bytes()
    newest = file_digest(Path("run/checkpoints/step-00000004.safetensors"))
    assert train("--out", "run", "--resume")[0] == 0
    assert Path("run/metrics/windows.jsonl").read_bytes() == log
    assert file_digest(Path("run/checkpoints/step-00000004.safetensors")) == newest
    assert metadata(Path("run"))["status"] == "completed"


@pytest.mark.parametrize(
    ("pid", "said"),
    [(2**22 + 1, "; the process before was killed"), (1, "; its record says that another"),
     ("x", "")],
)  # fmt: skip
def test_a_resumed_run_says_how_the_process_before_it_ended(
    train: Train, pid: int | str, said: str
) -> None:
    assert train("--out", "run")[0] == 0
    checkpoint.path_of(Path("run/checkpoints"), 4).unlink()
    record = metadata(Path("run")) | {"status": "running", "pid": pid}
    Path("run/run_metadata.json").write_text(json.dumps(record))
    code, told = train("--out", "run", "--resume")
    assert code == 0
    first = told.splitlines()[0]
    assert first.startswith(f"resumed from step 2{said}")
    assert bool(said) == (";" in first)


def test_a_resumed_run_shows_the_pictures_of_its_windows_again(train: Train) -> None:
    assert train("--out", "run")[0] == 0
    shown = {path.name: file_digest(path) for path in Path("run/samples").iterdir()}
    checkpoint.path_of(Path("run/checkpoints"), 4).unlink()
    (Path("run/samples") / "step-00000004.png").unlink()
    (Path("run/samples") / ".step-00000004.png.1.tmp").write_bytes(b"of a killed writer")
    assert train("--out", "run", "--resume")[0] == 0
    assert {path.name: file_digest(path) for path in Path("run/samples").iterdir()} == shown


def test_samples_that_are_no_numbers_are_a_breach_and_not_a_row(train: Train) -> None:
    # the update itself is finite, what the generator makes of it is not
    settings = ("optimizer.learning_rate=1.0e+30", "optimizer.warmup_steps=0")
    code, said = train("--out", "run", "--window", "1", settings=settings)
    assert code == 2
    assert "in-run clause TRAIN-007 (finite values)" in said
    assert "TRAIN-007" in metadata(Path("run"))["error"]
    assert rows(Path("run/metrics/windows.jsonl")) == []
    assert checkpoint.steps(Path("run/checkpoints")) == [0]


def test_the_record_points_at_a_checkpoint_as_soon_as_it_is_there(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointers = []
    original = run.Run.step_once

    def watched(self: run.Run) -> Any:
        saved = checkpoint.steps(self.options.folder / "checkpoints")
        pointers.append((metadata(self.options.folder)["latest_checkpoint"], saved[-1]))
        return original(self)

    monkeypatch.setattr(run.Run, "step_once", watched)
    assert train("--out", "run")[0] == 0
    assert pointers == [(0, 0), (0, 0), (2, 2), (2, 2)]


def test_parameters_of_something_else_are_refused_by_name(train: Train) -> None:
    assert cli.run([*words("pretrain"), "--out", "encoder-run"]) == 0
    assert train("--out", "run", settings=("optimizer.ema_decay=[0.5]",))[0] == 0
    for source, settings, found in (
        ("encoder-run", (), "found an encoder's pre-training; expected a generator's run"),
        ("run", ("optimizer.ema_decay=[0.9]",), "found no average of decay 0.9"),
        ("run", ("optimizer.ema_decay=[0.5]", "generator.depth=2"), "expected the parameters of"),
    ):
        code, said = train("--out", "heir", "--model-from", source, settings=settings)
        assert (code, found in said) == (2, True), said
        assert not Path("heir").exists()


@pytest.mark.parametrize(
    ("option", "value"), [("--reset-learning-rate", "0.001"), ("--model-from", "other")]
)
def test_an_option_that_would_not_be_read_is_refused(train: Train, option: str, value: str) -> None:
    more = ["--resume"] if option == "--model-from" else []
    if more:
        assert train("--out", "run")[0] == 0
    code, said = train("--out", "run", option, value, *more)
    assert code == 2
    assert f"error: {option}: found {value}" in said
    assert Path("run").exists() == bool(more)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["latent-b2", "--kernel", "compiled"], "--kernel: found compiled for a faithful template"),
        (["digits", "--reset-learning-rate", "0.1"], "--reset-learning-rate: found 0.1"),
        (["digits", "--resume", "--model-from", "other"], "--model-from: found other"),
    ],
)
def test_what_the_command_line_alone_rules_out_is_refused_before_any_work(
    arguments: list[str], found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Evidence is asked for in seconds, and an encoder that is trained first takes minutes."""
    begun: list[str] = []
    for place, name in ((gates, "require"), (training, "_pretrain_first")):
        monkeypatch.setattr(place, name, lambda *_, name=name, **__: begun.append(name))
    monkeypatch.chdir(tmp_path)
    assert cli.run(["train", *arguments]) == 2
    assert found in capsys.readouterr().err
    assert begun == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("device", ["cuda:99", "abacus"])
@pytest.mark.parametrize(
    "command", ["train digits", "pretrain digits", "sample run --out s.npz", "eval run"]
)
def test_a_device_that_is_not_there_is_one_error(
    command: str, device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert cli.run([*command.split(), "--device", device]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: --device: found {device} (")
    assert list(tmp_path.iterdir()) == []


def test_a_pretraining_whose_last_update_is_no_number_exports_nothing(
    train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = loop.advance

    def spoiled(going: Any, *more: Any) -> Any:
        step_once = going.step_once

        def once() -> Any:
            figures = step_once()
            if going.done == 4:
                with torch.no_grad():
                    next(going.model.parameters()).fill_(float("inf"))
            return figures

        going.step_once = once
        return original(going, *more)

    monkeypatch.setattr(loop, "advance", spoiled)
    assert cli.run([*words("pretrain"), "--out", "encoder-run"]) == 2
    assert "NaN or infinity in" in capsys.readouterr().err
    assert metadata(Path("encoder-run"))["status"] == "failed"
    assert checkpoint.steps(Path("encoder-run/checkpoints")) == []
    assert not Path("encoder-run/encoder.safetensors").exists()


def test_a_finished_pretraining_that_is_resumed_says_what_it_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    told = []
    for more in ([], ["--resume"]):
        assert cli.run([*words("pretrain"), "--out", "encoder-run", *more]) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert "reconstruction 0," not in told[0]


def test_epochs_that_the_steps_do_not_make_are_said_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run([*words("pretrain"), "--out", "short"]) == 0
    assert "epochs says 21; 4 steps of 4 of 1,198 images: 0.0134" in capsys.readouterr().err
    assert metadata(Path("short"))["epochs"] == pytest.approx(16 / 1198)
    exact = words("pretrain", "encoder.pretrain.batch_size=599", "encoder.pretrain.epochs=2")
    assert cli.run([*exact, "--out", "whole"]) == 0
    assert "epochs says" not in capsys.readouterr().err


def test_a_faithful_pretraining_on_other_data_is_refused(tmp_path: Path) -> None:
    template = build.override(load_template("digits"), SMALL)
    faithful = template.model_copy(update={"fidelity": "faithful"})
    with pytest.raises(DriftError, match=r"pretrain\.epochs: found 4 steps .*; expected 21 epochs"):
        pretrain.start(faithful, DigitsSource(), pretrain.PretrainOptions(tmp_path / "run"))
    assert not (tmp_path / "run").exists()

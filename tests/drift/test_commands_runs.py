"""`drift pretrain`, `drift train` and `drift eval`: each refusal is one error, exit code 2, and
leaves nothing half-written."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from contracts.common import small_run
from contracts.data import cases as data_cases
from contracts.metrics import cases as metrics_cases
from drift import cli, gates
from drift.data import encode as encoding
from drift.data.listing import list_images
from drift.data.tokenizer import Tokenizer, parameters_sha256
from drift.digest import file_digest
from drift.state import checkpoint
from drift.state.record import rows

Refused = Callable[..., str]

SMALL = (*small_run.RUN, *small_run.PRETRAIN)
IMAGES = (
    "data.dataset=imagenet",
    "data.resolution=16",
    "generator.input_shape=[16, 16, 3]",
    "generator.num_classes=3",
    "encoder.num_classes=3",
    "encoder.stage_sizes=[16, 8, 4, 2]",
    "data.crop=adm-centre",
)
REVISION = "a" * 40
LATENTS = (
    "data.dataset=imagenet",
    "data.resolution=64",
    "data.tokenizer=local:small",
    f"data.tokenizer_revision={REVISION}",
    "data.scaling_factor=0.18215",
    "data.posterior=sample",
    "data.mirror=own-latent",
    "data.crop=adm-centre",
    "generator.input_shape=[8, 8, 4]",
    "generator.num_classes=3",
    "encoder.num_classes=3",
)


def words(command: str, *settings: str) -> list[str]:
    """The command on the digits template with everything made small."""
    chosen = [part for setting in (*SMALL, *settings) for part in ("--set", setting)]
    return [command, "digits", *chosen]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a command: empty."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def refused(place: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run a command that has to be refused -> its one error."""

    def refuse(*arguments: object) -> str:
        capsys.readouterr()
        assert cli.run([str(a) for a in arguments]) == 2
        said = capsys.readouterr().err
        assert "Traceback" not in said
        errors = [line for line in said.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, said
        assert not list(place.rglob(".*"))
        return errors[0]

    return refuse


def latent_cache(folder: Path) -> Path:
    """A cache of the small images by an autoencoder of three halvings."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Any = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(8,) * 4,
            norm_num_groups=4,
            latent_channels=4,
            scaling_factor=0.18215,
        )
    model = model.eval().requires_grad_(False)
    made = Tokenizer(model, "local:small", REVISION, parameters_sha256(model), 0.18215)
    chosen = encoding.settings_for(made, resolution=64, per_shard=6)
    listing = list_images(data_cases.write_folder(folder / "images"))
    encoding.encode(listing, folder / "cache", made, chosen, encoding.Pace(batch=4, workers=1))
    return folder / "cache"


def flip_a_bit_of_every_shard(cache: Path) -> None:
    for shard in cache.glob("*.safetensors"):
        data = bytearray(shard.read_bytes())
        data[-1] ^= 1
        shard.write_bytes(data)


# -- the acceptance's error cases -----------------------------------------------------------------


@pytest.mark.parametrize("command", ["pretrain", "train"])
def test_a_missing_data_set(command: str, place: Path, refused: Refused, tmp_path: Path) -> None:
    encoder = small_run.encoder_file(tmp_path / "e", in_channels=3, num_classes=3)
    more = ["--encoder", encoder] if command == "train" else []
    said = refused(*words(command, *IMAGES), "--data", "nowhere", *more)
    assert "nowhere: found no such folder" in said
    assert "--data: found nothing" in refused(*words(command, *IMAGES), *more)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("command", ["pretrain", "train"])
def test_a_class_without_images(
    command: str, place: Path, refused: Refused, tmp_path: Path
) -> None:
    images = data_cases.write_folder(tmp_path / "images")
    for path in (images / "newt").iterdir():
        path.unlink()
    more = (
        ["--encoder", small_run.encoder_file(tmp_path / "e", in_channels=3, num_classes=3)]
        if command == "train"
        else []
    )
    said = refused(*words(command, *IMAGES), "--data", images, *more)
    assert "1 of 3 classes without an image: 'newt'" in said
    assert list(place.iterdir()) == []


def test_a_queue_that_strict_mode_cannot_fill(
    place: Path, refused: Refused, tmp_path: Path
) -> None:
    images = data_cases.write_folder(tmp_path / "images")
    for path in sorted((images / "newt").iterdir())[1:]:
        path.unlink()  # one image, seen twice before the warm-up gives up: two of four samples
    encoder = small_run.encoder_file(tmp_path / "e", in_channels=3, num_classes=3)
    said = refused(*words("train", *IMAGES), "--data", images, "--encoder", encoder)
    assert "classes [1] below 4 samples" in said
    assert list(place.iterdir()) == []


def test_a_loss_that_is_no_number(place: Path, refused: Refused, tmp_path: Path) -> None:
    settings = ("optimizer.learning_rate=1.0e+30", "optimizer.warmup_steps=0")
    said = refused(*words("train", *settings), "--encoder", small_run.encoder_file(tmp_path / "e"))
    assert "in-run clause TRAIN-007 (finite values)" in said
    assert "The last good checkpoint is that of step 0." in said
    record = json.loads((place / "runs/digits/run_metadata.json").read_text())
    assert (record["status"], record["latest_checkpoint"]) == ("failed", 0)
    assert checkpoint.steps(place / "runs/digits/checkpoints") == [0]
    assert rows(place / "runs/digits/metrics/windows.jsonl") == []


def test_a_pretraining_loss_that_is_no_number(place: Path, refused: Refused) -> None:
    settings = ("encoder.pretrain.learning_rate=1.0e+30", "encoder.pretrain.warmup_steps=0")
    assert "expected finite numbers" in refused(*words("pretrain", *settings))
    record = json.loads((place / "runs/digits-encoder/run_metadata.json").read_text())
    assert record["status"] == "failed"
    assert not (place / "runs/digits-encoder/encoder.safetensors").exists()


@pytest.fixture
def measured(tmp_path: Path) -> tuple[Path, list[str]]:
    """(images to measure, the options that measure them with the small extractor)."""
    for name, seed in (("fake", 0), ("real", 1)):
        pixels = metrics_cases.pictures(60, seed, side=8, shift=0.3 * seed)
        np.savez(tmp_path / f"{name}.npz", arr_0=pixels.permute(0, 2, 3, 1).numpy())
    metrics_cases.tiny(tmp_path)
    weights = tmp_path / "tiny-0.safetensors"
    options = ["--extractor", "drift-tiny", "--extractor-weights", str(weights),
               "--extractor-sha256", file_digest(weights)]  # fmt: skip
    statistics = tmp_path / "statistics.safetensors"
    made = ["eval", str(tmp_path / "real.npz"), "--write-statistics", str(statistics)]
    assert cli.run([*made, "--name", "blobs", *options]) == 0
    return tmp_path / "fake.npz", [*options, "--statistics", str(statistics)]


def test_extractor_weights_of_another_digest(
    measured: tuple[Path, list[str]], refused: Refused
) -> None:
    source, options = measured
    before = sorted(source.parent.iterdir())
    said = refused("eval", source, *options, "--extractor-sha256", "0" * 64)
    assert f"expected {'0' * 64}" in said
    assert sorted(source.parent.iterdir()) == before


def test_reference_statistics_of_another_extractor(
    measured: tuple[Path, list[str]], refused: Refused
) -> None:
    source, options = measured
    other = metrics_cases.tiny(source.parent, seed=1)
    foreign = source.parent / "foreign.safetensors"
    metrics_cases.tiny_statistics(foreign, other, metrics_cases.pictures(60, 1, side=8))
    before = sorted(source.parent.iterdir())
    said = refused("eval", source, *options, "--statistics", foreign)
    assert "extractor_sha256" in said
    assert sorted(source.parent.iterdir()) == before


@pytest.mark.parametrize("command", ["pretrain", "train"])
def test_a_corrupted_shard(command: str, place: Path, refused: Refused, tmp_path: Path) -> None:
    cache = latent_cache(tmp_path)
    more = (
        ["--encoder", small_run.encoder_file(tmp_path / "e", in_channels=4, num_classes=3)]
        if command == "train"
        else []
    )
    usual = [*words(command, *LATENTS), "--data", cache, *more]
    assert cli.run([str(a) for a in [*usual, "--out", tmp_path / "sound"]]) == 0
    flip_a_bit_of_every_shard(cache)
    said = refused(*usual, "--out", "run")
    assert "cache/" in said
    assert "sha256" in said
    assert list(place.iterdir()) == [], "a sample is read before anything is written"


@pytest.mark.parametrize(
    "writes", [n if n in (0, 5) else pytest.param(n, marks=pytest.mark.nightly) for n in range(6)]
)
@pytest.mark.parametrize("command", ["pretrain", "train"])
def test_a_disk_that_fills_up_at_any_write(
    command: str, writes: int, place: Path, refused: Refused, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    more = ["--encoder", small_run.encoder_file(tmp_path / "e")] if command == "train" else []
    if command == "train":
        more += ["--window", "2", "--checkpoint-every", "2"]
    original, done = os.fsync, [0]

    def fsync(descriptor: int) -> None:
        done[0] += 1
        if done[0] > 2 * writes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(descriptor)

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fsync)
        said = refused(*words(command), "--out", "run", *more)
    assert "No space left on device" in said
    for step in checkpoint.steps(place / "run/checkpoints"):
        checkpoint.read(checkpoint.path_of(place / "run/checkpoints", step))
    # with room again the run goes on from what is there, or begins
    saved = checkpoint.steps(place / "run/checkpoints")
    again = [*words(command), "--out", "run", *more, *(["--resume"] if saved else [])]
    assert cli.run([str(a) for a in again]) == 0
    assert json.loads((place / "run/run_metadata.json").read_text())["status"] == "completed"


@pytest.mark.parametrize("command", ["pretrain", "train"])
def test_several_processes_without_what_torchrun_sets(
    command: str, place: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    said = refused(*words(command))
    assert said.startswith("error: WORLD_SIZE: found 2, and no RANK, LOCAL_RANK, MASTER_ADDR, ")
    assert "`drift launch TEMPLATE --world N` prints the command" in said
    assert list(place.iterdir()) == []


# -- claims, bypasses, what the engine does not build ---------------------------------------------


@pytest.fixture
def floors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pack whose one claim asks for 100 steps, 1,600 samples seen and 20,000 evaluated."""
    import verify.gate

    def claim_floors(claim_id: str, **where: Any) -> Any:
        if claim_id != "CLAIM-X":
            raise verify.gate.UsageError(f"claim {claim_id!r}: found no such claim in the pack")
        return verify.gate.Floors(steps=100, images_seen=1600, samples=20_000)

    monkeypatch.setattr(verify.gate, "claim_floors", claim_floors)


@pytest.mark.usefixtures("floors")
def test_a_run_below_the_floors_of_its_claim_never_starts(place: Path, refused: Refused) -> None:
    said = refused(*words("train"), "--claim", "CLAIM-X")
    assert "CLAIM-X: 4 steps, at least 100 needed" in said
    assert "CLAIM-X: 16 images seen, at least 1,600 needed" in said
    assert "CLAIM-X: 10,000 samples, at least 20,000 needed" in said
    assert "at least 100 needed" in refused(*words("train"), "--claim", "CLAIM-X", "--dry-run")
    assert "no such claim" in refused(*words("train"), "--claim", "CLAIM-Y")
    assert list(place.iterdir()) == []


@pytest.mark.usefixtures("floors")
def test_a_run_of_the_size_of_its_claim_records_it(tmp_path: Path) -> None:
    planned = {"steps": 100, "images_seen": 1600, "samples": 20_000}
    asked = {"claims": {"CLAIM-X": planned}}
    assert gates.require_floors(("CLAIM-X", "CLAIM-X"), **planned) == asked
    assert gates.require_floors((), **planned) == {}
    assert gates.require_floors(("CLAIM-X",), samples=20_000) == asked
    with pytest.raises(gates.GateError, match="1,999 samples"):
        gates.require_floors(("CLAIM-X",), samples=1999)


@pytest.mark.usefixtures("floors")
def test_an_evaluation_below_the_floors_of_its_claim_measures_nothing(
    measured: tuple[Path, list[str]], refused: Refused
) -> None:
    source, options = measured
    before = sorted(source.parent.iterdir())
    said = refused("eval", source, *options, "--claim", "CLAIM-X")
    assert "CLAIM-X: 60 samples, at least 20,000 needed" in said
    assert sorted(source.parent.iterdir()) == before


def test_a_claim_of_the_shipped_pack_refuses_a_run_of_four_steps(
    place: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    said = refused(*words("train"), "--claim", "CLAIM-FID-B2", "--dry-run")
    assert "CLAIM-FID-B2: 4 steps, at least " in said
    assert "samples, at least 50,000 needed" in said


def test_a_bypassed_check_is_in_the_record_of_the_run(place: Path, tmp_path: Path) -> None:
    encoder = str(small_run.encoder_file(tmp_path / "e"))
    chosen = [*words("train"), "--encoder", encoder, "--bypass-check", "TRAIN-009"]
    assert cli.run(chosen) == 0
    record = json.loads((place / "runs/digits/run_metadata.json").read_text())
    assert record["in_run"]["bypassed"] == ["TRAIN-009"]
    assert record["diagnostic"] == [
        "gates bypassed: in-run clause TRAIN-009 (true labels) not checked"
    ]


def test_a_check_that_cannot_be_bypassed_is_refused(
    place: Path, refused: Refused, tmp_path: Path
) -> None:
    encoder = small_run.encoder_file(tmp_path / "e")
    said = refused(*words("train"), "--encoder", encoder, "--bypass-check", "TRAIN-007")
    assert "--bypass-check: found TRAIN-007; expected TRAIN-009 or TRAIN-010" in said
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "setting"),
    [
        ("train", "queue.class_labels_from=uniform"),
        ("train", "evaluation.weights=raw"),
        ("pretrain", "encoder.pretrain.optimizer=sgd"),
        ("pretrain", "encoder.finetune.objective=classification-only"),
        ("pretrain", "data.mirror=flip"),
    ],
)
def test_what_the_engine_does_not_build_is_refused_before_anything_is_written(
    command: str, setting: str, place: Path, refused: Refused, tmp_path: Path
) -> None:
    more = ["--encoder", small_run.encoder_file(tmp_path / "e")] if command == "train" else []
    said = refused(*words(command, setting), *more)
    field, _, value = setting.partition("=")
    assert f"{field}: found {value}" in said
    assert list(place.iterdir()) == []


# -- what a run says about itself -----------------------------------------------------------------


@pytest.mark.parametrize("command", ["pretrain", "train"])
def test_the_record_says_with_what_how_fast_and_in_how_much_memory(
    command: str, place: Path, tmp_path: Path
) -> None:
    more = ["--encoder", str(small_run.encoder_file(tmp_path / "e"))] if command == "train" else []
    assert cli.run([*words(command), "--out", "run", *more]) == 0
    record = json.loads((place / "run/run_metadata.json").read_text())
    environment = record["environment"]
    assert environment["packages"]["torch"] == torch.__version__
    assert environment["threads"] == torch.get_num_threads()
    assert environment["cpu_count"] == os.cpu_count()
    assert len(environment["code_sha256"]) == 64
    assert environment["accelerator"] is None
    rates = record["throughput"]
    images = 4  # a batch of the pre-training; two labels of two samples in training
    for name in ("", "_mean"):
        assert rates[f"steps_per_s{name}"] > 0
        ratio = rates[f"images_per_s{name}"] / rates[f"steps_per_s{name}"]
        assert ratio == pytest.approx(images)
    assert 50 < record["memory"]["peak_resident_mib"] < 20_000
    assert record["memory"]["peak_accelerator_mib"] is None
    assert record["latest_checkpoint"] == 4
    assert (record["status"], record["latest_window"]) == ("completed", 4)


def test_a_mirror_that_breaks_changes_no_row(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys
    from types import ModuleType

    encoder = str(small_run.encoder_file(tmp_path / "e"))
    usual = [*words("train"), "--encoder", encoder, "--window", "1"]
    assert cli.run([*usual, "--out", "plain"]) == 0
    broken = ModuleType("torch.utils.tensorboard")
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", broken)
    capsys.readouterr()
    assert cli.run([*usual, "--out", "mirrored", "--mirror", "tensorboard"]) == 0
    assert capsys.readouterr().err.count("mirror tensorboard is off") == 1
    log = "metrics/windows.jsonl"
    assert (place / "plain" / log).read_bytes() == (place / "mirrored" / log).read_bytes()

"""What data are called, from the cache to whatever is made of it: said by somebody, or unknown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from contracts.common import small_run
from contracts.data import cases
from drift import cli
from drift.artifacts import store
from drift.config import load_template
from drift.data import DigitsSource, FolderSource, LatentSource, TensorSource, open_source
from drift.data.dataset import (
    EMBEDDED,
    Dataset,
    described,
    field_of,
    joined,
    of_artifact,
    of_run,
    require_size,
    stated,
)
from drift.data.manifest import read_manifest
from drift.data.source import DataError
from drift.evaluate import sources
from drift.state import checkpoint
from drift.train import build

FLOWERS = Dataset(name="flowers", licence="CC0-1.0")


def test_a_data_set_is_unknown_until_somebody_says_what_it_is() -> None:
    assert stated(None, None) == Dataset(name="unknown", licence="unknown")
    assert stated("flowers", "CC0-1.0") == FLOWERS
    for name, licence in (("", None), ("two words", None), (None, "a\nb"), ("digits", None)):
        with pytest.raises(DataError, match="of the data set: found"):
            stated(name, licence)


def test_what_is_known_stays_and_what_was_unknown_may_be_said() -> None:
    assert joined(Dataset(), FLOWERS, place="x") == FLOWERS
    assert joined(FLOWERS, Dataset(), place="x") == FLOWERS
    assert joined(FLOWERS, Dataset(licence="CC0-1.0"), place="x") == FLOWERS
    with pytest.raises(DataError, match="x: found the name 'flowers' of its data set"):
        joined(FLOWERS, Dataset(name="imagenet"), place="x")


def test_own_images_are_not_called_imagenet() -> None:
    with pytest.raises(DataError, match="15 images of 3 classes under the name imagenet"):
        require_size(Dataset(name="imagenet"), classes=3, images=15, place="x")
    require_size(Dataset(name="imagenet"), classes=1000, images=1_281_167, place="x")


def test_a_cache_carries_the_name_and_it_may_be_added_but_not_changed(tmp_path: Path) -> None:
    images, out = cases.write_folder(tmp_path / "images"), tmp_path / "cache"
    unnamed = cases.encoded(images, out)
    assert unnamed.dataset == Dataset()
    listing, settings, pace = cases.list_images(images), unnamed.settings, cases.encoding.Pace()

    def again(dataset: Dataset | None) -> None:
        cases.encoding.encode(listing, out, cases.tokenizer(), settings, pace, dataset)

    again(FLOWERS)
    assert read_manifest(out).dataset == FLOWERS
    again(None)
    assert read_manifest(out).dataset == FLOWERS
    assert read_manifest(out).digest == unnamed.digest  # the latents are the same
    assert LatentSource(out).dataset == FLOWERS
    with pytest.raises(DataError, match=r"the licence 'CC0-1\.0' of its data set"):
        again(Dataset(licence="MIT"))
    with pytest.raises(DataError, match="under the name imagenet"):
        again(Dataset(name="imagenet"))


def test_encode_takes_name_and_licence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = cases.write_folder(tmp_path / "images")
    cases.tokenizer().model.save_pretrained(tmp_path / "vae")
    common = ["encode", str(images), "--vae", str(tmp_path / "vae"), "--resolution", "16",
              "--device", "cpu", "--out"]  # fmt: skip
    named = ["--name", "flowers", "--licence", "CC0-1.0"]
    assert cli.run([*common, str(tmp_path / "a"), *named]) == 0
    assert "data set flowers, licence CC0-1.0" in capsys.readouterr().out
    assert read_manifest(tmp_path / "a").dataset == FLOWERS
    assert cli.run([*common, str(tmp_path / "b"), "--name", "imagenet"]) == 2
    assert "under the name imagenet" in capsys.readouterr().err


def test_a_source_says_what_it_is_called_and_its_classes(tmp_path: Path) -> None:
    images = cases.write_folder(tmp_path / "images")
    assert described(FolderSource(images, 16, dataset=FLOWERS)) == {
        "name": "flowers", "licence": "CC0-1.0", "classes": ["carp", "newt", "wren"],
    }  # fmt: skip
    assert described(FolderSource(images, 16))["name"] == "unknown"
    plain = TensorSource(torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]), classes=2)
    assert described(plain) == {"name": "unknown", "licence": "unknown", "classes": None}
    digits = described(DigitsSource())
    assert (digits["name"], digits["classes"]) == ("digits", list("0123456789"))


def test_names_that_do_not_fit_into_a_header_are_left_out() -> None:
    many = tuple(f"class number {i}" for i in range(10_000))
    source = TensorSource(torch.zeros(1, 1, 2, 2), torch.tensor([0]), 1, FLOWERS, many)
    assert described(source) == {**FLOWERS.model_dump(), "classes": None}


IMAGES = (
    "data.resolution=16", "generator.input_shape=[16, 16, 3]", "generator.num_classes=3",
    "encoder.num_classes=3", "encoder.stage_sizes=[16, 8, 4, 2]", "data.crop=adm-centre",
)  # fmt: skip


def test_a_named_data_set_has_the_name_of_its_template(tmp_path: Path) -> None:
    images = cases.write_folder(tmp_path / "images")
    digits = load_template("digits")
    own, other = (
        build.override(digits, (*IMAGES, f"data.dataset={name}")).data
        for name in ("flowers", "imagenet")
    )
    assert described(open_source(images, own, dataset=FLOWERS))["name"] == "flowers"
    with pytest.raises(
        DataError, match=r"data\.dataset is 'flowers' in the data, 'imagenet' in the"
    ):
        open_source(images, other, dataset=FLOWERS)
    assert described(open_source(images, other))["name"] == "unknown"


def test_run_artefact_and_samples_say_what_was_said_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Own images had to be called imagenet, samples then said so; the encoder said Apache-2.0."""
    images = cases.write_folder(tmp_path / "images")
    chosen = [
        part
        for setting in (*small_run.RUN, *small_run.PRETRAIN, *IMAGES, "data.dataset=flowers")
        for part in ("--set", setting)
    ]
    data = ["--data", str(images), "--data-name", "flowers", "--data-licence", "CC0-1.0"]
    common = ["digits", *chosen, "--device", "cpu"]
    folder, run, out = tmp_path / "e", tmp_path / "run", tmp_path / "s.npz"
    assert cli.run(["pretrain", *common, *data, "--out", str(folder)]) == 0, capsys.readouterr()
    metadata = store.load_artifact(folder / "encoder.safetensors").metadata
    assert metadata["licence"] == "NOASSERTION"
    assert of_artifact(metadata, "flowers") == FLOWERS
    more = [*common, "--encoder", str(folder / "encoder.safetensors"), "--out", str(run)]
    assert cli.run(["train", *more, *data]) == 0, capsys.readouterr()
    record = json.loads((run / "run_metadata.json").read_text())
    expected = {**FLOWERS.model_dump(), "classes": ["carp", "newt", "wren"]}
    assert record["dataset"] == expected
    decay = str(max(build.override(load_template("digits"), small_run.RUN).optimizer.ema_decay))
    sampled = ["sample", str(run), "--count", "6", "--ema-decay", decay, "--out"]
    assert cli.run([*sampled, str(out)]) == 0, capsys.readouterr()
    facts = sources.from_path(out).facts
    assert "class_names" not in facts  # with the weights; the comment of a .npz has no room
    assert (facts["dataset"], facts["dataset_licence"]) == ("flowers", "CC0-1.0")
    assert cli.run(["train", *more, *data[:2], "--data-name", "roses", "--resume"]) == 2
    assert "data.dataset is 'roses' in the data" in capsys.readouterr().err


def test_a_run_whose_data_were_renamed_is_not_the_same_run() -> None:
    kept = checkpoint.Checkpoint(0, {}, {"seed": 0, "dataset": FLOWERS.model_dump()})
    checkpoint.require_same(kept, {"seed": 0, "dataset": FLOWERS.model_dump()})
    with pytest.raises(checkpoint.CheckpointError, match=r"dataset\.licence: 'CC0-1\.0' in the"):
        checkpoint.require_same(kept, {"seed": 0, "dataset": {"name": "flowers"}})
    older = checkpoint.Checkpoint(0, {}, {"seed": 0})
    checkpoint.require_same(older, {"seed": 0, "dataset": FLOWERS.model_dump()})


def test_a_template_makes_nothing_known_but_the_embedded_digits() -> None:
    assert of_run({}, "imagenet") == {**Dataset().model_dump(), "classes": None}
    assert of_run({}, "digits")["licence"] == EMBEDDED.licence
    assert of_artifact({}, "imagenet") == of_artifact({"data": "imagenet"}, None) == Dataset()
    assert of_artifact({"data": field_of(FLOWERS.model_dump(), "0" * 64)}, None) == FLOWERS


def test_labels_of_a_run_go_by_the_names_of_its_classes() -> None:
    """A run's labels are its own; other statistics may have more classes before them."""
    names = {"class_names": ["newt", "wren"]}
    pixels = torch.full((2, 3, 4, 4), 128, dtype=torch.uint8)
    given = sources.Images(2, lambda: [(pixels, torch.tensor([0, 1]))], "0" * 64, names)
    found = sources.named(given, ("carp", "newt", "wren"), "run")
    assert torch.cat([labels for _, labels in found.batches()]).tolist() == [1, 2]

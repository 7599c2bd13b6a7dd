"""Random resized crops: the bounds that they keep, and that they depend on nothing but the draw."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from contracts.common.processes import each_process
from contracts.data import cases
from drift import pretrain, rng
from drift.config import load_template
from drift.data import DigitsSource, FolderSource
from drift.data import augment as crops
from drift.data.crop import pixels
from drift.errors import DriftError
from drift.ranks import ALONE, Ranks
from drift.state import checkpoint
from drift.state.record import rows
from drift.train import build

UNIFORM = st.floats(0, 1, exclude_max=True)
DRAWN = st.lists(UNIFORM, min_size=crops.NUMBERS, max_size=crops.NUMBERS)


@settings(max_examples=200)
@given(st.integers(8, 400), st.integers(8, 400), DRAWN)
def test_a_crop_lies_inside_and_keeps_scale_and_ratio_up_to_a_pixel(
    width: int, height: int, uniform: list[float]
) -> None:
    box = crops.box_of((width, height), uniform)
    assert box.left >= 0
    assert box.top >= 0
    assert 1 <= box.width <= width - box.left
    assert 1 <= box.height <= height - box.top
    low, high = crops.RATIO
    assert (box.width + 0.5) / max(box.height - 0.5, 0.5) >= low
    assert max(box.width - 0.5, 0.0) / (box.height + 0.5) <= high
    smallest = (math.sqrt(crops.SCALE[0] * width * height * low) - 0.5) ** 2
    fits = low <= width / height <= high
    if fits and smallest > 4:
        share = (box.width + 0.5) * (box.height + 0.5) / (width * height)
        assert share >= crops.SCALE[0]


def test_all_of_a_square_image_is_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crops, "SCALE", (1.0, 1.0))
    monkeypatch.setattr(crops, "RATIO", (1.0, 1.0))
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8))
    found = crops.random_resized_crop(image, 20, [0.3] * crops.NUMBERS)
    assert torch.equal(pixels(found), pixels(image))


def test_a_strip_that_no_try_fits_is_cut_in_the_middle() -> None:
    assert crops.box_of((400, 10), [0.99] * crops.NUMBERS) == crops.Box(193, 0, 13, 10)
    assert crops.box_of((10, 400), [0.99] * crops.NUMBERS) == crops.Box(0, 193, 10, 13)


def test_area_and_ratio_are_drawn_as_they_are_said_to_be() -> None:
    generator = rng.stream(0, "crop")
    drawn = crops.numbers(4000, generator).tolist()
    boxes = [crops.box_of((1000, 1000), one) for one in drawn]
    area = np.array([box.width * box.height for box in boxes]) / 1e6
    ratio = np.log([box.width / box.height for box in boxes])
    # Large crops of unequal sides do not fit and are drawn again, so the mean lies below 0.54.
    assert 0.47 < area.mean() < 0.54
    assert area.min() < 0.1
    assert area.max() > 0.95
    assert abs(ratio.mean()) < 0.02
    left = np.array([box.left / max(1000 - box.width, 1) for box in boxes])
    assert left.mean() == pytest.approx(0.5, abs=0.02)


def test_the_same_draw_gives_the_same_crops_with_any_number_of_readers(tmp_path: Path) -> None:
    folder = cases.write_folder(tmp_path / "images")
    places = torch.tensor([3, 14, 3, 0])
    many, one = FolderSource(folder, 16, mirror=True), FolderSource(folder, 16, workers=1)
    first = many.augmented(places, rng.stream(0, "crop", 5))
    assert first.shape == (4, 3, 16, 16)
    assert torch.equal(first, one.augmented(places, rng.stream(0, "crop", 5)))
    assert not torch.equal(first, one.augmented(places, rng.stream(0, "crop", 6)))
    assert not torch.equal(first[0], first[2])  # one image, two crops
    mirrored = many.augmented(places + 15, rng.stream(0, "crop", 5))
    assert torch.equal(mirrored, first.flip(-1))


SETTINGS = (
    "data.dataset=imagenet",
    "data.resolution=16",
    "generator.input_shape=[16, 16, 3]",
    "generator.num_classes=3",
    "encoder.num_classes=3",
    "encoder.stage_sizes=[16, 8, 4, 2]",
    "encoder.base_width=32",
    "encoder.blocks_per_stage=[1, 1, 1, 1]",
    "encoder.pretrain.steps=4",
    "encoder.pretrain.warmup_steps=1",
    "encoder.pretrain.batch_size=4",
    "encoder.pretrain.augmentation=random-resized-crop",
    "encoder.finetune.steps=2",
    "encoder.finetune.ramp_steps=1",
)


def begin(
    folder: Path, images: Path, *, resume: bool = False, mirror: bool = False, ranks: Ranks = ALONE
) -> pretrain.PretrainRun:
    template = build.override(load_template("digits"), SETTINGS)
    options = pretrain.PretrainOptions(
        folder, window=1, checkpoint_every=2, resume=resume, ranks=ranks
    )
    source = FolderSource(images, 16, mirror=mirror)
    return pretrain.start(template, source, options, say=lambda text: None)


def test_the_two_views_of_a_mirrored_image_are_one_image_of_an_epoch(tmp_path: Path) -> None:
    images = cases.write_folder(tmp_path / "images")
    plain, mirrored = (begin(tmp_path / f"{m}", images, mirror=m) for m in (False, True))
    assert len(mirrored.loader.source.labels) == 2 * len(plain.loader.source.labels)
    assert mirrored.facts["epochs"] == plain.facts["epochs"] > 0


def test_a_pretraining_on_crops_resumes_bit_for_bit(tmp_path: Path) -> None:
    images = cases.write_folder(tmp_path / "images")
    pretrain.pretrain(begin(tmp_path / "whole", images), lambda row: None)

    class Cut(Exception):  # noqa: N818
        """The process is gone."""

    def stop(row: object) -> None:
        if row["step"] == 3:  # type: ignore[index]
            raise Cut

    with pytest.raises(Cut):
        pretrain.pretrain(begin(tmp_path / "cut", images), stop)
    pretrain.pretrain(begin(tmp_path / "cut", images, resume=True), lambda row: None)
    last = checkpoint.path_of(Path("checkpoints"), 4)
    assert (tmp_path / "cut" / last).read_bytes() == (tmp_path / "whole" / last).read_bytes()
    log = Path("metrics/windows.jsonl")
    assert (tmp_path / "cut" / log).read_bytes() == (tmp_path / "whole" / log).read_bytes()


@pytest.mark.parametrize("world", [5, pytest.param(3, marks=pytest.mark.nightly)])
def test_a_pretraining_of_several_processes_is_that_of_one(world: int, tmp_path: Path) -> None:
    """Four images a step: shares of two and one, and of none; the same crops, masks and figures."""
    images = cases.write_folder(tmp_path / "images")
    pretrain.pretrain(begin(tmp_path / "one", images), lambda row: None)

    def work(ranks: Ranks) -> None:
        pretrain.pretrain(begin(tmp_path / "many", images, ranks=ranks), lambda row: None)

    each_process(world, work)
    last, log = checkpoint.path_of(Path("checkpoints"), 4), Path("metrics/windows.jsonl")
    one, many = (checkpoint.read(tmp_path / name / last) for name in ("one", "many"))
    assert many.facts == one.facts
    for name, value in one.tensors.items():
        if not value.is_floating_point():  # counters and states of streams
            assert torch.equal(many.tensors[name], value), name
    pairs = zip(rows(tmp_path / "many" / log), rows(tmp_path / "one" / log), strict=True)
    for step, (found, expected) in enumerate(pairs):
        # Adam turns the rounding of a small gradient into a step of its rate (DEC-0315).
        assert found == pytest.approx(expected, rel=1e-4 if step == 0 else 2e-2)
    assert (tmp_path / "many" / "encoder.safetensors").is_file()


def test_crops_of_what_is_no_image_file_are_refused_by_name(tmp_path: Path) -> None:
    template = build.override(
        load_template("digits"), ["encoder.pretrain.augmentation=random-resized-crop"]
    )
    options = pretrain.PretrainOptions(tmp_path / "run")
    with pytest.raises(DriftError, match=r"encoder\.pretrain\.augmentation: found random-resized"):
        pretrain.start(template, DigitsSource(), options)
    assert not (tmp_path / "run").exists()

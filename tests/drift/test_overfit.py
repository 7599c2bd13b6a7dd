"""What `drift overfit` says it learned: of each label the worst sample decides."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from drift import cli
from drift.toy import overfit

SHORT = (
    "encoder.pretrain.steps=2", "encoder.pretrain.epochs=1", "encoder.pretrain.warmup_steps=1",
    "encoder.finetune.steps=1", "encoder.finetune.ramp_steps=1",
)  # fmt: skip


def parts() -> tuple[torch.Tensor, torch.Tensor]:
    source = overfit.sixteen()
    return source.samples, source.labels


def test_the_images_themselves_are_learned_exactly() -> None:
    images, labels = parts()
    learned, _, worst = overfit.measure(images, images, labels)
    assert (learned.found, learned.off, learned.worst) == (overfit.IMAGES, 0.0, 0.0)
    assert torch.equal(worst, images)


def test_one_sample_of_another_image_costs_its_label_however_many_are_right() -> None:
    images, labels = parts()
    samples, asked = (
        torch.cat([images, images, images[[3]]]),
        torch.cat([labels, labels, labels[[7]]]),
    )
    learned, _, worst = overfit.measure(images, samples, asked)
    assert learned.found == overfit.IMAGES - 1
    assert torch.equal(worst[7], images[3])


def test_images_under_the_wrong_labels_are_not_learned() -> None:
    images, labels = parts()
    assert overfit.measure(images, images, labels.roll(1))[0].found == 0


def test_grey_is_no_digit() -> None:
    images, labels = parts()
    learned, _, _ = overfit.measure(images, torch.zeros_like(images), labels)
    assert learned.found == 0
    assert learned.off > learned.apart / 2


def test_the_least_number_of_steps_that_the_command_takes_is_a_run() -> None:
    made = overfit.recipe(20).optimizer
    assert (made.training_steps, made.warmup_steps) == (20, 20)
    assert overfit.recipe(500).optimizer.warmup_steps == 50


@pytest.mark.nightly
def test_the_command_trains_both_parts_and_shows_each_image_over_its_worst_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(overfit, "PRETRAIN", SHORT)
    out = tmp_path / "o"
    assert cli.run(["overfit", "--steps", "20", "--seed", "1", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"overfit \[proxy\]: \d+ of 16 images learned; .* apart; ", said), said
    assert {path.name for path in out.iterdir()} == {"encoder", "generator", "samples.png"}
    with Image.open(out / "samples.png") as image:
        levels = np.asarray(image).astype(float)
    top, bottom = np.split(levels[: len(levels) // 2 * 2], 2)
    assert top.std() > 0.5 * bottom.std() > 0
    before = (out / "samples.png").read_bytes()
    assert cli.run(["overfit", "--steps", "20", "--out", str(out)]) == 2
    assert "Choose another --out" in capsys.readouterr().err
    assert (out / "samples.png").read_bytes() == before

"""Samples on disk: complete, readable by others, and never half there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from contracts.metrics import cases
from drift import cli, sample
from drift.commands.sample import command
from drift.errors import DriftError, InputError
from drift.evaluate import sources
from drift.sample import grids, images, output, sampler


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cases.run_folder(tmp_path_factory.mktemp("sample") / "run")


def drawn(run: Path, out: Path, *more: str) -> Any:
    arguments = [str(run), "--out", str(out), "--ema-decay", "0.99", "--count", "23", *more]
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def expected(run: Path, count: int = 23, alpha: float = 1.0) -> torch.Tensor:
    loaded = sample.load(run, ema_decay="0.99")
    labels = sample.cycled(range(10), count)
    return sample.Sampler(loaded.generator).all(labels, alpha=alpha, seed=0)


def test_a_folder_holds_a_grid_tensors_single_images_and_their_provenance(
    run: Path, tmp_path: Path
) -> None:
    result = drawn(run, tmp_path / "out", "--images", "--columns", "5", "--batch-size", "4")
    assert "1 forward pass each" in result.output
    held = load_file(tmp_path / "out/samples.safetensors")
    torch.testing.assert_close(held["samples"], expected(run), rtol=0, atol=1e-5)
    assert held["labels"].tolist() == [i % 10 for i in range(23)]
    facts = json.loads((tmp_path / "out/samples.json").read_text())
    assert (facts["weights"], facts["ema_decay"], facts["alpha"]) == ("ema", "0.99", 1.0)
    with Image.open(tmp_path / "out/grid.png") as grid:
        assert grid.size == (5 * 34 + 2, 5 * (34 + grids.CAPTION) + 2)
    with Image.open(tmp_path / "out/images/000003.png") as single:
        pixels = images.pixels(held["samples"])[3, 0].numpy()
        np.testing.assert_array_equal(np.array(single), pixels)


def test_an_npz_is_what_evaluation_suites_of_the_field_read(run: Path, tmp_path: Path) -> None:
    drawn(run, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as held:
        array, labels = held["arr_0"], held["arr_1"]
    assert array.shape == (23, 8, 8, 1)
    assert array.dtype == np.uint8
    pixels = images.pixels(expected(run)).permute(0, 2, 3, 1).numpy()
    assert np.abs(array.astype(int) - pixels.astype(int)).max() <= 1
    assert labels.tolist() == [i % 10 for i in range(23)]


@pytest.mark.parametrize("name", ["out", "out.npz", "out.safetensors"])
def test_what_was_bypassed_follows_the_samples_into_every_file_that_can_be_measured(
    name: str, run: Path, tmp_path: Path
) -> None:
    """A .npz of a run with bypassed gates was measured as one of unknown origin, of tier C; in a
    folder the grid was measured as a sample."""
    said = {"gates": {"bypass": "hurry"}}
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run/run_metadata.json").write_text(json.dumps(said))
    drawn(tmp_path / "run", tmp_path / name, *(["--images"] if name == "out" else []))
    found = sources.from_path(tmp_path / name)
    assert found.count == 23
    assert found.facts["bypasses"] == ["gates bypassed: hurry"]
    assert len(found.facts["checkpoint_sha256"]) == 64
    assert sum(len(pixels) for pixels, _ in found.batches()) == 23


def test_a_safetensors_file_says_what_it_holds(run: Path, tmp_path: Path) -> None:
    drawn(run, tmp_path / "out.safetensors", "--classes", "3,5-6", "--alpha", "2.5")
    with safe_open(tmp_path / "out.safetensors", framework="pt") as held:
        facts = json.loads(held.metadata()["facts"])
        assert held.get_tensor("labels").tolist()[:4] == [3, 5, 6, 3]
    assert (facts["alpha"], facts["seeds"], facts["count"]) == (2.5, [0], 23)


def test_nothing_is_overwritten(run: Path, tmp_path: Path) -> None:
    (tmp_path / "out.png").write_text("kept")
    with pytest.raises(DriftError, match="expected a new name"):
        drawn(run, tmp_path / "out.png")
    assert (tmp_path / "out.png").read_text() == "kept"


def test_a_full_disk_leaves_nothing_behind(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(image: torch.Tensor) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(grids, "png", full)
    with pytest.raises(DriftError, match="No space left"):
        drawn(run, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_between_two_batches_leaves_nothing_behind(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sampler.draw

    def failing(*given: Any) -> torch.Tensor:
        found = real(*given)
        return found * float("nan") if given[4] else found

    monkeypatch.setattr(sampler, "draw", failing)
    with pytest.raises(InputError, match="not finite"):
        drawn(run, tmp_path / "out.npz", "--batch-size", "8")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["10", "3-", "a", "", "5-3", "-1", "3,,4"])
def test_classes_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--classes"):
        sample.parse_classes(text, 10)


def test_cycled_labels_have_equal_shares_to_one() -> None:
    labels = sample.cycled([0, 1, 2], 100)
    assert sorted(torch.bincount(labels).tolist()) == [33, 33, 34]
    balanced = torch.bincount(sample.cycled(range(1000), 50_000))
    assert balanced.unique().tolist() == [50]


def test_a_tensor_file_must_get_the_samples_it_announced(tmp_path: Path) -> None:
    path, labels = tmp_path / "x", torch.arange(3)
    with (
        pytest.raises(ValueError, match="found 4 numbers; expected 12"),
        output.safetensors(path, (3, 1, 2, 2), labels, {}) as write,
    ):
        write(torch.zeros(1, 1, 2, 2))


def test_a_grid_goes_row_by_row_with_white_between() -> None:
    pictures = torch.zeros(3, 1, 40, 40, dtype=torch.uint8)
    pictures[1] = 100
    found = grids.grid(pictures, columns=2)
    assert found.shape == (1, 86, 86)
    assert (int(found[0, 2, 2]), int(found[0, 2, 44]), int(found[0, 44, 44])) == (0, 100, 255)
    assert int(found[0, 0, 0]) == 255


def test_each_image_of_a_grid_is_named_once_over_neighbours_of_its_class() -> None:
    pictures = torch.zeros(5, 3, 40, 40, dtype=torch.uint8)
    found = grids.grid(pictures, 3, ["cat", "cat", "dog", "dog", "a name longer than its place"])
    step, height = 42, grids.CAPTION + 42
    assert found.shape == (3, 2 * height + 2, 3 * step + 2)
    first = torch.cat([grids.caption("cat", 2 * step), grids.caption("dog", step)], 1)
    cut = grids.caption("a name longer than its place", step)
    second = torch.cat([grids.caption("dog", step), cut, cut.new_full(cut.shape, 255)], 1)
    for row, strip in enumerate((first, second)):
        top = 2 + row * height
        assert all(torch.equal(one[top : top + grids.CAPTION, 2:], strip) for one in found)
    assert int(cut.min()) < 128
    assert int(cut[:, -grids.MARGIN :].min()) == 255
    with pytest.raises(InputError, match="1 names"):
        grids.grid(pictures, 3, ["cat"])


def test_what_the_letters_do_not_hold_is_shown_by_its_label() -> None:
    names = ("cat", "\u732b", "", "two\nlines", "T-shirt/top")
    assert grids.names_of([0, 1, 2, 3, 4], names) == ["cat", "1", "2", "3", "T-shirt/top"]
    assert grids.names_of([7, 0], None) == ["7", "0"]


def test_the_command_line_reports_a_missing_run_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = cli.run(["sample", str(tmp_path / "none"), "--out", str(tmp_path / "x.png")])
    error = capsys.readouterr().err
    assert code == cli.BAD_INPUT
    assert error.startswith("error: ")
    assert error.count("\n") == 1

"""`drift new`: whatever lies in a folder, what is written fits it, or nothing is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from drift.cli import run as drift
from drift.commands import runs
from drift.config import fingerprint, load_template
from drift.config.engine import require_buildable
from drift.config.own import patch_of, patchify_of
from drift.data import FolderSource, open_own
from drift.data.survey import survey
from drift.evaluate import real
from drift.generator import Generator
from drift.train import build


def images(
    root: Path, counts: dict[str, int], sides: tuple[int, int] = (16, 16), grey: bool = False
) -> Path:
    """Noise, `counts` images a class; of equal names equal pixels."""
    drawn = np.random.default_rng(0)
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            shape = sides[::-1] if grey else (*sides[::-1], 3)
            pixels = drawn.integers(0, 255, shape, dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:03d}.png")
    return root


def new(root: Path, place: Path, *words: str) -> Path:
    assert drift(["new", "mine", "--data", str(root), "--out", str(place), *words]) == 0
    return place


@pytest.mark.parametrize(
    ("sides", "grey", "expected", "crop"),
    [
        ((8, 8), False, (8, 8, 3), "none"),
        ((12, 12), True, (12, 12, 1), "none"),
        ((28, 28), True, (28, 28, 1), "none"),
        ((36, 36), False, (36, 36, 3), "none"),
        ((64, 64), False, (64, 64, 3), "none"),
        ((30, 30), False, (16, 16, 3), "adm-centre"),
        ((90, 70), True, (64, 64, 1), "adm-centre"),
        ((5, 300), False, (16, 16, 3), "adm-centre"),
    ],
)
def test_the_template_fits_the_images(
    sides: tuple[int, int], grey: bool, expected: tuple[int, int, int], crop: str, tmp_path: Path
) -> None:
    root = images(tmp_path / "data", {"a": 5, "b": 9}, sides, grey)
    template = load_template(new(root, tmp_path / "mine.yaml"))
    require_buildable(template)
    assert template.generator.input_shape == expected
    assert (template.data.crop, template.generator.num_classes) == (crop, 2)
    source = open_own(template)
    assert source.shape == (expected[2], *expected[:2])
    assert source.get(torch.tensor([0])).shape == (1, *source.shape)
    assert isinstance(build.generator(template, seed=0), Generator)


@pytest.mark.parametrize("side", range(1, 65))
def test_patches_divide_every_side(side: int) -> None:
    assert side % patch_of(side) == 0
    assert side % patchify_of(side) == 0


def test_counts_of_a_small_folder_bound_what_a_step_draws(tmp_path: Path) -> None:
    root = images(tmp_path / "data", {"a": 5, "b": 6, "only one": 70})
    template = load_template(new(root, tmp_path / "mine.yaml"))
    assert template.loss.positives == 4, "of five images of a class one is held out"
    assert template.loss.class_labels == 3
    assert template.queue.push_per_step == 64
    assert template.evaluation.precision_recall_samples == 1 + 1 + 14


def test_each_image_is_trained_on_or_held_out(tmp_path: Path) -> None:
    root = images(tmp_path / "data", {"a": 11, "b": 5})
    template = load_template(new(root, tmp_path / "mine.yaml"))
    seen, kept = (open_own(template, held_out=part) for part in (False, True))
    assert isinstance(seen, FolderSource)
    assert isinstance(kept, FolderSource)
    assert [entry.name for entry in kept.listing.entries] == ["a/004.png", "a/009.png", "b/004.png"]
    names = {entry.name for part in (seen, kept) for entry in part.listing.entries}
    assert len(names) == 16 == len(seen.labels) + len(kept.labels)
    assert seen.digest != kept.digest != FolderSource(root, 16, crop="none").digest


def test_what_judges_are_the_images_that_are_held_out(tmp_path: Path) -> None:
    root = images(tmp_path / "data", {"a": 11, "b": 5})
    template = load_template(new(root, tmp_path / "mine.yaml"))
    judged = real.of_template(template)
    assert (len(judged.taught), len(judged.unseen)) == (13, 3)
    with Image.open(root / "a" / "004.png") as picture:
        raw = np.asarray(picture).transpose(2, 0, 1)
    found = judged.unseen[0].numpy().astype(int)
    assert np.abs(found - raw).max() <= 1, "bytes by truncation"
    moved = root.rename(tmp_path / "moved")
    assert real.of_template(template, moved).sha256 == judged.sha256


def test_a_run_needs_no_more_than_the_template_wherever_it_is_called_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images(tmp_path / "data", {"a": 5, "b": 5})
    monkeypatch.chdir(tmp_path)
    new(Path("data"), Path("mine.yaml"), "--data-name", "noise", "--data-licence", "CC0-1.0")
    assert 'folder: "data"' in Path("mine.yaml").read_text(encoding="utf-8")
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    template = load_template("../mine.yaml")
    source = runs.source_of(template, None)
    assert isinstance(source, FolderSource)
    assert source.dataset.model_dump() == {"name": "noise", "licence": "CC0-1.0"}
    assert source.class_map == ("a", "b")


def test_where_images_lie_is_no_part_of_the_fingerprint(tmp_path: Path) -> None:
    root = images(tmp_path / "data", {"a": 5, "b": 5})
    template = load_template(new(root, tmp_path / "mine.yaml"))
    assert fingerprint(template) == fingerprint(template.beside(None))


def test_a_file_that_is_there_is_never_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = images(tmp_path / "data", {"a": 5, "b": 5})
    place = tmp_path / "mine.yaml"
    place.write_text("precious")
    assert drift(["new", "mine", "--data", str(root), "--out", str(place)]) == 2
    assert place.read_text() == "precious"
    assert "found something there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("counts", "name", "said"),
    [
        ({"a": 4, "b": 9}, "mine", "class a: found 4 images; expected at least 5"),
        ({}, "mine", "expected one folder of images per class"),
        ({"a": 9}, "My Run", "expected small letters"),
        ({"a": 9}, "digits", "expected another: it means an embedded data set"),
    ],
)
def test_what_no_run_could_use_is_refused_and_nothing_is_written(
    counts: dict[str, int], name: str, said: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "data").mkdir()
    images(tmp_path / "data", counts)
    place = tmp_path / "out.yaml"
    assert drift(["new", name, "--data", str(tmp_path / "data"), "--out", str(place)]) == 2
    assert said in capsys.readouterr().err
    assert not place.exists()


def test_an_image_among_others_that_is_damaged_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = images(tmp_path / "data", {"a": 9})
    (root / "a" / "003.png").write_bytes(b"no image")
    assert drift(["new", "mine", "--data", str(root), "--out", str(tmp_path / "x.yaml")]) == 2
    assert "003.png" in capsys.readouterr().err


def test_names_from_a_folder_are_written_so_that_they_are_read_back(tmp_path: Path) -> None:
    odd = tmp_path / 'da"ta: {x} #1'
    root = images(odd, {"a\n- b": 5, "null": 5, "{{ 1 }}": 5})
    template = load_template(new(root, tmp_path / "mine.yaml"))
    assert template.inputs is not None
    assert Path(template.inputs.folder) == odd
    assert open_own(template).class_map == ("a\n- b", "null", "{{ 1 }}")


def test_a_grey_image_among_colours_makes_no_grey_set(tmp_path: Path) -> None:
    root = images(tmp_path / "data", {"a": 5, "b": 5})
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(root / "a" / "000.png")
    assert survey(root).grey is False


def test_a_single_class_is_a_data_set(tmp_path: Path) -> None:
    root = images(tmp_path / "data", {"all": 12})
    template = load_template(new(root, tmp_path / "mine.yaml"))
    judged = real.of_template(template)
    assert template.loss.class_labels == 1
    from drift.evaluate.classifier import judge

    assert judge(judged).accuracy == 1.0

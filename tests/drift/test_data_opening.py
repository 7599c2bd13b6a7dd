"""A template's data section and what lies at a path: taken where they agree, refused by key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.data import cases
from drift.config import load_template
from drift.config.sections import Data
from drift.data import FolderSource, LatentSource, open_source
from drift.data.source import DataError

SMALL = {
    "dataset": "imagenet",
    "resolution": 16,
    "tokenizer": "local:small",
    "tokenizer_revision": "none",
    "scaling_factor": 0.18215,
    "posterior": "sample",
    "mirror": "own-latent",
    "crop": "adm-centre",
}
PIXELS = {
    "tokenizer": "none",
    "scaling_factor": 1.0,
    "posterior": "no-tokenizer",
    "mirror": "unstated",
    "crop": "unstated",
}


def section(**changes: Any) -> Data:
    return Data.model_validate(SMALL | changes)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("opening")
    cases.encoded(cases.write_folder(root / "images"), root / "cache")
    return root


def test_a_cache_that_is_what_the_template_states_is_taken(root: Path) -> None:
    source = open_source(root / "cache", section(), classes=3)
    assert isinstance(source, LatentSource)
    assert len(source.labels) == 30


def test_a_template_without_mirroring_uses_half_of_a_mirrored_cache(root: Path) -> None:
    assert len(open_source(root / "cache", section(mirror="none")).labels) == 15


def test_every_differing_key_is_named_with_both_values(root: Path) -> None:
    data = load_template("latent-b2").data
    with pytest.raises(DataError) as caught:
        open_source(root / "cache", data)
    message = str(caught.value)
    for key in ("resolution", "tokenizer", "tokenizer_revision"):
        assert f"data.{key} is " in message
    assert "'local:small' in the cache, 'stabilityai/sd-vae-ft-mse' in the template" in message
    assert "data.posterior" not in message


def test_an_image_folder_is_no_latent_cache(root: Path) -> None:
    with pytest.raises(DataError, match=r"images: found no manifest\.json.*`drift encode"):
        open_source(root / "images", section())


def test_pixels_come_from_the_folder_cropped_and_flipped_as_stated(root: Path) -> None:
    plain = open_source(root / "images", section(**PIXELS))
    assert isinstance(plain, FolderSource)
    assert plain.shape == (3, 16, 16)
    assert (plain.crop, len(plain.labels)) == ("adm-centre", 15)
    assert len(open_source(root / "images", section(**PIXELS | {"mirror": "flip"})).labels) == 30
    exact = open_source(root / "images", section(**PIXELS | {"crop": "none"}))
    assert isinstance(exact, FolderSource)
    assert exact.crop == "none"


@pytest.mark.parametrize("changes", [{"crop": "squash"}, {"mirror": "own-latent"}])
def test_what_the_engine_does_not_do_with_pixels_is_refused(
    root: Path, changes: dict[str, str]
) -> None:
    with pytest.raises(DataError, match="without a tokenizer"):
        open_source(root / "images", section(**PIXELS | changes))


def test_another_number_of_classes_than_the_generator_has_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match="found 3 classes; expected 1000"):
        open_source(root / "cache", section(), classes=1000)


def test_a_missing_dataset_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: found no such folder"):
        open_source(tmp_path / "nowhere", section())

"""Extractors: pinned weights, the reference's resize, images from every kind of source."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from PIL import Image
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from contracts.metrics import cases
from drift.digest import file_digest
from drift.errors import DriftError
from drift.evaluate import extractors, networks, sources

LAYERS = ["2048", "logits_unbiased"]
LIBRARY = "torch_fidelity.feature_extractor_inceptionv3"


@pytest.fixture(scope="module")
def inceptions() -> tuple[torch.nn.Module, torch.nn.Module]:
    """(ours, torch-fidelity's), the same random weights; neither downloads anything."""
    with (
        patch(f"{LIBRARY}.load_state_dict_from_url", return_value={}),
        patch.object(FeatureExtractorInceptionV3, "load_state_dict"),
    ):
        torch.manual_seed(0)
        ours = networks.ReferenceInception("ours", LAYERS)
        theirs = FeatureExtractorInceptionV3("theirs", LAYERS)
    theirs.load_state_dict(ours.state_dict())
    return ours.eval(), theirs.eval()


@torch.no_grad()
def test_without_a_resize_the_inception_is_torch_fidelitys(
    inceptions: tuple[torch.nn.Module, torch.nn.Module],
) -> None:
    pixels = cases.pictures(1, 0, side=300)[:, :, :299, :299].contiguous()
    for ours, theirs in zip(*(network(pixels) for network in inceptions), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_on_other_sizes_the_two_resizes_give_other_features(
    inceptions: tuple[torch.nn.Module, torch.nn.Module],
) -> None:
    pixels = cases.pictures(1, 0, side=32)
    ours, theirs = (network(pixels)[0] for network in inceptions)
    assert ours.shape == theirs.shape == (1, 2048)
    assert float((ours - theirs).norm() / theirs.norm()) > 1e-3


def test_the_pin_of_the_inception_is_the_digest_its_file_name_carries() -> None:
    assert extractors.INCEPTION_SHA256.startswith("6726825d")
    with pytest.raises(DriftError, match=r"Nothing is downloaded"):
        extractors.open_extractor(extractors.FID_INCEPTION, None)


def test_nothing_is_read_of_weights_with_another_digest(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"a pickle that must not be opened")
    with (
        patch("torch.load", side_effect=AssertionError("read")),
        pytest.raises(DriftError, match="expected 6726825d"),
    ):
        extractors.open_extractor(extractors.FID_INCEPTION, weights)


def test_an_unknown_extractor_is_named_with_those_there_are() -> None:
    with pytest.raises(DriftError, match="fid-inception-2015-12-05"):
        extractors.open_extractor("torchvision-imagenet", None)


def test_a_grey_image_is_seen_as_an_image_folder_would_show_it(tmp_path: Path) -> None:
    extractor = cases.tiny(tmp_path)
    grey = cases.pictures(3, 0)[:, :1]
    for a, b in zip(extractor(grey), extractor(grey.repeat(1, 3, 1, 1)), strict=True):
        np.testing.assert_array_equal(a, b)


def folder_of(root: Path, pixels: torch.Tensor, *, classes: bool) -> Path:
    for index, image in enumerate(pixels):
        place = root / f"{index % 2}" if classes else root
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(place / f"{index:03d}.png")
    return root


def read(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    pixels, labels = zip(*sources.from_path(path).batches(), strict=True)
    return torch.cat(pixels), torch.cat(labels)


def test_a_folder_a_tensor_file_and_an_npz_give_the_same_images(tmp_path: Path) -> None:
    pixels = cases.pictures(70, 0)
    np.savez(
        tmp_path / "a.npz", arr_0=pixels.permute(0, 2, 3, 1).numpy(), arr_1=np.arange(70) % 5
    )  # fmt: skip
    loose, labels = read(folder_of(tmp_path / "loose", pixels, classes=False))
    assert torch.equal(loose, pixels)
    assert labels.unique().tolist() == [-1]
    held, labels = read(tmp_path / "a.npz")
    assert torch.equal(held, pixels)
    assert labels.tolist() == [i % 5 for i in range(70)]
    sorted_, labels = read(folder_of(tmp_path / "classes", pixels, classes=True))
    assert torch.equal(sorted_, torch.cat([pixels[::2], pixels[1::2]]))
    assert labels.tolist() == [0] * 35 + [1] * 35


def test_a_folder_is_named_by_its_contents(tmp_path: Path) -> None:
    pixels = cases.pictures(4, 0)
    a = sources.from_path(folder_of(tmp_path / "a", pixels, classes=False)).sha256
    b = sources.from_path(folder_of(tmp_path / "b", pixels, classes=False)).sha256
    pixels[0, 0, 0, 0] ^= 1
    c = sources.from_path(folder_of(tmp_path / "c", pixels, classes=False)).sha256
    assert a == b != c


@pytest.mark.parametrize("damage", ["size", "garbage"])
def test_an_image_that_does_not_belong_is_named(tmp_path: Path, damage: str) -> None:
    root = folder_of(tmp_path / "images", cases.pictures(3, 0), classes=False)
    if damage == "size":
        Image.new("RGB", (5, 5)).save(root / "002.png")
    else:
        (root / "002.png").write_bytes(b"no image")
    with pytest.raises(DriftError, match=r"002\.png"):
        read(root)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 4, 4, 3), dtype=np.float32), "float32"),
        (np.zeros((2, 4, 4), dtype=np.uint8), r"\(2, 4, 4\)"),
    ],
)
def test_an_npz_of_another_kind_is_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.savez(tmp_path / "a.npz", arr_0=array)
    with pytest.raises(DriftError, match=message):
        sources.from_path(tmp_path / "a.npz")


def test_a_folder_with_nothing_to_evaluate_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(DriftError, match="neither checkpoints nor images"):
        sources.from_path(tmp_path)


def test_features_of_the_tiny_network_are_those_of_its_weights(tmp_path: Path) -> None:
    one, other = cases.tiny(tmp_path, 0), cases.tiny(tmp_path, 1)
    assert one.sha256 == file_digest(tmp_path / "tiny-0.safetensors") != other.sha256
    pixels = cases.pictures(2, 0)
    assert not np.allclose(one(pixels)[0], other(pixels)[0])

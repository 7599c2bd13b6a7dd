"""The bundled digits: pinned, split without overlap, scaled, refused when they are others."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from drift import digits


def test_the_installed_digits_are_the_pinned_ones() -> None:
    assert digits.fingerprint(*digits.raw()) == digits.SHA256


def test_the_split_is_deterministic_and_keeps_every_class_on_both_sides() -> None:
    training, held_out = digits.load()
    again, _ = digits.load()
    assert torch.equal(training.images, again.images)
    assert (len(training.labels), len(held_out.labels)) == (1198, 599)
    assert torch.bincount(held_out.labels).min() >= 54
    assert torch.bincount(training.labels).min() >= 111


def test_no_held_out_image_is_trained_on() -> None:
    training, held_out = digits.load()
    seen = {image.numpy().tobytes() for image in training.images}
    assert not any(image.numpy().tobytes() in seen for image in held_out.images)


def test_images_and_labels_stay_together_on_both_sides() -> None:
    images, labels = digits.raw()
    for side, first in zip(digits.load(), (0, 2), strict=True):
        assert torch.equal((side.images[0].reshape(8, 8) + 1) * 8, torch.tensor(images[first]))
        assert int(side.labels[0]) == labels[first]


def test_background_is_minus_one_and_full_ink_is_one() -> None:
    images, _ = digits.raw()
    pixels = digits.scaled(images)
    assert pixels.dtype == torch.float32
    stored = torch.tensor(images.reshape(-1, 64))
    assert pixels[stored == 0].unique().tolist() == [-1.0]
    assert pixels[stored == 16].unique().tolist() == [1.0]


@pytest.mark.parametrize("grey", [5.0, 0.5, -1.0])
def test_other_digits_are_refused_with_both_hashes(
    grey: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = digits.raw()
    changed = np.array(images)
    changed[7, 0, 0] = grey
    monkeypatch.setattr(digits, "raw", lambda: (changed, labels))
    with pytest.raises(digits.DigitsError, match=digits.SHA256):
        digits.load()


def test_a_missing_scikit_learn_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(digits.DigitsError, match=r"pip install 'drift-verify\[train\]'") as found:
        digits.load()
    assert isinstance(found.value, ModuleNotFoundError), "a clause that needs it is unknown"
    assert found.value.name == "sklearn"
